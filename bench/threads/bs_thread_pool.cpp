// SPDX-License-Identifier: MIT
#include <BS_thread_pool.hpp>

#include <utility>

#include "threads/workloads.hpp"

namespace {

class bs_side {
public:
  explicit bs_side(unsigned workers) : pool_(workers) {}

  template <class F>
  void post(F task) {
    pool_.detach_task(std::move(task));
  }
  template <class F>
  auto submit(F task) {
    return pool_.submit_task(std::move(task));
  }
  void drain() { pool_.wait(); }
  void prepare() {}

private:
  BS::light_thread_pool pool_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<bs_side>(argc, argv); }
