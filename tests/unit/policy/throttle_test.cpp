// SPDX-License-Identifier: MIT
// Holding tasks back so that processors are used as much as they may be, in virtual time.
#include "policy/throttle.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace muster::policy {
namespace {

using namespace std::chrono_literals;
using base::duration;
using base::time_point;

constexpr duration between_looks = 50ms;

// A pool that always has tasks waiting, of this length each, on workers with a processor each.
class busy_pool {
public:
  busy_pool(double cpus, int workers, duration task)
      : limit_(cpus, between_looks), left_(static_cast<std::size_t>(workers)), task_(task) {}

  // The processors that were busy on average meanwhile.
  double pass(duration by) {
    const duration before = used_;
    for (const time_point end = now_ + by; now_ < end; now_ += step) {
      if (now_ >= next_look_) look();
      for (duration& left : left_) {
        if (left == duration::zero() && limit_.may_begin()) left = task_;
        if (left == duration::zero()) continue;
        left -= step;
        used_ += step;
      }
    }
    return static_cast<double>((used_ - before).count()) / static_cast<double>(by.count());
  }
  // Nothing waits for so long.
  void rest(duration by) {
    now_ += by;
    look();
  }

private:
  static constexpr duration step = 1ms;
  void look() {
    limit_.look(used_, now_);
    const duration pause = limit_.may_begin() ? between_looks : std::min(limit_.wait(), between_looks);
    next_look_ = now_ + std::max(pause, step);
  }

  throttle limit_;
  std::vector<duration> left_;
  duration task_, used_{};
  time_point now_{1h}, next_look_{};
};

TEST(throttle, use_converges_to_the_limit_whatever_the_tasks_and_workers) {
  for (const double cpus : {0.1, 0.8, 1.5})
    for (const int workers : {2, 4, 16})
      for (const duration task : std::initializer_list<duration>{1ms, 7ms, 50ms, 300ms, 2s}) {
        // What all workers overdraw together is paid back in less than the longest wait; and a part of it may
        // fall out of what is measured.
        const double round = std::chrono::duration<double>(task).count() * workers;
        if (round > 50 * cpus) continue;
        busy_pool pool(cpus, workers, task);
        pool.pass(1min);  // what it overdraws at the beginning is paid back by then
        EXPECT_NEAR(pool.pass(3min), cpus, 0.05 * cpus + round / 180)
            << cpus << " processors, " << workers << " workers, tasks of " << task / 1ms << " ms";
      }
}

TEST(throttle, short_tasks_stay_near_the_limit_in_every_second) {
  busy_pool pool(0.8, 2, 5ms);
  for (int second = 0; second < 60; ++second) EXPECT_NEAR(pool.pass(1s), 0.8, 0.2) << second;
}

TEST(throttle, who_uses_less_than_allowed_is_never_held_back) {
  busy_pool pool(2, 1, 10ms);
  EXPECT_EQ(pool.pass(1min), 1.0);
}

TEST(throttle, what_was_not_used_is_saved_for_one_look_only) {
  busy_pool pool(0.5, 4, 1ms);
  pool.pass(10s);
  pool.rest(1h);
  EXPECT_LT(pool.pass(1s), 0.9) << "an hour of rest does not allow an hour of work";
}

TEST(throttle, the_wait_is_as_long_as_what_was_overdrawn_needs) {
  throttle limit(0.5, between_looks);
  limit.look(0s, time_point(1h));
  EXPECT_TRUE(limit.may_begin());
  EXPECT_EQ(limit.wait(), duration::zero());
  limit.look(2s, time_point(1h) + 1s);
  EXPECT_FALSE(limit.may_begin());
  const duration wait = limit.wait();
  EXPECT_GT(wait, 2s);
  EXPECT_LT(wait, 4s);
  limit.look(2s, time_point(1h) + 1s + wait - 1ms);
  EXPECT_FALSE(limit.may_begin());
  limit.look(2s, time_point(1h) + 1s + wait);
  EXPECT_TRUE(limit.may_begin());
}

TEST(throttle, after_a_task_of_a_day_nobody_waits_for_more_than_a_minute) {
  throttle limit(0.1, between_looks);
  limit.look(0s, time_point(1h));
  limit.look(24h, time_point(25h));
  EXPECT_FALSE(limit.may_begin());
  EXPECT_LE(limit.wait(), 1min + 1ms);
}

}  // namespace
}  // namespace muster::policy
