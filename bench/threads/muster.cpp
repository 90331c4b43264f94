// SPDX-License-Identifier: MIT
#include <stop_token>

#include <muster/muster.hpp>

#include "threads/workloads.hpp"

namespace {

class muster_side {
public:
  explicit muster_side(unsigned workers)
      : pool_({.workers = {static_cast<int>(workers)}, .queue = {.capacity = std::nullopt}}) {}

  template <class F>
  void post(F task) {
    pool_.post(std::move(task));
  }
  template <class F>
  void post_with_options(F task) {
    pool_.post(
        {.priority = muster::priority::high, .deadline = std::chrono::minutes(1), .stop = stop_.get_token()},
        std::move(task));
  }
  template <class F>
  auto submit(F task) {
    return pool_.submit(std::move(task));
  }
  void drain() { pool_.wait_idle(); }
  void prepare() {}

private:
  std::stop_source stop_;
  muster::thread_pool pool_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<muster_side>(argc, argv); }
