// SPDX-License-Identifier: MIT
#include <dispenso/thread_pool.h>

#include <utility>

#include "threads/counted.hpp"
#include "threads/packaged.hpp"

namespace {

/// Every task is forced into the queue. Who waits for a set of tasks or for a future of dispenso runs tasks
/// meanwhile, hence neither is used here.
class dispenso_side {
public:
  explicit dispenso_side(unsigned workers) : pool_(workers) {}
  dispenso_side(const dispenso_side&) = delete;
  dispenso_side& operator=(const dispenso_side&) = delete;
  ~dispenso_side() { drain(); }

  template <class F>
  void post(F task) {
    pool_.schedule(bench::counted(left_, std::move(task)), dispenso::ForceQueuingTag{});
  }
  template <class F>
  auto submit(F task) {
    return bench::submit_packaged(*this, std::move(task));
  }
  void drain() { left_.wait(); }
  void prepare() {}

private:
  bench::countdown left_{0};
  dispenso::ThreadPool pool_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<dispenso_side>(argc, argv); }
