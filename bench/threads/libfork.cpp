// SPDX-License-Identifier: MIT
#include <libfork/core.hpp>
#include <libfork/schedule.hpp>

#include <type_traits>
#include <utility>

#include "threads/counted.hpp"

namespace {

/// Made for forks and joins within one root task; here every task is a root. Its workers may not schedule
/// any, and the choice of a worker is not guarded against other threads.
class libfork_side {
public:
  static constexpr bool only_main_posts = true;

  explicit libfork_side(unsigned workers) : pool_(workers) {}
  libfork_side(const libfork_side&) = delete;
  libfork_side& operator=(const libfork_side&) = delete;
  ~libfork_side() { drain(); }

  template <class F>
  void post(F task) {
    lf::detach(
        pool_,
        [](auto, auto work) -> lf::task<void> {
          work();
          co_return;
        },
        bench::counted(left_, std::move(task)));
  }
  template <class F>
  auto submit(F task) {
    return lf::schedule(
        pool_, [](auto, auto work) -> lf::task<std::invoke_result_t<F&>> { co_return work(); },
        std::move(task));
  }
  void drain() { left_.wait(); }
  void prepare() {}

private:
  bench::countdown left_{0};
  lf::lazy_pool pool_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<libfork_side>(argc, argv); }
