// SPDX-License-Identifier: MIT
#include <tmc/ex_cpu.hpp>
#include <tmc/sync.hpp>

#include <utility>

#include "threads/counted.hpp"

namespace {

class toomanycooks_side {
public:
  explicit toomanycooks_side(unsigned workers) { executor_.set_thread_count(workers).init(); }
  toomanycooks_side(const toomanycooks_side&) = delete;
  toomanycooks_side& operator=(const toomanycooks_side&) = delete;
  ~toomanycooks_side() {
    drain();
    executor_.teardown();
  }

  template <class F>
  void post(F task) {
    tmc::post(executor_, bench::counted(left_, std::move(task)));
  }
  template <class F>
  auto submit(F task) {
    return tmc::post_waitable(executor_, std::move(task));
  }
  void drain() { left_.wait(); }
  void prepare() {}

private:
  bench::countdown left_{0};
  tmc::ex_cpu executor_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<toomanycooks_side>(argc, argv); }
