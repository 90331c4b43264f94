// SPDX-License-Identifier: MIT
#include <future>
#include <memory>
#include <type_traits>
#include <utility>

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
    // What a task captures is copied, hence the pointer.
    auto packaged = std::make_shared<std::packaged_task<std::invoke_result_t<F&>()>>(std::move(task));
    auto result = packaged->get_future();
    post([packaged] { (*packaged)(); });
    return result;
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
