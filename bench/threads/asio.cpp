// SPDX-License-Identifier: MIT
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>

#include <future>
#include <optional>
#include <type_traits>
#include <utility>

#include "threads/workloads.hpp"

namespace {

class asio_side {
public:
  explicit asio_side(unsigned workers) : workers_(workers) { prepare(); }
  asio_side(const asio_side&) = delete;
  asio_side& operator=(const asio_side&) = delete;
  ~asio_side() { drain(); }

  template <class F>
  void post(F task) {
    asio::post(*pool_, std::move(task));
  }
  template <class F>
  auto submit(F task) {
    std::packaged_task<std::invoke_result_t<F&>()> packaged(std::move(task));
    auto result = packaged.get_future();
    asio::post(*pool_, std::move(packaged));
    return result;
  }
  /// Its only way to wait for all work also ends the threads.
  void drain() { pool_->join(); }
  void prepare() { pool_.emplace(workers_); }

private:
  unsigned workers_;
  std::optional<asio::thread_pool> pool_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<asio_side>(argc, argv); }
