// SPDX-License-Identifier: MIT
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <cstdio>
#include <future>

int main() {
  asio::thread_pool threads(1);
  std::packaged_task<int()> task([] { return 2; });
  auto result = task.get_future();
  asio::post(threads, std::move(task));
  std::printf("hello %d\n", result.get());
}
