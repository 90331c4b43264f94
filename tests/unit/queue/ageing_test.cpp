// SPDX-License-Identifier: MIT
// Ageing: who waits is overtaken only by tasks that came within (difference of the priorities) x step after
// it.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>
#include <vector>

#include "queue/lanes.hpp"

namespace muster::queue {
namespace {

constexpr detail::task_ops no_operations{};

struct item : task {
  item(int level, std::int64_t at) : task(no_operations), came(at) { priority = level; }
  std::int64_t came;
};

// Tasks that come at given times, in milliseconds.
class line {
public:
  explicit line(std::optional<std::int64_t> step) : lanes_(step) {}
  item& come(int priority, std::int64_t at) {
    item& t = items_.emplace_back(priority, at);
    t.set_id(items_.size());
    lanes_.stamp(t, at);
    lanes_.push_back(t);
    return t;
  }
  item* next() { return static_cast<item*>(lanes_.pop()); }
  lanes& all() { return lanes_; }

private:
  lanes lanes_;
  std::deque<item> items_;
};

TEST(ageing, orders_priorities_strictly_among_tasks_that_came_together) {
  line l(1'000);
  const item &one = l.come(1, 1), &ten = l.come(10, 2), &five = l.come(5, 3);
  EXPECT_EQ(l.next(), &ten);
  EXPECT_EQ(l.next(), &five);
  EXPECT_EQ(l.next(), &one);
}

TEST(ageing, lets_a_task_be_overtaken_for_exactly_so_long) {
  line l(1'000);
  const item& low = l.come(-100, 1);
  const item& in_time = l.come(0, 100'000);
  const item& too_late = l.come(0, 100'001);
  EXPECT_EQ(l.next(), &in_time);
  EXPECT_EQ(l.next(), &low);
  EXPECT_EQ(l.next(), &too_late);
}

TEST(ageing, off_lets_a_low_task_wait_for_ever) {
  line l(std::nullopt);
  const item& low = l.come(-100, 1);
  for (int day = 0; day < 100; ++day) {
    const item& normal = l.come(0, 1 + day * std::int64_t{86'400'000});
    ASSERT_EQ(l.next(), &normal);
  }
  EXPECT_EQ(l.next(), &low);
}

TEST(ageing, outlives_the_wrap_of_its_stamps) {
  const std::int64_t wrap = std::int64_t{1} << 32;
  line l(1'000);
  const item& low = l.come(0, wrap - 2);
  const item& high = l.come(5, wrap + 1'000);
  const item& late = l.come(5, wrap + 6'000);
  EXPECT_EQ(l.next(), &high);
  EXPECT_EQ(l.next(), &low);
  EXPECT_EQ(l.next(), &late);
}

TEST(ageing, counts_from_the_first_stamp_for_tasks_that_came_before_it) {
  lanes l(1'000);
  item plain(0, 0), urgent(5, 0), later(5, 0);
  l.push_back(plain);  // when nobody looked at a clock
  l.stamp(urgent, 500'000);
  l.push_back(urgent);
  l.stamp(later, 505'001);
  l.push_back(later);
  EXPECT_EQ(l.pop(), &urgent);
  EXPECT_EQ(l.pop(), &plain);
  EXPECT_EQ(l.pop(), &later);
}

TEST(ageing, keeps_the_place_of_a_task_that_comes_back) {
  line l(1'000);
  item& first = l.come(0, 1);
  ASSERT_EQ(l.next(), &first);
  const item& high = l.come(5, 6'000);
  l.all().push_front(first);
  EXPECT_EQ(l.next(), &first) << "the urgent one came more than 5 s after it";
  EXPECT_EQ(l.next(), &high);
}

TEST(lanes, put_a_task_that_was_kept_elsewhere_between_its_equals) {
  line l(std::nullopt);
  item& first = l.come(0, 1);
  item& kept = l.come(0, 2);
  item& last = l.come(0, 3);
  l.all().remove(kept);
  l.all().insert(kept);
  EXPECT_EQ(l.all().size(), 3u);
  EXPECT_EQ(l.next(), &first);
  EXPECT_EQ(l.next(), &kept);
  EXPECT_EQ(l.next(), &last);
  l.all().insert(kept);
  l.all().remove(kept);
  EXPECT_TRUE(l.all().empty());
}

TEST(lanes, name_the_oldest_of_the_lowest_priority) {
  line l(1'000);
  l.come(5, 1);
  const item& low = l.come(-1, 2);
  l.come(-1, 3);
  l.come(0, 4);
  EXPECT_EQ(l.all().least(), &low);
}

TEST(ageing, bounds_who_overtakes_whom_in_every_history) {
  const bool held = rc::check("the bound of queue_options::ageing", [] {
    const auto step = *rc::gen::inRange<std::int64_t>(1, 50);
    const auto acts = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(-6, 6), rc::gen::inRange(0, 60)));
    line l(step);
    std::vector<const item*> waiting;
    std::int64_t now = 1;
    const auto take = [&] {
      const item* t = l.next();
      RC_ASSERT((t == nullptr) == waiting.empty());
      if (t == nullptr) return;
      std::erase(waiting, t);
      for (const item* u : waiting)
        if (t->came > u->came || (t->came == u->came && t->id > u->id))  // it was overtaken
          RC_ASSERT(t->came - u->came < std::int64_t{t->priority - u->priority} * step);
        else if (u->priority > t->priority)  // it could not overtake
          RC_ASSERT(u->came - t->came >= std::int64_t{u->priority - t->priority} * step);
    };
    for (const auto& [priority, pause] : acts) {
      if (priority == 5) {
        take();
        continue;
      }
      now += pause;
      waiting.push_back(&l.come(priority, now));
    }
    while (!waiting.empty()) take();
  });
  EXPECT_TRUE(held);
}

TEST(ageing, costs_the_same_however_many_priorities_wait) {
  line l(1);
  for (int i = 0; i < 20'000; ++i) l.come(i % 5'000, 1 + i);
  std::int64_t before = std::numeric_limits<std::int64_t>::min();
  for (int i = 0; i < 20'000; ++i) {
    const item* t = l.next();
    ASSERT_NE(t, nullptr);
    const std::int64_t place = t->came - t->priority;
    ASSERT_GE(place, before);
    before = place;
  }
}

}  // namespace
}  // namespace muster::queue
