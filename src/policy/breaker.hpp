// SPDX-License-Identifier: MIT
#pragma once

// Whether calls are let through, by how those before them ended. Pure; O(1) a call. A call that was let
// through holds a ticket with the period it began in; a period ends with each change of state, and what
// comes back from an earlier one says nothing about this one.

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include <muster/options.hpp>
#include <muster/stats.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"

namespace muster::policy {

enum class call_end : std::uint8_t { good, bad, unknown };

class breaker {
public:
  using ticket = detail::breaker_ticket;

  // `first_period`: above 0, and no other breaker's that could be confused with this one.
  breaker(const breaker_options& options, std::uint64_t first_period)
      : options_(&options), period_(first_period) {}

  // None: refused.
  std::optional<ticket> enter(base::time_point now) {
    if (state_ == breaker_state::open && now >= changes_at_) begin_trial(now);
    // Those who hold the places may never come back: others get a turn.
    if (state_ == breaker_state::half_open && full() && now >= changes_at_) begin_trial(now);
    if (state_ == breaker_state::closed) return ticket{period_, false};
    if (state_ == breaker_state::open || full()) {
      ++refused_;
      return std::nullopt;
    }
    ++out_;
    return ticket{period_, true};
  }

  void leave(ticket t, call_end how, base::time_point now) {
    if (t.period != period_) return;
    if (t.probe) {
      --out_;
      if (how == call_end::bad) return open("a call on trial failed", now);
      if (how == call_end::good && ++passed_ >= options_->probes) close();
      return;
    }
    if (how == call_end::unknown) return;
    count(how == call_end::bad, now);
  }

  [[nodiscard]] breaker_state state() const { return state_; }
  [[nodiscard]] int failures() const { return in_a_row_; }
  [[nodiscard]] std::uint64_t opened() const { return opened_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  // Why it is not closed.
  [[nodiscard]] const std::string& why() const { return why_; }
  // When it admits somebody at the latest; only while it is not closed.
  [[nodiscard]] base::time_point changes_at() const { return changes_at_; }

private:
  struct bucket {
    std::int64_t tenth = -1;  // of the window, since the beginning of time
    int calls = 0, bad = 0;
  };

  [[nodiscard]] bool full() const { return out_ + passed_ >= options_->probes; }

  void count(bool bad, base::time_point now) {
    in_a_row_ = bad ? in_a_row_ + 1 : 0;
    if (options_->failures && in_a_row_ >= *options_->failures)
      return open(std::to_string(in_a_row_) + " calls in a row failed", now);
    if (!options_->failure_rate) return;
    const std::int64_t tenth = now.time_since_epoch() / std::max(options_->window / 10, duration(1));
    bucket& here = buckets_[static_cast<std::size_t>(tenth) % buckets_.size()];
    if (here.tenth != tenth) here = {tenth};
    ++here.calls;
    here.bad += bad ? 1 : 0;
    int calls = 0, failed = 0;
    for (const bucket& each : buckets_) {
      if (each.tenth <= tenth - static_cast<std::int64_t>(buckets_.size())) continue;
      calls += each.calls;
      failed += each.bad;
    }
    if (bad && calls >= options_->least_calls && failed >= *options_->failure_rate * calls)
      open(std::to_string(failed) + " of the last " + std::to_string(calls) + " calls failed", now);
  }

  void open(std::string why, base::time_point now) {
    change(breaker_state::open);
    why_ = std::move(why);
    ++opened_;
    changes_at_ = base::after(now, options_->open_for);
  }
  void begin_trial(base::time_point now) {
    change(breaker_state::half_open);
    changes_at_ = base::after(now, options_->open_for);
  }
  void close() {
    change(breaker_state::closed);
    in_a_row_ = 0;
    buckets_ = {};
  }
  void change(breaker_state to) {
    state_ = to;
    ++period_;
    out_ = passed_ = 0;
  }

  const breaker_options* options_;
  std::uint64_t period_;
  breaker_state state_ = breaker_state::closed;
  int in_a_row_ = 0;
  int out_ = 0, passed_ = 0;  // calls on trial: under way, and those that succeeded
  base::time_point changes_at_{};
  std::string why_;
  std::uint64_t opened_ = 0, refused_ = 0;
  std::array<bucket, 10> buckets_{};
};

}  // namespace muster::policy
