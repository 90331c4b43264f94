// SPDX-License-Identifier: MIT
#include <utility>

#include "threads/packaged.hpp"
#include "threads/workloads.hpp"

namespace {

/// OpenMP has tasks only inside a team: the submitting thread is one more of it, and works on the queue
/// itself when that is long or when it waits.
class openmp_side {
public:
  static constexpr bool works_here = true;

  explicit openmp_side(unsigned /*workers*/) {}  // the team is there already
  openmp_side(const openmp_side&) = delete;
  openmp_side& operator=(const openmp_side&) = delete;
  ~openmp_side() { drain(); }

  template <class F>
  void post(F task) {
#pragma omp task firstprivate(task)
    task();
  }
  template <class F>
  auto submit(F task) {
    return bench::submit_packaged(*this, std::move(task));
  }
  void drain() {
#pragma omp taskwait
  }
  void prepare() {}
};

}  // namespace

int main(int argc, char** argv) {
  int status = 0;
#pragma omp parallel num_threads(bench::workers + 1) shared(status)
#pragma omp single
  status = bench::run_threads<openmp_side>(argc, argv);
  return status;
}
