// SPDX-License-Identifier: MIT
// The door of a pool: who gets in, who waits, in which order, and who is turned away.
#include "engine/intake.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <thread>
#include <vector>

namespace muster::engine {
namespace {

constexpr detail::task_ops no_operations{};

// An intake with tasks for it, and threads that wait at its door one after the other.
class door {
public:
  explicit door(const queue_options& options) : at(options) {}
  ~door() {
    for (auto& t : threads_) t.join();
  }

  admission knock(bool may_wait) {
    std::unique_lock lock(at.mutex());
    const auto answer = at.admit(lock, may_wait);
    if (answer == admission::admitted) at.push(tasks_.emplace_back(no_operations));
    return answer;
  }
  task* take() {
    const std::lock_guard lock(at.mutex());
    return at.take();
  }
  // A thread waits at the door; returns once it does. Its task has this priority, to be known by.
  void wait_in_line(int name) {
    const std::size_t before = in_line();
    threads_.emplace_back([this, name] {
      std::unique_lock lock(at.mutex());
      ++arrived_;  // under the lock that admit lets go of only when it waits
      const auto answer = at.admit(lock, true);
      answers_.push_back({name, answer});
      if (answer == admission::admitted) at.push(tasks_.emplace_back(no_operations));
    });
    while (in_line() == before) std::this_thread::yield();
  }
  std::vector<std::pair<int, admission>> answers(std::size_t wanted) {
    for (;;) {
      const std::lock_guard lock(at.mutex());
      if (answers_.size() >= wanted) return answers_;
      std::this_thread::yield();
    }
  }
  std::size_t size() {
    const std::lock_guard lock(at.mutex());
    return at.size();
  }

  intake at;

private:
  std::size_t in_line() {
    const std::lock_guard lock(at.mutex());
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
  const std::lock_guard lock(d.at.mutex());
  d.at.put_back(*t);
  EXPECT_EQ(d.at.size(), 2u);
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
    const std::lock_guard lock(d.at.mutex());
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
    const std::lock_guard lock(d.at.mutex());
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
    const std::lock_guard lock(d.at.mutex());
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
    const std::lock_guard lock(d.at.mutex());
    d.at.take();
    d.at.close();
  }
  EXPECT_EQ(d.answers(1), (answers{{1, admission::closed}}));
  EXPECT_EQ(d.size(), 0u);
}

}  // namespace
}  // namespace muster::engine
