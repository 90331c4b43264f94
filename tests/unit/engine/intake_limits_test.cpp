// SPDX-License-Identifier: MIT
// What the intake looks at besides the count: bytes, permits, keys and a rate; what is dropped, and what is
// offered.
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "engine/intake.hpp"

namespace muster::engine {
namespace {

using namespace std::chrono_literals;
constexpr detail::task_ops no_operations{};

struct hand_clock final : base::clock {
  base::time_point at{1h};
  [[nodiscard]] base::time_point now() const override { return at; }
};

// Tasks at the door of an intake whose time is set by hand.
class limited {
public:
  explicit limited(const queue_options& options) : at(options, time) {
    const auto lock = at.lock();
    at.open();
    at.set(hold::crew, false);
    at.on_wait([this](base::time_point when) { look_at = std::min(look_at, when); });
  }
  task& make(int priority = 0, std::size_t bytes = 0, const std::string& key = {}) {
    task& t = tasks_.emplace_back(no_operations);
    t.priority = priority;
    at.number(t);
    t.own_extras().bytes = bytes;
    t.own_names().key = key;
    return t;
  }
  admission come(task& t) {
    auto lock = at.lock();
    const admission got = at.admit(lock, false, at.bytes_of(t));
    if (got == admission::admitted) at.push(t);
    return got;
  }
  task* take() {
    const auto lock = at.lock();
    return at.take();
  }

