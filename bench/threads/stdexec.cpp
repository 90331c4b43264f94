// SPDX-License-Identifier: MIT
#include <exec/async_scope.hpp>
#include <exec/start_detached.hpp>
#include <exec/static_thread_pool.hpp>
#include <stdexec/execution.hpp>

#include <tuple>
#include <utility>

#include "threads/counted.hpp"

namespace {

/// A sender that was started, with get as futures have it.
template <class Sender>
class started {
public:
  explicit started(Sender sender) : sender_(std::move(sender)) {}
  auto get() { return std::get<0>(stdexec::sync_wait(std::move(sender_)).value()); }

private:
  Sender sender_;
};

/// Posts are counted here, because a scope takes a mutex for each.
class stdexec_side {
public:
  explicit stdexec_side(unsigned workers) : pool_(workers) {}
  stdexec_side(const stdexec_side&) = delete;
  stdexec_side& operator=(const stdexec_side&) = delete;
  ~stdexec_side() {
    drain();
    stdexec::sync_wait(submitted_.on_empty());
  }

  template <class F>
  void post(F task) {
    exec::start_detached(on_pool(bench::counted(left_, std::move(task))));
  }
  template <class F>
  auto submit(F task) {
    return started(submitted_.spawn_future(on_pool(std::move(task))));
  }
  void drain() { left_.wait(); }
  void prepare() {}

private:
  template <class F>
  auto on_pool(F task) {
    return stdexec::schedule(pool_.get_scheduler()) | stdexec::then(std::move(task));
  }

  bench::countdown left_{0};
  exec::static_thread_pool pool_;
  exec::async_scope submitted_;
};

}  // namespace

int main(int argc, char** argv) { return bench::run_threads<stdexec_side>(argc, argv); }
