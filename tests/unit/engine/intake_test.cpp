// SPDX-License-Identifier: MIT
// The door of a pool: who gets in, who waits, in which order, and who is turned away.
#include "engine/intake.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <deque>
#include <random>
#include <thread>
#include <vector>

namespace muster::engine {
namespace {

using namespace std::chrono_literals;

constexpr detail::task_ops no_operations{};

// An intake with tasks for it, and threads that wait at its door one after the other.
class door {
public:
  explicit door(const queue_options& options) : at(options) {}
  ~door() {
    for (auto& t : threads_) t.join();
  }

  admission knock(bool may_wait) {
    auto lock = at.lock();
    const auto answer = at.admit(lock, may_wait);
    if (answer == admission::admitted) at.push(tasks_.emplace_back(no_operations));
    return answer;
  }
  task* take() {
    const auto lock = at.lock();
    return at.take();
  }
  // A thread waits at the door; returns once it does. Its task has this priority, to be known by.
  void wait_in_line(int name) {
    const std::size_t before = in_line();
    threads_.emplace_back([this, name] {
      auto lock = at.lock();
      ++arrived_;  // under the lock that admit lets go of only when it waits
      const auto answer = at.admit(lock, true);
      answers_.push_back({name, answer});
      if (answer == admission::admitted) at.push(tasks_.emplace_back(no_operations));
    });
    while (in_line() == before) std::this_thread::yield();
  }
  std::vector<std::pair<int, admission>> answers(std::size_t wanted) {
    for (;;) {
      const auto lock = at.lock();
      if (answers_.size() >= wanted) return answers_;
      std::this_thread::yield();
    }
  }
  std::size_t size() {
    const auto lock = at.lock();
    return at.size();
  }