  hand_clock time;
  base::time_point look_at = base::never;
  intake at;

private:
  std::deque<task> tasks_;
};

TEST(intake, admits_up_to_its_bytes_and_counts_those_that_left) {
  limited in({.bytes = 100});
  EXPECT_EQ(in.come(in.make(0, 60)), admission::admitted);
  EXPECT_EQ(in.come(in.make(0, 41)), admission::full);
  EXPECT_EQ(in.come(in.make(0, 40)), admission::admitted);
  EXPECT_EQ(in.come(in.make(0, 0)), admission::admitted) << "nothing always fits";
  ASSERT_NE(in.take(), nullptr);
  EXPECT_EQ(in.come(in.make(0, 60)), admission::admitted);
}

TEST(intake, says_that_a_task_is_larger_than_all_the_queue_may_hold) {
  limited in({.bytes = 100});
  EXPECT_EQ(in.come(in.make(0, 101)), admission::too_large);
}

TEST(intake, counts_the_bytes_of_what_comes_back) {
  limited in({.bytes = 100});
  task& t = in.make(0, 60);
  ASSERT_EQ(in.come(t), admission::admitted);
  ASSERT_EQ(in.take(), &t);
  {
    const auto lock = in.at.lock();
    move(t, task_event::take_back);
    in.at.put_back(t);
  }
  EXPECT_EQ(in.come(in.make(0, 41)), admission::full);
}

TEST(intake, lets_those_behind_in_when_one_who_needs_more_gives_up) {
  limited in({.when_full = when_full::wait, .bytes = 100});
  ASSERT_EQ(in.come(in.make(0, 90)), admission::admitted);
  intake::waiter large{.bytes = 50};
  admission of_large{}, of_small{};
  const auto in_line = [&in](std::size_t wanted) {
    while (true) {
      const auto lock = in.at.lock();
      if (in.at.in_line() == wanted) return;
      std::this_thread::yield();
    }
  };
  std::thread first([&] {
    auto lock = in.at.lock();
    of_large = in.at.wait(lock, large);
  });
  in_line(1);
  std::thread second([&] {
    auto lock = in.at.lock();
    of_small = in.at.admit(lock, true, 5);
  });
  in_line(2);
  {
    const auto lock = in.at.lock();
    large.give_up();
  }
  first.join();
  second.join();
  EXPECT_EQ(of_large, admission::given_up);
  EXPECT_EQ(of_small, admission::admitted);
}

TEST(intake, gives_so_many_permits_until_tasks_settle) {
  limited in({.capacity = std::nullopt, .unsettled = 2});
  task& first = in.make();
  ASSERT_EQ(in.come(first), admission::admitted);
  ASSERT_EQ(in.come(in.make()), admission::admitted);
  EXPECT_EQ(in.come(in.make()), admission::full);
  ASSERT_EQ(in.take(), &first);
  EXPECT_EQ(in.come(in.make()), admission::full) << "it runs, and has not settled";
  {
    const auto lock = in.at.lock();
    in.at.settled();
  }
  EXPECT_EQ(in.come(in.make()), admission::admitted);
}

TEST(intake, takes_out_the_oldest_of_the_lowest_priority_to_make_room) {
  limited in({});
  task &high = in.make(5), &low = in.make(-1), &younger = in.make(-1), &holds = in.make(0, 0, "k"),
       &parked = in.make(-2, 0, "k");
  for (task* t : {&high, &low, &younger, &holds, &parked}) ASSERT_EQ(in.come(*t), admission::admitted);
  const auto lock = in.at.lock();
  EXPECT_EQ(in.at.drop_for(-3), nullptr) << "the new one is the least";
  EXPECT_EQ(in.at.drop_for(0), &parked);
  EXPECT_EQ(in.at.drop_for(0), &low);
  EXPECT_EQ(in.at.drop_for(0), &younger);
  EXPECT_EQ(in.at.drop_for(-1), nullptr);
  EXPECT_EQ(in.at.waiting(), 2u);
}

TEST(intake, counts_what_waits_by_priority_also_what_waits_for_its_key) {
  limited in({});
  for (task* t : {&in.make(5), &in.make(0, 0, "k"), &in.make(0, 0, "k"), &in.make(-1, 0, "k"), &in.make(0)})
    ASSERT_EQ(in.come(*t), admission::admitted);
  const auto lock = in.at.lock();
  EXPECT_EQ(in.at.size(), 3u);
  EXPECT_EQ(in.at.waiting(), 5u);
  const auto counts = in.at.by_priority();
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts[0].priority, 5);
  EXPECT_EQ(counts[0].queued, 1u);
  EXPECT_EQ(counts[1].priority, 0);
  EXPECT_EQ(counts[1].queued, 3u);
  EXPECT_EQ(counts[2].priority, -1);
  EXPECT_EQ(counts[2].queued, 1u);
  EXPECT_EQ(in.at.waiting_before(0), 4u);
}

TEST(intake, keeps_the_place_of_a_task_that_waits_for_its_key) {
  limited in({});
  task &holds = in.make(0, 0, "k"), &parked = in.make(0, 0, "k"), &later = in.make();
  for (task* t : {&holds, &parked, &later}) ASSERT_EQ(in.come(*t), admission::admitted);
  ASSERT_EQ(in.take(), &holds);
  {
    const auto lock = in.at.lock();
    in.at.release_key(holds);
  }
  EXPECT_EQ(in.take(), &parked) << "it came before";
  EXPECT_EQ(in.take(), &later);
}

TEST(intake, holds_tasks_back_until_there_is_a_token) {
  limited in({.rate = rate_options{.per_second = 50, .burst = 1}});
  task &a = in.make(), &b = in.make(), &c = in.make();
  for (task* t : {&a, &b, &c}) ASSERT_EQ(in.come(*t), admission::admitted);
  EXPECT_TRUE(in.at.one_at_a_time());
  EXPECT_EQ(in.take(), &a);
  EXPECT_EQ(in.take(), nullptr);
  EXPECT_EQ(in.look_at, in.time.at + 20ms);
  {
    const auto lock = in.at.lock();
    EXPECT_EQ(in.at.size(), 0u);
    EXPECT_EQ(in.at.waiting(), 2u);
    EXPECT_TRUE(in.at.remove(b)) << "one that is held back can be cancelled";
  }
  in.time.at += 20ms;
  {
    const auto lock = in.at.lock();
    in.at.look(in.time.at);
    EXPECT_EQ(in.at.size(), 1u);
  }
  EXPECT_EQ(in.take(), &c);
}

TEST(intake, gives_a_token_back_for_a_task_that_had_not_begun) {
  limited in({.rate = rate_options{.per_second = 1, .burst = 1}});
  task& t = in.make();
  ASSERT_EQ(in.come(t), admission::admitted);
  ASSERT_EQ(in.take(), &t);
  const auto lock = in.at.lock();
  move(t, task_event::take_back);
  in.at.put_back(t);
  EXPECT_EQ(in.at.take(), &t);
}

TEST(intake, takes_everything_when_all_are_to_go) {
  limited in({.rate = rate_options{.per_second = 1, .burst = 1}});
  for (task* t : {&in.make(), &in.make(0, 0, "k"), &in.make(0, 0, "k")})
    ASSERT_EQ(in.come(*t), admission::admitted);
  ASSERT_NE(in.take(), nullptr);
  const auto lock = in.at.lock();
  ASSERT_EQ(in.at.size(), 0u);
  EXPECT_NE(in.at.take_any(), nullptr);
  EXPECT_NE(in.at.take_any(), nullptr);
  EXPECT_EQ(in.at.take_any(), nullptr);
  EXPECT_EQ(in.at.waiting(), 0u);
}

TEST(intake, a_task_whose_key_is_not_free_is_not_given_to_who_would_run_it) {
  limited in({});
  task &holds = in.make(0, 0, "k"), &parked = in.make(0, 0, "k");
  ASSERT_EQ(in.come(holds), admission::admitted);
  ASSERT_EQ(in.come(parked), admission::admitted);
  const auto lock = in.at.lock();
  EXPECT_FALSE(in.at.take(parked));
  EXPECT_TRUE(in.at.take(holds));
}

}  // namespace
}  // namespace muster::engine
