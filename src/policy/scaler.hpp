// SPDX-License-Identifier: MIT
#pragma once

// How many workers there should be. Pure: what is seen and the time come in, a number and a reason come out,
// and a time at which to ask again where the answer was put off. Two questions, because they are asked at
// different moments: grow, when tasks wait or few workers are free; shrink, when some have nothing to do.
//
// It cannot go to and fro under a constant load: after growing by a rule the pool is not above that rule's
// limit, and shrinking stops where it would be. See docs/internals/scaling.md.
//
// A new rule for growing: a function like by_queue, and its line in grow.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

#include <muster/scaling_options.hpp>

#include "base/clock.hpp"

namespace muster::policy {

struct crowd_seen {
  int staying = 0;         // workers that live and are to stay, also those that are on their way
  int up = 0;              // of these, ready
  int busy = 0;            // of these, with a task
  std::size_t queued = 0;  // tasks that wait
  // Of these, which is next; and which is the newest that there ever was. Tasks are numbered in their order.
  std::uint64_t next = 0, newest = 0;
  int at_once = 1;  // tasks that each worker runs at the same time
};

// What grow wants to hear of: more than so many tasks wait and nobody is free; or no more than so many
// workers are free (-1: that does not matter).
struct growth_signal {
  std::size_t queued = 0;
  int spare = -1;
  static constexpr std::size_t none = std::numeric_limits<std::size_t>::max();
  [[nodiscard]] bool deaf() const { return queued == none && spare < 0; }
};

enum class scale_reason : std::uint8_t { tasks_wait, queue_length, waiting_time, busy_part, idle, quiet };

struct scale_decision {
  int to = 0;
  scale_reason why{};
};

class scaler {
public:
  scaler(const scaling_options& how, base::duration idle_timeout) : how_(how), idle_timeout_(idle_timeout) {}

  // More than there are, at most `max`; or none.
  std::optional<scale_decision> grow(const crowd_seen& seen, int max, base::time_point now) {
    grow_again_ = base::never;
    cooling_ = false;
    std::optional<scale_decision> most;
    for (const auto& one : {by_tasks(seen), by_queue(seen), by_wait(seen, now), by_busy(seen, now)})
      if (one && one->to > seen.staying && (!most || one->to > most->to)) most = one;
    if (seen.staying >= max) grow_again_ = base::never;  // nothing to come back for
    if (!most || seen.staying >= max) return std::nullopt;
    cooling_ = seen.staying > 0 && put_off(shrunk_at_, grow_again_, now);
    if (cooling_) return std::nullopt;
    grown_at_ = now;
    busy_since_.reset();
    quiet_since_.reset();
    grow_again_ = base::never;
    return scale_decision{std::min(most->to, max), most->why};
  }

  // Fewer than there are, not below `min`; or none. `may_go`: workers that are idle and may leave; where
  // there is down_at, however short a time they were idle.
  std::optional<scale_decision> shrink(const crowd_seen& seen, int may_go, int min, base::time_point now) {
    shrink_again_ = base::never;
    if (how_.down_at && !is_quiet(seen, now)) return std::nullopt;
    const int to = std::max({seen.staying - may_go, min, least_for(seen.busy)});
    if (seen.queued > 0 || to >= seen.staying) return std::nullopt;
    if (put_off(grown_at_, shrink_again_, now)) return std::nullopt;
    shrunk_at_ = now;
    quiet_since_.reset();
    return scale_decision{to, how_.down_at ? scale_reason::quiet : scale_reason::idle};
  }

  // While there are so many workers. What comes back by itself is not listened for.
  [[nodiscard]] growth_signal listen(int staying) const {
    if (cooling_) return {growth_signal::none, -1};
    growth_signal signal;
    if (staying == 0) return signal;
    if (how_.waiting_time && mark_) signal.queued = growth_signal::none;
    if (how_.queue_per_worker && (!how_.waiting_time || mark_))
      signal.queued = static_cast<std::size_t>(*how_.queue_per_worker * staying);
    if (how_.up_at && !busy_since_) signal.spare = std::max(0, times(staying - *how_.up_at * staying) - 1);
    return signal;
  }

  // When to ask again because an answer was put off; never: when something happens.
  [[nodiscard]] base::time_point grow_again() const { return grow_again_; }
  [[nodiscard]] base::time_point shrink_again() const { return shrink_again_; }

private:
  using decision = std::optional<scale_decision>;
  [[nodiscard]] static int times(double a) {  // rounded up, and no further than any pool goes
    return static_cast<int>(std::ceil(std::min(a, 1e6) - 1e-9));
  }

