// SPDX-License-Identifier: MIT
// Tasks whose limits are far away: each is given to the plan once, in time, or not at all where it is over.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <set>

#include "engine/far_limits.hpp"

namespace muster::engine {
namespace {

using namespace std::chrono_literals;
using base::time_point;

constexpr detail::task_ops no_work{};

struct limited_task : detail::task {
  explicit limited_task(time_point by) : task(no_work), limit(by) {
    extras = std::make_unique<detail::task_extras>();
    references = 1'000;  // it lives in its deque
  }
  time_point limit;
};

const time_point long_ago{1h};

TEST(far_limits, are_far_beyond_two_buckets) {
  EXPECT_FALSE(far_limits::is_far(base::never, long_ago));
  EXPECT_FALSE(far_limits::is_far(long_ago - 1ms, long_ago));
  EXPECT_FALSE(far_limits::is_far(long_ago + 2 * far_limits::bucket, long_ago));
  EXPECT_TRUE(far_limits::is_far(long_ago + 2 * far_limits::bucket + 1ns, long_ago));
}

TEST(far_limits, ask_for_a_look_only_where_it_is_earlier_than_the_one_before) {
  far_limits all;
  std::deque<limited_task> items;
  const auto add = [&](duration in) { return all.add(items.emplace_back(long_ago + in), long_ago + in); };
  const auto first = add(10s);
  ASSERT_TRUE(first);
  EXPECT_LE(*first, long_ago + 10s);
  EXPECT_FALSE(add(10s));
  EXPECT_FALSE(add(11s));
  const auto earlier = add(5s);
  ASSERT_TRUE(earlier);
  EXPECT_LT(*earlier, *first);
  std::vector<detail::task_ref<>> near;
  EXPECT_EQ(all.take(*earlier, near), *first);
  EXPECT_EQ(near.size(), 1u);
}

// Random tasks come, some are over early, time passes; the loop looks exactly when it was told to.
TEST(far_limits, give_each_task_that_is_not_over_once_and_before_its_limit) {
  EXPECT_TRUE(rc::check("each once, in time", [] {
    far_limits all;
    std::deque<limited_task> items;
    std::set<const detail::task*> in;
    time_point now = long_ago, look_by = base::never;
    const auto look = [&] {
      std::vector<detail::task_ref<>> near;
      look_by = all.take(now, near);
      for (const auto& t : near) {
        RC_ASSERT(in.erase(t.get()) == 1U);
        RC_ASSERT(static_cast<const limited_task*>(t.get())->limit >= now);
      }
      for (const auto* t : in) RC_ASSERT(static_cast<const limited_task*>(t)->limit > now);
    };
    const int steps = *rc::gen::inRange(1, 100);
    for (int i = 0; i < steps; ++i) {
      const auto what = *rc::gen::inRange(0, 3);
      if (what == 0) {
        const time_point limit =
            now + 2 * far_limits::bucket + std::chrono::milliseconds(*rc::gen::inRange(1, 2'000));
        limited_task& t = items.emplace_back(limit);
        in.insert(&t);
        if (const auto sooner = all.add(t, limit)) look_by = std::min(look_by, *sooner);
      } else if (what == 1 && !items.empty()) {
        limited_task& t =
            items[static_cast<std::size_t>(*rc::gen::inRange(0, static_cast<int>(items.size())))];
        RC_ASSERT(all.remove(t) == (in.erase(&t) == 1U));
      } else {
        const time_point until = now + std::chrono::milliseconds(*rc::gen::inRange(0, 1'000));
        while (look_by <= until) {
          now = std::max(now, look_by);
          look();
          RC_ASSERT(look_by > now);
        }
        now = until;
      }
    }
    while (look_by != base::never) {
      now = std::max(now, look_by);
      look();
    }
    RC_ASSERT(in.empty());
    RC_ASSERT(look_by == base::never);
  }));
}

}  // namespace
}  // namespace muster::engine
