// SPDX-License-Identifier: MIT
// Keys: who may go, who is parked, and who follows.
#include "queue/keys.hpp"

#include <gtest/gtest.h>

#include <deque>

namespace muster::queue {
namespace {

using namespace std::chrono_literals;
constexpr detail::task_ops no_operations{};
constexpr base::time_point start{1h};

class pool_of_keys {
public:
  explicit pool_of_keys(key_options each, std::vector<std::pair<std::string, key_options>> some = {})
      : each_(each), some_(std::move(some)) {}
  task& make(const std::string& key, int priority = 0) {
    task& t = tasks_.emplace_back(no_operations);
    t.set_id(tasks_.size());
    t.priority = priority;
    t.own_names().key = key;
    return t;
  }
  std::vector<task*> let_in() { return std::exchange(all.let_in(), {}); }
  static std::vector<task*> just(std::initializer_list<task*> these) { return these; }

private:
  key_options each_;
  std::vector<std::pair<std::string, key_options>> some_;
  std::deque<task> tasks_;

public:
  keys all{each_, some_};
  base::time_point now = start;
};

TEST(keys, let_one_go_after_the_other_in_order_whatever_their_priorities) {
  pool_of_keys p({});
  task &a = p.make("k"), &b = p.make("k"), &c = p.make("k", 100), &other = p.make("x");
  EXPECT_TRUE(p.all.enter(a, p.now));
  EXPECT_FALSE(p.all.enter(b, p.now));
  EXPECT_FALSE(p.all.enter(c, p.now));
  EXPECT_TRUE(p.all.enter(other, p.now)) << "it stands behind nobody";
  EXPECT_EQ(p.all.parked(), 2u);
  EXPECT_EQ(p.all.ahead_of(b), &a);
  p.all.start(a, p.now);
  EXPECT_TRUE(p.let_in().empty());
  p.all.release(a, p.now);
  EXPECT_EQ(p.let_in(), p.just({&b}));
  p.all.release(a, p.now);
  EXPECT_TRUE(p.let_in().empty()) << "a task lets go of its key once";
  p.all.start(b, p.now);
  p.all.release(b, p.now);
  EXPECT_EQ(p.let_in(), p.just({&c}));
}

TEST(keys, let_several_go_at_once_where_they_may) {
  pool_of_keys p({.at_once = 1}, {{"db", {.at_once = 2}}});
  task &a = p.make("db"), &b = p.make("db"), &c = p.make("db");
  EXPECT_TRUE(p.all.enter(a, p.now));
  EXPECT_TRUE(p.all.enter(b, p.now));
  EXPECT_FALSE(p.all.enter(c, p.now));
  p.all.start(b, p.now);
  p.all.release(b, p.now);
  EXPECT_EQ(p.let_in(), p.just({&c}));
}

TEST(keys, stay_with_a_task_that_waits_for_another_attempt) {
  pool_of_keys p({});
  task &a = p.make("k"), &b = p.make("k");
  ASSERT_TRUE(p.all.enter(a, p.now));
  ASSERT_FALSE(p.all.enter(b, p.now));
  p.all.start(a, p.now);
  EXPECT_TRUE(p.all.enter_again(a, p.now));
  EXPECT_TRUE(p.let_in().empty());
  p.all.start(a, p.now);
  p.all.undo_start(a);
  p.all.start(a, p.now);
  p.all.release(a, p.now);
  EXPECT_EQ(p.let_in(), p.just({&b}));
}

TEST(keys, forget_a_parked_task_that_goes_and_a_key_that_nobody_has) {
  pool_of_keys p({});
  task &a = p.make("k"), &b = p.make("k", -5), &c = p.make("k");
  ASSERT_TRUE(p.all.enter(a, p.now));
  ASSERT_FALSE(p.all.enter(b, p.now));
  ASSERT_FALSE(p.all.enter(c, p.now));
  EXPECT_EQ(p.all.least(), &b);
  EXPECT_EQ(p.all.parked_by_priority().at(-5), 1u);
  p.all.leave(b, p.now);
  EXPECT_EQ(p.all.least(), &c);
  p.all.leave(a, p.now);
  EXPECT_TRUE(p.let_in().empty());
  p.all.release(a, p.now);
  EXPECT_EQ(p.let_in(), p.just({&c}));
  p.all.leave(c, p.now);
  p.all.release(c, p.now);
  EXPECT_EQ(p.all.size(), 0u);
  EXPECT_EQ(p.all.parked(), 0u);
}

TEST(keys, with_a_rate_let_nobody_stand_in_the_lanes_without_a_token) {
  pool_of_keys p({.at_once = 10, .rate = rate_options{.per_second = 10, .burst = 2}});
  task &a = p.make("k"), &b = p.make("k"), &c = p.make("k");
  EXPECT_TRUE(p.all.enter(a, p.now));
  EXPECT_TRUE(p.all.enter(b, p.now));
  EXPECT_FALSE(p.all.enter(c, p.now));
  EXPECT_EQ(p.all.look_at(), base::never) << "those in the lanes have to start first";
  p.all.start(a, p.now);
  p.all.start(b, p.now);
  EXPECT_EQ(p.all.look_at(), start + 100ms);
  p.all.look(start + 99ms);
  EXPECT_TRUE(p.let_in().empty());
  p.all.look(start + 100ms);
  EXPECT_EQ(p.let_in(), p.just({&c}));
  EXPECT_EQ(p.all.look_at(), base::never);
}

TEST(keys, with_a_rate_make_another_attempt_wait_for_its_token_before_all_others) {
  pool_of_keys p({.at_once = 1, .rate = rate_options{.per_second = 10}});
  task &a = p.make("k"), &b = p.make("k");
  ASSERT_TRUE(p.all.enter(a, p.now));
  ASSERT_FALSE(p.all.enter(b, p.now));
  p.all.start(a, p.now);
  EXPECT_FALSE(p.all.enter_again(a, p.now));
  p.all.look(start + 100ms);
  EXPECT_EQ(p.let_in(), p.just({&a}));
}

TEST(keys, with_a_rate_are_remembered_until_their_bucket_is_full) {
  pool_of_keys p({.at_once = 1, .rate = rate_options{.per_second = 1, .burst = 1}});
  task &a = p.make("k"), &b = p.make("k"), &other = p.make("x");
  ASSERT_TRUE(p.all.enter(a, p.now));
  p.all.start(a, p.now);
  p.all.release(a, p.now);
  EXPECT_EQ(p.all.size(), 1u);
  EXPECT_FALSE(p.all.enter(b, start + 10ms)) << "its token was used by another task";
  p.all.leave(b, start + 10ms);
  EXPECT_TRUE(p.all.enter(other, start + 2s));
  EXPECT_EQ(p.all.size(), 1u) << "only the other key is known by now";
}

}  // namespace
}  // namespace muster::queue
