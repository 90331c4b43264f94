// SPDX-License-Identifier: MIT
#include "engine/watcher.hpp"

#include <cstdio>
#include <typeinfo>
#include <utility>

#include <muster/error.hpp>

namespace muster::engine {

using detail::task;

// ----------------------------------------------------------------------------------------------------------
// the sink

bool metrics_desk::put(metric m) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= most_waiting) {
    ++lost_;
    return false;
  }
  waiting_.push_back(std::move(m));
  return !std::exchange(is_posted_, true);
}

void metrics_desk::give(const metric& m) const {
  const task_metric about{
      .pool = pool_, .task = m.task, .id = m.id, .label = m.label, .worker = m.worker, .attempt = m.attempt};
  switch (m.what) {
    case metric::kind::started: return sink_->task_started(about);
    case metric::kind::completed: return sink_->task_completed(about, m.run);
    case metric::kind::failed: return sink_->task_failed(about, m.run, m.code);
    case metric::kind::error: return sink_->error(m.code);
  }
}

namespace {
// What a sink throws is told and goes no further.
template <class F>
void guarded(F call) {
  try {
    call();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "muster: a metrics sink threw: %s\n", e.what());
  } catch (...) {
    std::fprintf(stderr, "muster: a metrics sink threw something that is no std::exception\n");
  }
}
}  // namespace

bool metrics_desk::hand_over() {
  std::deque<metric> now;
  std::size_t lost = 0;
  {
    const std::lock_guard lock(mutex_);
    now.swap(waiting_);
    lost = std::exchange(lost_, 0);
  }
  for (const metric& m : now) guarded([&] { give(m); });
  if (lost > 0) guarded([&] { sink_->lost(lost); });
  const std::lock_guard lock(mutex_);
  is_posted_ = !waiting_.empty();
  return is_posted_;
}

void metrics_desk::give_gauges(const stats& now) const {
  guarded([&] { sink_->gauges(pool_, now); });
}

// -----------------------------------------------------------------------------------------------------------
// errors

std::string_view code_of(const std::exception_ptr& error) {
  if (!error) return "exception";
#if defined(__GLIBCXX__)
  // These come by the thousand when a pool is stopped, so they are told by their type alone.
  if (const std::type_info* type = error.__cxa_exception_type()) {
    if (*type == typeid(pool_stopped)) return name(error_code::pool_stopped);
    if (*type == typeid(cancelled)) return name(error_code::cancelled);
  }
#endif
  try {
    std::rethrow_exception(error);
  } catch (const muster::error& e) {
    return name(e.code());
  } catch (...) {
    return "exception";
  }
}

void watcher::count_error(std::string_view code) {
  {
    const std::lock_guard lock(errors_mutex_);
    const auto found = errors_.find(code);
    if (found != errors_.end())
      ++found->second;
    else
      errors_.emplace(code, 1);
  }
}

// ---------------------------------------------------------------------------------------------------------
// times

watcher::watcher(const watch_settings& chosen, const std::string& pool)
    : one_in_(chosen.metrics || chosen.own_log.tasks ? 1 : chosen.one_in),
      times_(one_in_ != 0 ? std::make_unique<times>() : nullptr),
      metrics_(chosen.metrics ? std::make_shared<metrics_desk>(chosen.metrics, pool) : nullptr) {}

void watcher::measure(task& t, base::time_point now) { t.own_times().submitted = now; }

void watcher::began(task& t, base::time_point now) {
  t.extras->times->attempt_began = now;
  if (times_ && !std::exchange(t.extras->times->wait_is_noted, true))
    times_->waited.record(now - t.extras->times->submitted);
}

std::optional<duration> watcher::ended(task& t, base::time_point now) {
  const base::time_point began = std::exchange(t.extras->times->attempt_began, base::time_point{});
  if (began == base::time_point{}) return std::nullopt;
  const duration run = std::max<duration>(now - began, duration::zero());
  if (times_) times_->ran.record(run);
  return run;
}

void watcher::describe(stats& into) const {
  if (times_) {
    into.waited = times_->waited.summary();
    into.ran = times_->ran.summary();
  }
  const std::lock_guard lock(errors_mutex_);
  for (const auto& [code, count] : errors_) into.errors_by_code.emplace(code, count);
}

}  // namespace muster::engine
