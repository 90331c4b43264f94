// SPDX-License-Identifier: MIT
// Whether a worker is well, from what two looks see of it.
#include "process/health.hpp"

#include <gtest/gtest.h>

namespace muster::process {
namespace {

using base::time_point;
using namespace std::chrono_literals;

class a_look : public testing::Test {
protected:
  // A worker as it is after `by` more time, looked at.
  std::string after(duration by, std::optional<duration> max_silence = {}) {
    now += by;
    return judge.judge(seen, now, max_silence);
  }
  static constexpr const char* deaf = "it was idle and did not answer";

  health judge;
  time_point now{1h};
  vital_look seen{.state = 'S', .has_answered = true};
};

TEST_F(a_look, at_an_idle_worker_asks_for_an_answer) {
  EXPECT_EQ(after(3s), "");
  EXPECT_EQ(after(3s), "");
  seen.has_answered = false;
  EXPECT_EQ(after(3s), deaf);
  EXPECT_EQ(after(3s), deaf);
  seen.has_answered = true;
  EXPECT_EQ(after(3s), "");
}

TEST_F(a_look, at_an_idle_worker_does_not_take_work_of_other_threads_for_an_answer) {
  after(3s);
  seen.has_answered = false;
  seen.ticks += 100;
  seen.heartbeat += 1;
  EXPECT_EQ(after(3s), deaf);
}

TEST_F(a_look, at_one_that_has_just_ended_a_call_gives_it_a_moment_to_answer) {
  after(3s);
  seen.has_answered = false;
  ++seen.served;
  EXPECT_EQ(after(3s), "");
  EXPECT_EQ(after(3s), deaf);
}

TEST_F(a_look, at_a_busy_worker_asks_for_no_answer_and_lets_it_wait) {
  seen.has_answered = false;
  seen.is_busy = true;
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(after(3s), "");
}

TEST_F(a_look, at_a_busy_worker_that_is_silent_for_too_long_says_for_how_long) {
  seen.is_busy = true;
  seen.busy_since = now;
  EXPECT_EQ(after(3s, 10s), "");
  for (int i = 0; i < 10; ++i) {  // at work
    ++seen.ticks;
    EXPECT_EQ(after(3s, 10s), "");
  }
  for (int i = 0; i < 10; ++i) {  // waits and says so
    ++seen.heartbeat;
    EXPECT_EQ(after(3s, 10s), "");
  }
  for (int i = 0; i < 10; ++i) {  // one short task after the other
    ++seen.served;
    EXPECT_EQ(after(3s, 10s), "");
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(after(3s, 10s), "");
  EXPECT_NE(after(3s, 10s).find("for 12.000 s"), std::string::npos);
  ++seen.ticks;
  EXPECT_EQ(after(3s, 10s), "");
}

TEST_F(a_look, does_not_count_the_time_before_a_task_as_its_silence) {
  EXPECT_EQ(after(3s, 3s), "");
  seen.is_busy = true;
  seen.busy_since = now + 2'900ms;
  EXPECT_EQ(after(3s, 3s), "");
  EXPECT_NE(after(3s, 3s), "");
}

TEST_F(a_look, at_a_stopped_worker_always_fails) {
  after(3s);
  seen.state = 'T';
  seen.ticks += 5;
  ++seen.served;
  EXPECT_NE(after(3s).find("SIGSTOP"), std::string::npos);
  seen.is_busy = true;
  EXPECT_NE(after(3s).find("SIGSTOP"), std::string::npos);
}

TEST_F(a_look, at_a_worker_in_a_debugger_never_fails) {
  after(3s);
  seen.state = 't';
  seen.has_answered = false;
  EXPECT_EQ(after(1h, 3s), "");
  seen.is_busy = true;
  EXPECT_EQ(after(1h, 3s), "");
  seen.state = 'S';
  EXPECT_EQ(after(1s, 3s), "") << "its silence counts from when it was let go";
  EXPECT_NE(after(3s, 3s), "");
}

}  // namespace
}  // namespace muster::process
