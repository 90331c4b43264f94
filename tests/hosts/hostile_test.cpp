// SPDX-License-Identifier: MIT
// Programs that do what no host does: each time a named error for the calls they had, and the pool is whole
// again.
#include "hosts/kit.hpp"

namespace muster::test {
namespace {

struct bad_manners {
  std::string how;
  std::string told;  // in the error
};
std::ostream& operator<<(std::ostream& out, const bad_manners& m) { return out << m.how; }

class hostile_programs : public testing::TestWithParam<bad_manners> {};

TEST_P(hostile_programs, break_the_protocol_and_lose_the_call_but_not_the_pool) {
  program what = talker();
  what.max_line = 100'000;
  host_pool pool(what, one_host());
  // Whoever answers twice has answered; the next call finds the worker broken, or replaced.
  const bool may_succeed = GetParam().how == "twice";
  auto f = pool.call<int>("misbehave", GetParam().how);
  if (may_succeed) {
    try {
      EXPECT_EQ(f.get(), 1);
    } catch (const protocol_violation&) {}
    EXPECT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  } else {
    const auto broken = error_of<protocol_violation>(std::move(f));
    EXPECT_EQ(broken->death().cause, death_cause::protocol_violation);
    expect_text(broken->what(), "talker.py broke the protocol: ");
    expect_text(broken->what(), GetParam().told);
  }
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
  EXPECT_EQ(pool.stats().workers_died, 1U);
}

INSTANTIATE_TEST_SUITE_P(
    each, hostile_programs,
    testing::Values(bad_manners{"garbage", "no message: this is not JSON (at byte 0): hello, world"},
                    bad_manners{"twice", ""}, bad_manners{"another id", "which is not open"},
                    bad_manners{"no id", "neither \"id\" nor \"ready\""},
                    bad_manners{"value and error", "both \"value\" and \"error\""},
                    bad_manners{"nothing said", "neither \"value\" nor \"error\""},
                    bad_manners{"too many bytes", "more bytes than 1 GiB"},
                    bad_manners{"negative bytes", "no integer"},
                    bad_manners{"memory of others", "memory that it was not lent"},
                    bad_manners{"huge", "a line longer than max_line, 100000 bytes"},
                    bad_manners{"endless", "a line longer than max_line, 100000 bytes"},
                    bad_manners{"nan", "this is not JSON"}, bad_manners{"not utf-8", "not UTF-8"},
                    bad_manners{"ready again", "once more whether it is ready"},
                    bad_manners{"closed output", "closed its output and did not end"}),
    [](const auto& shown) {
      std::string name = shown.param.how;
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

TEST(hostile_programs_too, that_die_in_the_middle_of_a_message_are_deaths_that_say_so) {
  host_pool pool(talker(), one_host());
  for (const char* const how : {"half", "half of its bytes"}) {
    const auto dead = error_of<unexpected_exit>(pool.call<int>("misbehave", how));
    EXPECT_EQ(dead->code(), error_code::unexpected_exit);
    expect_text(dead->what(), "exited with code 0, in the middle of a message");
  }
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(hostile_programs_too, that_never_answer_are_ended_at_the_run_timeout) {
  host_pool pool(talker(), one_host());
  const int pid = pool.call<int>("pid").get();
  auto f = pool.call<int>({.run_timeout = 20ms}, "misbehave", "mute");
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
  EXPECT_NE(pool.call<int>("pid").get(), pid);
  EXPECT_FALSE(lives(pid));
}

// Backpressure: what does not fit waits in the worker, and never in the owner.
TEST(hostile_programs_too, that_never_read_block_their_worker_until_the_timeout_and_nobody_else) {
  process_options options = one_host(4);
  host_pool pool(talker(), options);
  const int pid = pool.call<int>("pid").get();
  const scratch files;
  auto deaf = pool.call<int>({.run_timeout = watchdog}, "misbehave", "deaf", files("deaf"));
  ASSERT_TRUE(appears(files("deaf")));
  std::vector<future<std::size_t>> unread;
  const std::string large(8U << 20U, 'x');
  for (int i = 0; i < 8; ++i) unread.push_back(pool.call<std::size_t>({.run_timeout = 50ms}, "echo", large));
  for (auto& f : unread) {
    const auto how = outcome_of(f);
    // Those that ran beside the late one fell with it; those that had not begun may yet meet a good one.
    EXPECT_TRUE(how == error_code::task_timeout || how == error_code::unexpected_exit ||
                how == error_code::decode_error);
  }
  EXPECT_EQ(outcome_of(deaf), error_code::unexpected_exit);
  auto next =
      pool.call<int>({.retry = retry_options{.attempts = 10}}, "pid");  // may meet one about to be killed
  EXPECT_NE(next.get(), pid);
}

// T41: the cause is told at once, not after the ready timeout.
TEST(hostile_programs_too, that_do_not_come_up_are_told_with_their_cause_at_once) {
  expect_text(start_failure_of(program{.command = {"/no/such/program", "--serve"}}),
              "its program /no/such/program --serve could not be started: No such file or directory");
  expect_text(start_failure_of(program{.command = {"no-such-program-anywhere"}}),
              "No such file or directory");
  expect_text(start_failure_of(program{.command = {MUSTER_SOURCE_DIR "/README.md"}}), "Permission denied");
  expect_text(start_failure_of(talker("exits")), "exited with code 0 before it said that it is ready");
  expect_text(start_failure_of(talker("fails")), "exited with code 7 before it said that it is ready");
  expect_text(start_failure_of(talker("complains")), "is not ready: LicenceError: none found");
  expect_text(start_failure_of(talker("greets")),
              "did not say first that it is ready, but: welcome to talker 1.0");
}

TEST(hostile_programs_too, that_never_become_ready_are_ended_at_the_ready_timeout) {
  process_options options = one_host();
  options.ready_timeout = 300ms;
  options.start = false;
  host_pool pool(talker("waits"), options);
  EXPECT_THROW(pool.start(), not_ready);
}

}  // namespace
}  // namespace muster::test
