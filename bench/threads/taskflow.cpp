// SPDX-License-Identifier: MIT
#include <taskflow/taskflow.hpp>

#include <utility>

#include "threads/workloads.hpp"

namespace {

class taskflow_side {
public:
  explicit taskflow_side(unsigned workers) : executor_(workers) {}

  template <class F>
  void post(F task) {
    executor_.silent_async(std::move(task));
  }
  template <class F>
  auto submit(F task) {
    return executor_.async(std::move(task));
  }
  void drain() { executor_.wait_for_all(); }
  void prepare() {}

private:
  tf::Executor executor_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<taskflow_side>(argc, argv); }
