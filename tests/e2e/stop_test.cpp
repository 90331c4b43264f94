// SPDX-License-Identifier: MIT
//
// How `muster run` ends when it is told to, or when nobody reads its results any more.
#include <gmock/gmock.h>

#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using ::testing::HasSubstr;

/// A call that runs and does not end by itself, and others that wait behind it.
struct held_run {
  explicit held_run(const std::vector<std::string>& options = {}) : gate(there.pipe("gate")) {
    std::vector<std::string> arguments = {"run", "--workers", "1"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.insert(arguments.end(), {chore("wait_for_pipe"), gate});
    for (int i = 0; i < 50; ++i) arguments.emplace_back("-");
    command.emplace(arguments);
    writer = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC);  // waits until the first call has begun
  }
  held_run(const held_run&) = delete;
  held_run& operator=(const held_run&) = delete;
  ~held_run() { open_gate(); }
  void open_gate() {
    if (writer >= 0) ::close(writer);
    writer = -1;
  }

  e2e::directory there;
  std::string gate;
  std::optional<e2e::running> command;
  int writer = -1;
};

}  // namespace

class command_signal : public testing::TestWithParam<int> {};

TEST_P(command_signal, once_lets_finish_what_runs_and_begins_nothing) {
  held_run held;
  held.command->signal(GetParam());
  held.command->wait_for_message("stopping");
  held.open_gate();
  EXPECT_EQ(held.command->wait(), 130);
  const auto results = e2e::lines_of(held.command->output());
  // Of the few calls that the worker was handed ahead, one may begin before the pool takes them back.
  ASSERT_GE(results.size(), 1U);
  ASSERT_LT(results.size(), 10U) << held.command->output();
  EXPECT_EQ(results[0].at("value"), held.gate);
  EXPECT_THAT(held.command->errors(), HasSubstr(std::to_string(51 - results.size()) + " calls were not run"));
}

INSTANTIATE_TEST_SUITE_P(signals, command_signal, testing::Values(SIGINT, SIGTERM));

TEST(command_stop, what_runs_is_ended_when_its_time_to_finish_is_over) {
  held_run held({"--drain", "0", "--grace", "0"});
  held.command->signal(SIGINT);
  EXPECT_EQ(held.command->wait(), 130);
  const auto results = e2e::lines_of(held.command->output());
  ASSERT_EQ(results.size(), 1U) << held.command->output();
  EXPECT_EQ(results[0].at("error").at("kind"), "pool_stopped");
}

TEST(command_stop, twice_ends_at_once) {
  held_run held;
  held.command->signal(SIGINT);
  held.command->wait_for_message("stopping");
  held.command->signal(SIGINT);
  EXPECT_EQ(held.command->wait(), 130);
  EXPECT_THAT(held.command->errors(), HasSubstr("calls were not run"));
}

TEST(command_stop, a_run_that_waits_for_input_ends_too) {
  int ends[2] = {};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  e2e::running command({"run", "--jsonl", chore("echo")}, {}, [&] { ::dup2(ends[0], STDIN_FILENO); });
  ASSERT_EQ(::write(ends[1], "\"first\"\n", 8), 8);
  while (command.output().empty()) ::usleep(1'000);  // a result is written before the input ends
  command.signal(SIGINT);
  EXPECT_EQ(command.wait(), 130);
  EXPECT_EQ(e2e::lines_of(command.output()).size(), 1U);
  EXPECT_THAT(command.errors(), HasSubstr("the rest of the input was not read"));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(command_stop, a_reader_that_leaves_ends_the_run) {
  int ends[2] = {};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  std::string lines;
  for (int i = 0; i < 100'000; ++i) lines += "\"some text\"\n";
  e2e::running command({"run", "--jsonl", chore("echo")}, lines, [&] { ::dup2(ends[1], STDOUT_FILENO); });
  ::close(ends[1]);
  char byte = 0;
  ASSERT_EQ(::read(ends[0], &byte, 1), 1);
  ::close(ends[0]);
  EXPECT_EQ(command.wait(), 1);
  EXPECT_THAT(command.errors(), HasSubstr("nobody reads the results"));
}

TEST(command_stop, a_full_disk_is_said) {
  const auto done = e2e::run({"run", "--results", "/dev/full", chore("echo"), "a"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.errors, HasSubstr("No space left on device"));
}
