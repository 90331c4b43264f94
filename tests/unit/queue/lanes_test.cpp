// SPDX-License-Identifier: MIT
// The lanes against a model that cannot be wrong: a sorted multimap from priority to tasks.
#include "queue/lanes.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

namespace muster::queue {
namespace {

constexpr detail::task_ops no_operations{};

struct item : task {
  explicit item(int level) : task(no_operations) { priority = level; }
};

// A multimap keeps equal keys in the order of insertion; before its equals is the hint of lower_bound.
using model = std::multimap<int, task*, std::greater<>>;

std::vector<const task*> contents(const lanes& l) {
  std::vector<const task*> all;
  l.for_each([&](const task& t) { all.push_back(&t); });
  return all;
}

TEST(lanes, the_highest_priority_is_served_first_and_equals_in_order) {
  item a(0), b(5), c(0), d(-3);
  lanes l;
  for (task* t : {&a, &b, &c, &d}) l.push_back(*t);
  EXPECT_EQ(l.top_priority(), 5);
  for (const task* t : {&b, &a, &c, &d}) EXPECT_EQ(l.pop(), t);
  EXPECT_EQ(l.pop(), nullptr);
  EXPECT_EQ(l.top_priority(), std::nullopt);
}

TEST(lanes, what_comes_back_goes_before_its_equals_and_behind_its_betters) {
  item first(1), second(1), better(2), back(1);
  lanes l;
  for (task* t : {&first, &second, &better}) l.push_back(*t);
  l.push_front(back);
  for (const task* t : {&better, &back, &first, &second}) EXPECT_EQ(l.pop(), t);
}

TEST(lanes, do_what_a_sorted_multimap_does) {
  const std::uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 dice(seed);
  for (int round = 0; round < 50; ++round) {
    lanes l;
    model expected;
    std::deque<item> items;  // stable addresses
    const int priorities = 1 + static_cast<int>(dice() % 6);
    for (int step = 0; step < 300; ++step) {
      const auto what = dice() % 8;
      if (what < 3) {
        task& t = items.emplace_back(static_cast<int>(dice() % static_cast<unsigned>(priorities)) - 2);
        l.push_back(t);
        expected.emplace(t.priority, &t);
      } else if (what == 3) {
        task& t = items.emplace_back(static_cast<int>(dice() % static_cast<unsigned>(priorities)) - 2);
        l.push_front(t);
        expected.emplace_hint(expected.lower_bound(t.priority), t.priority, &t);
      } else if (what < 6) {
        task* const popped = l.pop();
        ASSERT_EQ(popped, expected.empty() ? nullptr : expected.begin()->second);
        if (popped != nullptr) expected.erase(expected.begin());
      } else if (!expected.empty()) {
        const auto victim = std::next(expected.begin(), static_cast<long>(dice() % expected.size()));
        l.remove(*victim->second);
        ASSERT_EQ(victim->second->next, nullptr);
        ASSERT_EQ(victim->second->previous, nullptr);
        expected.erase(victim);
      }
      ASSERT_EQ(l.size(), expected.size());
      ASSERT_EQ(l.empty(), expected.empty());
      ASSERT_EQ(l.top_priority(), expected.empty() ? std::nullopt : std::optional(expected.begin()->first));
      std::vector<const task*> wanted;
      for (const auto& [priority, t] : expected) wanted.push_back(t);
      ASSERT_EQ(contents(l), wanted);
    }
  }
}

}  // namespace
}  // namespace muster::queue
