// SPDX-License-Identifier: MIT
// What happens to a task's record when it settles, is waited for, or is cancelled through its future.
#include <future>
#include <memory>

#include <muster/error.hpp>
#include <muster/task.hpp>

#include "base/futex.hpp"
#include "engine/engine.hpp"
#include "engine/registry.hpp"

namespace muster::detail {

const task_names no_names;

namespace {
using muster::engine::engine;

void run_continuations(task& t) {
  for (continuation* c = t.continuations.exchange(nullptr, std::memory_order_acq_rel); c != nullptr;) {
    continuation* const next = c->next;
    if (c->at_once) {
      c->run(c, t);
    } else if (t.home == nullptr ||
               !muster::engine::with_living(t.home, [&](task_home& home) { home.dispatch(c, t); })) {
      c->run(c, t);  // its pool is gone, and with it the executor
    }
    c = next;
  }
}
}  // namespace

void publish(task& t) noexcept {
  const std::uint32_t before = t.outcome.fetch_or(task::outcome_settled, std::memory_order_acq_rel);
  if ((before & task::outcome_waited_for) != 0) base::futex_wake_here(t.outcome);
  if ((before & task::outcome_continued) != 0) run_continuations(t);
}

bool settle_with_error(task& t, std::exception_ptr error) noexcept {
  if (!t.claim()) return false;
  t.error = std::move(error);
  publish(t);
  return true;
}

void attach(task& t, continuation* c) {
  continuation* head = t.continuations.load(std::memory_order_relaxed);
  do c->next = head;
  while (
      !t.continuations.compare_exchange_weak(head, c, std::memory_order_acq_rel, std::memory_order_relaxed));
  // Either publish sees the bit, or we see that it has passed; each continuation is taken out of the list
  // once.
  if ((t.outcome.fetch_or(task::outcome_continued, std::memory_order_acq_rel) & task::outcome_settled) != 0)
    run_continuations(t);
}

void nudge(task& t) noexcept {
  const std::uint32_t before = t.outcome.fetch_add(task::outcome_nudged, std::memory_order_acq_rel);
  if ((before & task::outcome_waited_for) != 0) base::futex_wake_here(t.outcome);
}

bool sleep_while(task& t, std::uint32_t seen, std::optional<time_point> until) {
  return base::futex_wait_here(t.outcome, seen, until);
}

bool wait_until(task& t, std::optional<time_point> until) {
  if (t.settled()) return true;
  auto* home = static_cast<engine*>(t.home);
  const muster::engine::inside* here = muster::engine::here();
  if (home != nullptr && here != nullptr && here->home == home) return home->wait_inside(t, until);
  if (home != nullptr && muster::engine::callbacks::inside_of(home)) return home->wait_in_callback(t, until);
  return wait_outside(t, until);
}

bool wait_outside(task& t, std::optional<time_point> until) {
  bool may_read = t.home != nullptr && t.ops->call != nullptr;
  std::unique_ptr<muster::engine::answer_reader> reader;
  for (;;) {
    const std::uint32_t seen = look_before_sleep(t);
    if (t.settled()) return true;
    if (until && std::chrono::steady_clock::now() >= *until) return false;
    if (may_read && !reader)
      muster::engine::with_living(
          t.home, [&](task_home& home) { reader = static_cast<engine&>(home).reader_for(t); });
    const bool in_time = reader ? reader->sleep(seen, until) : sleep_while(t, seen, until);
    if (reader && !reader->read()) {
      reader.reset();
      may_read = false;
    }
    if (!in_time) return t.settled();
  }
}

void cancel(task& t) {
  if (t.is(task::is_continuation)) {
    settle_with_error(t, std::make_exception_ptr(cancelled("cancelled before its continuation was done")));
    return;
  }
  if (t.home != nullptr && !t.settled())
    muster::engine::with_living(t.home, [&](task_home& home) { home.cancel(t); });
}

void throw_no_state() { throw std::future_error(std::future_errc::no_state); }

void task_extras::cancel_task::operator()() const { cancel(*target); }

}  // namespace muster::detail
