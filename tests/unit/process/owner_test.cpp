// SPDX-License-Identifier: MIT
//
// What happens to workers with their owner. The owner is a program of its own, tests/children/zygote_user, so
// that it can be killed.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <sstream>

#include "children/zygote_kit.hpp"

namespace muster::process {
namespace {

using namespace muster::test;

// `zygote_user <what>` with its standard output read by us. Ended and reaped at the end.
class owner_program {
public:
  explicit owner_program(const char* what) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    output_.reset(ends[0]);
    const base::file_descriptor theirs(ends[1]);
    const std::string path = std::string(MUSTER_CHILDREN_DIR) + "/zygote_user";
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(theirs.get(), STDOUT_FILENO);
      ::execl(path.c_str(), path.c_str(), what, nullptr);
      ::_exit(99);
    }
  }
  ~owner_program() {
    if (pid_ > 0) end();
  }
  owner_program(const owner_program&) = delete;
  owner_program& operator=(const owner_program&) = delete;

  pid_t pid() const { return pid_; }

  void end() {
    ::kill(pid_, SIGKILL);
    ::waitpid(std::exchange(pid_, 0), nullptr, 0);
  }

  std::string line() const {
    std::string text;
    for (char c; wait_for_output() && ::read(output_.get(), &c, 1) == 1 && c != '\n';) text += c;
    return text;
  }

  // Everything it prints until it, and everything it has started, is gone.
  std::string rest() const {
    std::string text;
    char part[4096];
    for (ssize_t size; wait_for_output() && (size = ::read(output_.get(), part, sizeof part)) > 0;)
      text.append(part, static_cast<std::size_t>(size));
    return text;
  }

  int exit_code() {
    const auto pidfd = base::open_pidfd(pid_);
    if (!base::wait_until_dead(pidfd->get(), watchdog)) return -1;
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  }

private:
  bool wait_for_output() const {
    pollfd wanted{.fd = output_.get(), .events = POLLIN, .revents = 0};
    const bool came = ::poll(&wanted, 1, static_cast<int>(std::chrono::milliseconds(watchdog).count())) == 1;
    EXPECT_TRUE(came) << "the program prints nothing and does not end";
    return came;
  }

  pid_t pid_ = 0;
  base::file_descriptor output_;
};

std::vector<known_process> known_from(const std::string& line) {
  std::istringstream words(line);
  std::vector<known_process> result;
  for (pid_t pid; words >> pid;) result.push_back(know(pid));
  return result;
}

TEST(owner, a_killed_owner_leaves_nothing_behind) {
  for (int round = 0; round < 10; ++round) {
    owner_program owner("killed");
    const auto processes = known_from(owner.line());
    ASSERT_EQ(processes.size(), 1U + 4 * 3);  // the zygote; four workers, each with a grandchild and a daemon
    for (const auto& process : processes) ASSERT_FALSE(is_gone(process)) << process.pid;
    owner.end();
    ASSERT_EQ(still_there(processes, 2s), 0U) << "round " << round;  // the promise, as a watchdog
  }
}

TEST(owner, an_owner_that_becomes_another_program_leaves_nothing_behind) {
  owner_program owner("replaced");
  const auto processes = known_from(owner.line());
  ASSERT_EQ(processes.size(), 2U);
  EXPECT_EQ(still_there(processes, watchdog), 0U);
  EXPECT_EQ(::kill(owner.pid(), 0), 0);
}

TEST(owner, an_owner_with_threads_gets_its_zygote_by_running_itself_again) {
  EXPECT_EQ(owner_program("threads").exit_code(), 0);
}

TEST(owner, a_fork_of_the_owner_has_a_zygote_of_its_own) {
  EXPECT_EQ(owner_program("forked").exit_code(), 0);
}

TEST(owner, the_zygote_is_no_child_of_the_host) { EXPECT_EQ(owner_program("childless").exit_code(), 0); }

TEST(owner, without_init_a_link_is_an_error_that_names_it) {
  owner_program owner("without-init");
  EXPECT_NE(owner.line().find("has not called muster::init"), std::string::npos);
  EXPECT_EQ(owner.exit_code(), 0);
}

TEST(owner, an_owner_without_standard_descriptors_has_clean_workers) {
  owner_program owner("closed");
  EXPECT_EQ(owner.rest(), "0 1 2 3c 4c 5c 6c 7c ");
  EXPECT_EQ(owner.exit_code(), 0);
}

TEST(owner, output_buffered_before_init_is_written_once) {
  owner_program owner("buffered");
  const std::string text = owner.rest();
  EXPECT_EQ(text, "printed before init\nprinted by a worker\nprinted by a worker\nprinted by a worker\n");
  EXPECT_EQ(owner.exit_code(), 0);
}

}  // namespace
}  // namespace muster::process
