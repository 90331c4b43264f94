// SPDX-License-Identifier: MIT
#include <utility>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

#include "threads/packaged.hpp"
#include "threads/workloads.hpp"

namespace {

/// An arena without a place for the submitting thread, so that tasks really queue; the group knows when all
/// have run.
class onetbb_side {
public:
  explicit onetbb_side(unsigned workers)
      // The limit counts the main thread too.
      : limit_(tbb::global_control::max_allowed_parallelism, workers + 1),
        arena_(static_cast<int>(workers), 0) {}
  onetbb_side(const onetbb_side&) = delete;
  onetbb_side& operator=(const onetbb_side&) = delete;
  ~onetbb_side() { drain(); }

  template <class F>
  void post(F task) {
    arena_.enqueue(group_.defer(std::move(task)));
  }
  template <class F>
  auto submit(F task) {
    return bench::submit_packaged(*this, std::move(task));
  }
  void drain() { group_.wait(); }
  void prepare() {}

private:
  tbb::global_control limit_;
  tbb::task_arena arena_;
  tbb::task_group group_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<onetbb_side>(argc, argv); }
