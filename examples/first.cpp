// SPDX-License-Identifier: MIT
// The program of the README: three calls into worker processes, one of which ends its worker.
#include <cstdio>
#include <cstdlib>

#include <muster/muster.hpp>

std::size_t parse(const std::string& text) { return text.size(); }  // imagine something that crashes

int main(int argc, char** argv) {
  muster::init(argc, argv);                     // worker processes begin here; before the first thread
  muster::process_pool pool({.workers = {4}});  // or muster::thread_pool

  muster::future<std::size_t> a = pool.submit(parse, "some text");
  auto b = pool.submit({.priority = muster::priority::high}, [](int x) { return x * x; }, 7);
  std::printf("%zu %d\n", a.get(), b.get());

  try {
    pool.submit([] { std::abort(); }).get();
  } catch (const muster::unexpected_exit& e) {
    std::printf("one task lost, to signal %d\n", e.death().signal.value_or(0));
  }
  std::printf("and the pool goes on: %zu\n", pool.submit(parse, "more").get());
}