  // So many workers for what waits.
  [[nodiscard]] static int for_waiting(const crowd_seen& seen) {
    const auto each = static_cast<std::size_t>(seen.at_once);
    return static_cast<int>(std::min<std::size_t>((seen.queued + each - 1) / each, 4'096));
  }

  // One worker for each task that waits while nobody is free, or for as many as it runs at once. With other
  // rules for the queue: for the first.
  [[nodiscard]] decision by_tasks(const crowd_seen& seen) const {
    if (seen.queued == 0 || seen.busy < seen.up) return std::nullopt;
    const bool other_rule = how_.queue_per_worker || how_.waiting_time;
    if (other_rule && seen.staying > 0) return std::nullopt;
    return scale_decision{other_rule ? 1 : seen.up + for_waiting(seen), scale_reason::tasks_wait};
  }
  [[nodiscard]] decision by_queue(const crowd_seen& seen) const {
    if (!how_.queue_per_worker || static_cast<double>(seen.queued) <= *how_.queue_per_worker * seen.staying)
      return std::nullopt;
    return scale_decision{
        std::max(seen.staying + 1, times(static_cast<double>(seen.queued) / *how_.queue_per_worker)),
        scale_reason::queue_length};
  }
  // Of the tasks that were there at the mark one is still waiting, and so has waited since.
  decision by_wait(const crowd_seen& seen, base::time_point now) {
    if (!how_.waiting_time) return std::nullopt;
    if (seen.queued == 0) {
      mark_.reset();
      return std::nullopt;
    }
    const bool waited = mark_ && seen.next <= mark_->newest;
    const bool long_enough = waited && now >= base::after(mark_->at, *how_.waiting_time);
    if (!waited || long_enough) mark_ = {now, seen.newest};
    put_off_until(base::after(mark_->at, *how_.waiting_time));
    if (!long_enough || seen.busy < seen.up) return std::nullopt;
    return scale_decision{seen.up + for_waiting(seen), scale_reason::waiting_time};
  }
  // At two looks, so that it is not a moment's chance.
  decision by_busy(const crowd_seen& seen, base::time_point now) {
    if (!how_.up_at || seen.busy <= *how_.up_at * seen.staying) {
      busy_since_.reset();
      return std::nullopt;
    }
    if (!busy_since_) busy_since_ = now;
    if (now < base::after(*busy_since_, how_.check_every)) {
      put_off_until(base::after(*busy_since_, how_.check_every));
      return std::nullopt;
    }
    return scale_decision{std::max(seen.staying + 1, times(seen.busy / *how_.up_at)),
                          scale_reason::busy_part};
  }

  // So many are needed for these, or up_at would have some back; with down_at, to be in the middle between
  // both.
  [[nodiscard]] int least_for(int busy) const {
    if (!how_.up_at && !how_.down_at) return 0;
    const double high = how_.up_at.value_or(1);
    return times(busy / ((high + how_.down_at.value_or(high)) / 2));
  }
  bool is_quiet(const crowd_seen& seen, base::time_point now) {
    if (seen.queued > 0 || seen.busy >= *how_.down_at * seen.staying) {
      quiet_since_.reset();
      return false;
    }
    if (!quiet_since_) quiet_since_ = now;
    if (now >= base::after(*quiet_since_, idle_timeout_)) return true;
    shrink_again_ = base::after(*quiet_since_, idle_timeout_);
    return false;
  }
  // For as long as it has to keep from a change the other way.
  bool put_off(const std::optional<base::time_point>& other, base::time_point& again,
               base::time_point now) const {
    if (!other || now >= base::after(*other, how_.cool_down)) return false;
    again = base::after(*other, how_.cool_down);
    return true;
  }
  void put_off_until(base::time_point at) { grow_again_ = std::min(grow_again_, at); }

  struct mark {
    base::time_point at;
    std::uint64_t newest;
  };
  scaling_options how_;
  base::duration idle_timeout_;
  std::optional<base::time_point> grown_at_{}, shrunk_at_{};
  std::optional<base::time_point> busy_since_{};   // more than up_at, at every look since
  std::optional<base::time_point> quiet_since_{};  // less than down_at, the same
  std::optional<mark> mark_{};
  bool cooling_ = false;  // growing is put off by cool_down
  base::time_point grow_again_ = base::never, shrink_again_ = base::never;
};

}  // namespace muster::policy