  intake at;

private:
  std::size_t in_line() {
    const auto lock = at.lock();
    return arrived_;
  }
  std::deque<task> tasks_;
  std::size_t arrived_ = 0;
  std::vector<std::pair<int, admission>> answers_;
  std::vector<std::thread> threads_;
};

using answers = std::vector<std::pair<int, admission>>;

TEST(intake, admits_up_to_its_capacity) {
  door d({.capacity = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(d.knock(false), admission::admitted);
  EXPECT_EQ(d.knock(false), admission::full);
  EXPECT_NE(d.take(), nullptr);
  EXPECT_EQ(d.knock(false), admission::admitted);
  EXPECT_EQ(d.at.peak(), 3u);
}

TEST(intake, without_a_capacity_admits_all) {
  door d({.capacity = std::nullopt});
  for (int i = 0; i < 10'000; ++i) ASSERT_EQ(d.knock(false), admission::admitted);
}

TEST(intake, a_task_that_comes_back_is_never_refused) {
  door d({.capacity = 1});
  d.knock(false);
  task* t = d.take();
  d.knock(false);
  const auto lock = d.at.lock();
  d.at.put_back(*t);
  EXPECT_EQ(d.at.size(), 2u);
}

TEST(intake, what_was_taken_out_is_not_removed_again) {
  door d({});
  d.knock(false);
  task* t = d.take();
  {
    const auto lock = d.at.lock();
    EXPECT_FALSE(d.at.remove(*t)) << "its taker has it, though it has not settled yet";
    move(*t, task_event::take_back);
    d.at.put_back(*t);
    EXPECT_TRUE(d.at.remove(*t));
    EXPECT_FALSE(d.at.remove(*t));
  }
}

TEST(intake, those_who_wait_are_let_in_one_a_place_in_the_order_they_came) {
  door d({.capacity = 1});
  d.knock(false);
  for (int i = 0; i < 4; ++i) d.wait_in_line(i);
  answers wanted;
  for (int i = 0; i < 4; ++i) {
    EXPECT_NE(d.take(), nullptr);
    wanted.emplace_back(i, admission::admitted);
    EXPECT_EQ(d.answers(wanted.size()), wanted);
    EXPECT_EQ(d.size(), 1u);
  }
}

TEST(intake, nobody_overtakes_those_who_wait) {
  door d({.capacity = 2});
  d.knock(false);
  d.knock(false);
  d.wait_in_line(1);
  {
    const auto lock = d.at.lock();
    d.at.take();  // the place is the waiter's, though it has not come for it yet
  }
  EXPECT_EQ(d.knock(false), admission::full);
  EXPECT_EQ(d.answers(1), (answers{{1, admission::admitted}}));
}

TEST(intake, removing_a_task_makes_room_too) {
  door d({.capacity = 1});
  d.knock(false);
  d.wait_in_line(1);
  {
    const auto lock = d.at.lock();
    task* only = nullptr;
    d.at.for_each([&](const task& t) { only = const_cast<task*>(&t); });
    d.at.remove(*only);
  }
  EXPECT_EQ(d.answers(1), (answers{{1, admission::admitted}}));
}

TEST(intake, who_waited_longer_than_its_patience_is_turned_away) {
  door d({.capacity = 1, .patience = std::chrono::milliseconds(5)});
  d.knock(false);
  EXPECT_EQ(d.knock(true), admission::timed_out);
  d.take();
  EXPECT_EQ(d.knock(true), admission::admitted) << "it is no longer in line";
}

TEST(intake, closing_turns_away_who_waits_and_who_comes) {
  door d({.capacity = 1});
  d.knock(false);
  for (int i = 0; i < 3; ++i) d.wait_in_line(i);
  {
    const auto lock = d.at.lock();
    d.at.close();
  }
  for (const auto& [who, answer] : d.answers(3)) EXPECT_EQ(answer, admission::closed) << who;
  EXPECT_EQ(d.knock(true), admission::closed);
  EXPECT_NE(d.take(), nullptr) << "what was admitted is still there";
}

TEST(intake, a_place_that_was_given_just_before_closing_is_not_used) {
  door d({.capacity = 1});
  d.knock(false);
  d.wait_in_line(1);
  {
    const auto lock = d.at.lock();
    d.at.take();
    d.at.close();
  }
  EXPECT_EQ(d.answers(1), (answers{{1, admission::closed}}));
  EXPECT_EQ(d.size(), 0u);
}

// Tasks through the door of an intake that is open.
class open_intake {
public:
  explicit open_intake(const queue_options& options, const base::clock& time = real) : at(options, time) {
    const auto lock = at.lock();
    at.open();
    at.set(hold::crew, false);
  }
  bool pass(int priority = 0) {
    task& t = tasks_.emplace_back(no_operations);
    t.priority = priority;
    return at.pass(t) == passage::yes;
  }
  void push(int priority) {
    task& t = tasks_.emplace_back(no_operations);
    t.priority = priority;
    auto lock = at.lock();
    at.number(t);
    ASSERT_EQ(at.admit(lock, false), admission::admitted);
    at.push(t);
  }
  std::vector<std::uint64_t> all() {
    std::vector<std::uint64_t> numbers;
    const auto lock = at.lock();
    while (const task* t = at.take()) numbers.push_back(t->id);
    return numbers;
  }

  intake at;

private:
  static inline const base::steady_clock real{};
  std::deque<task> tasks_;
};

TEST(door, tasks_come_out_in_the_order_they_went_in_and_are_counted) {
  open_intake in({.capacity = std::nullopt});
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(in.pass());
  EXPECT_TRUE(in.at.hint());
  EXPECT_EQ(in.all(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_EQ(in.at.admitted(), 5u);
  EXPECT_EQ(in.at.peak(), 5u);
}

TEST(door, lets_through_no_more_than_there_is_room_for) {
  open_intake in({.capacity = 3});
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(in.pass());
  EXPECT_FALSE(in.pass());
  auto lock = in.at.lock();
  EXPECT_EQ(in.at.admit(lock, false), admission::full);
  EXPECT_NE(in.at.take(), nullptr);
  ASSERT_EQ(in.at.admit(lock, false), admission::admitted) << "a place was made";
  EXPECT_FALSE(in.pass()) << "and given";
}

TEST(door, whoever_was_admitted_keeps_his_place_until_he_pushes) {
  open_intake in({.capacity = 2});
  task slow(no_operations);
  auto lock = in.at.lock();
  ASSERT_EQ(in.at.admit(lock, false), admission::admitted);
  EXPECT_TRUE(in.pass());
  EXPECT_FALSE(in.pass());
  in.at.push(slow);
  EXPECT_EQ(in.at.size(), 1u) << "what came through the door comes in with the next lock";
  lock.unlock();
  EXPECT_EQ(in.all().size(), 2u);
}

TEST(door, more_tasks_than_one_word_can_count_go_through_after_a_look) {
  open_intake in({.capacity = std::nullopt});
  std::size_t through = 0;
  while (in.pass()) ++through;
  EXPECT_EQ(through, 65'535u);
  { const auto lock = in.at.lock(); }
  EXPECT_TRUE(in.pass());
}

TEST(door, is_shut_while_anybody_needs_it) {
  for (const auto why : {hold::closed, hold::waiters, hold::priorities, hold::crew, hold::growth}) {
    open_intake in({});
    ASSERT_TRUE(in.pass());
    {
      const auto lock = in.at.lock();
      in.at.set(why, true);
    }
    EXPECT_FALSE(in.pass());
    {
      const auto lock = in.at.lock();
      in.at.set(why, false);
    }
    EXPECT_TRUE(in.pass());
  }
}

TEST(door, is_open_for_the_priority_of_all_that_wait_and_shut_while_they_have_several) {
  open_intake in({.capacity = std::nullopt});
  EXPECT_FALSE(in.pass(1)) << "nobody has come with it yet";
  in.push(1);
  EXPECT_TRUE(in.pass(1));
  EXPECT_FALSE(in.pass(0));
  EXPECT_FALSE(in.pass(2)) << "which would have to go before those that came through it";
  in.push(0);
  EXPECT_FALSE(in.pass(1));
  EXPECT_FALSE(in.pass(0));
  EXPECT_EQ(in.all().size(), 3u);
  in.push(-5);
  EXPECT_TRUE(in.pass(-5));
  EXPECT_FALSE(in.pass(1));
}

TEST(door, is_shut_by_a_task_of_another_priority_that_comes_back) {
  open_intake in({});
  in.push(0);
  task* taken = nullptr;
  {
    const auto lock = in.at.lock();
    taken = in.at.take();
  }
  in.push(3);
  ASSERT_TRUE(in.pass(3));
  {
    const auto lock = in.at.lock();
    move(*taken, task_event::take_back);
    in.at.put_back(*taken);
  }
  EXPECT_FALSE(in.pass(3));
  EXPECT_EQ(in.all().size(), 3u);
}

TEST(door, a_wait_counts_from_when_the_task_came_through_it) {
  struct : base::clock {
    base::time_point at{};
    [[nodiscard]] base::time_point now() const override { return at; }
  } clock;
  open_intake in({.ageing = 1s}, clock);
  in.push(1);
  EXPECT_EQ(in.all().size(), 1u);  // from here on it is counted
  in.push(0);
  clock.at += 10s;
  ASSERT_TRUE(in.pass(0));
  clock.at += 10s;
  in.push(5);  // is worth five seconds, and not ten
  EXPECT_EQ(in.all(), (std::vector<std::uint64_t>{2, 3, 4}));
  in.push(0);
  clock.at += 3s;
  in.push(5);
  EXPECT_EQ(in.all(), (std::vector<std::uint64_t>{6, 5}));
}

// Whoever takes may leave tasks in the door, but never one that is more urgent than the one he takes.
TEST(door, a_more_urgent_task_that_has_come_goes_first_whoever_came_meanwhile) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  open_intake in({.capacity = std::nullopt});
  constexpr int each = 20'000, submitters = 2;
  std::atomic<int> urgent_in{0};  // their submits are over
  std::atomic<int> came{0};
  std::vector<std::deque<task>> tasks(submitters);
  std::vector<std::thread> threads;
  for (std::size_t s = 0; s < submitters; ++s)
    threads.emplace_back([&, s] {
      std::mt19937 random(seed + static_cast<unsigned>(s));
      for (int n = 0; n < each; ++n) {
        task& t = tasks[s].emplace_back(no_operations);
        const bool is_urgent = random() % 64 < 8 || (n / 500) % 2 == 0;  // often all are
        t.priority = is_urgent ? 1 : 0;
        if (const passage how = in.at.pass(t); how == passage::no) {
          auto lock = in.at.lock();
          in.at.number(t);
          EXPECT_EQ(in.at.admit(lock, false), admission::admitted);
          in.at.push(t);
        } else if (how == passage::late) {
          const auto lock = in.at.lock();
        }
        if (is_urgent) urgent_in.fetch_add(1);
        came.fetch_add(1);
      }
    });
  int urgent_out = 0, out = 0;
  while (out < submitters * each) {
    const int waited_for = urgent_in.load();
    std::unique_lock lock = in.at.lock();
    lock.unlock();
    in.at.lock_to_take(lock);
    for (int batch = 0; batch < 4; ++batch) {
      const task* t = in.at.take();
      if (t == nullptr) break;
      ++out;
      if (t->priority == 1)
        ++urgent_out;
      else
        ASSERT_GE(urgent_out, waited_for) << "after " << out;
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(came.load(), out);
}

TEST(door, loses_nothing_and_keeps_each_submitters_order_while_others_look) {
  constexpr int submitters = 3, each = 20'000;
  intake at({.capacity = 64});
  {
    const auto lock = at.lock();
    at.open();
    at.set(hold::crew, false);
  }
  struct marked : task {
    marked(int s, int n) : task(no_operations), submitter(s), number(n) {}
    int submitter, number;
  };
  std::vector<std::deque<marked>> tasks(submitters);
  std::vector<std::thread> threads;
  for (int s = 0; s < submitters; ++s)
    threads.emplace_back([&, s] {
      for (int n = 0; n < each; ++n) {
        marked& t = tasks[static_cast<std::size_t>(s)].emplace_back(s, n);
        if (at.pass(t) == passage::yes) continue;
        auto lock = at.lock();
        while (at.admit(lock, true) != admission::admitted) {}
        at.push(t);
      }
    });
  std::vector<int> next(submitters, 0);
  for (int seen = 0; seen < submitters * each;) {
    const auto lock = at.lock();
    ASSERT_LE(at.size(), 64u);
    while (task* t = at.take()) {
      const auto& m = static_cast<marked&>(*t);
      ASSERT_EQ(m.number, next[static_cast<std::size_t>(m.submitter)]++);
      ++seen;
    }
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(at.admitted(), static_cast<std::uint64_t>(submitters * each));
}

}  // namespace
}  // namespace muster::engine
