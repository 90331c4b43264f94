// SPDX-License-Identifier: MIT
#include "base/process_info.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

#include "base/pidfd.hpp"

namespace muster::base {
namespace {

// A child that sleeps until it is killed; killed and reaped at the end.
class sleeper {
public:
  explicit sleeper(bool own_session = false) {
    int ends[2];
    EXPECT_EQ(::pipe(ends), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      if (own_session) ::setsid();
      ::prctl(PR_SET_NAME, "a) b (c");  // a name made to confuse readers of /proc
      ::alarm(60);
      if (::write(ends[1], "r", 1) != 1) ::_exit(1);
      while (true) ::pause();
    }
    char ready;
    EXPECT_EQ(::read(ends[0], &ready, 1), 1);
    ::close(ends[0]);
    ::close(ends[1]);
  }
  ~sleeper() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  sleeper(const sleeper&) = delete;
  sleeper& operator=(const sleeper&) = delete;
  pid_t pid() const { return pid_; }

private:
  pid_t pid_ = 0;
};

TEST(process_info, threads_are_counted) {
  std::atomic<bool> done = false;
  std::thread second([&] { done.wait(false); });  // with the first one a sanitizer may start its own
  const auto before = thread_count();
  std::thread third([&] { done.wait(false); });
  const auto after = thread_count();
  done = true;
  done.notify_all();
  second.join();
  third.join();
  ASSERT_TRUE(before);
  EXPECT_EQ(after, *before + 1);
}

TEST(process_info, children_are_found_dead_or_alive) {
  const sleeper child;
  const auto found = children_of(::getpid());
  EXPECT_NE(std::ranges::find(found, child.pid()), found.end());
  ::kill(child.pid(), SIGKILL);
  const auto pidfd = open_pidfd(child.pid());
  ASSERT_TRUE(wait_until_dead(pidfd->get(), std::chrono::seconds(20)));
  const auto zombies = children_of(::getpid());
  EXPECT_NE(std::ranges::find(zombies, child.pid()), zombies.end());
  EXPECT_TRUE(children_of(child.pid()).empty());
}

TEST(process_info, a_status_is_read_whatever_the_name_is) {
  const sleeper child(true);
  const auto status = status_of(child.pid());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->name, "a) b (c");
  EXPECT_EQ(status->parent, ::getpid());
  EXPECT_EQ(status->session, child.pid());
  EXPECT_EQ(status->group, child.pid());
  EXPECT_GT(status->start, 0U);
}

TEST(process_info, a_session_is_killed_and_nothing_else) {
  const sleeper inside(true), outside;
  EXPECT_EQ(kill_session(inside.pid()), 1U);
  const auto inside_fd = open_pidfd(inside.pid());
  EXPECT_TRUE(wait_until_dead(inside_fd->get(), std::chrono::seconds(20)));
  EXPECT_FALSE(is_dead(open_pidfd(outside.pid())->get()));
}

TEST(process_info, private_memory_is_what_a_process_wrote_and_not_what_it_was_forked_with) {
  constexpr std::size_t mebibyte = std::size_t{1} << 20U;
  std::vector<char> inherited(64 * mebibyte, 'x');
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);
    std::vector<char> own(16 * mebibyte, 'y');
    (void)!::write(ends[1], &own[mebibyte], 1);
    for (;;) ::pause();
  }
  char sign = 0;
  ASSERT_EQ(::read(ends[0], &sign, 1), 1);
  const auto exact = private_memory(pid, 0);
  const auto quick = private_memory(pid, 1'000 * mebibyte);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  ASSERT_TRUE(exact && quick);
  EXPECT_GE(*exact, 16 * mebibyte);
  EXPECT_LT(*exact, 64 * mebibyte) << "what it was forked with, " << inherited.size()
                                   << " bytes, is not its own";
  EXPECT_GE(*quick, *exact);
  EXPECT_FALSE(private_memory(pid, 0)) << "it is gone";
}

TEST(process_info, processor_time_counts_living_children_and_those_that_were_waited_for) {
  const auto before = processor_time(::getpid());
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::alarm(60);
    while (::clock() < CLOCKS_PER_SEC / 5) {}
    (void)!::write(ends[1], "x", 1);
    for (;;) ::pause();
  }
  char sign = 0;
  ASSERT_EQ(::read(ends[0], &sign, 1), 1);
  const auto with_a_living_child = processor_time(::getpid());
  const auto its_own = processor_time(pid);
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(ends[0]);
  ::close(ends[1]);
  const auto after = processor_time(::getpid());
  ASSERT_TRUE(before && with_a_living_child && its_own && after);
  EXPECT_GE(*its_own, std::chrono::milliseconds(150));
  EXPECT_GE(*with_a_living_child - *before, std::chrono::milliseconds(150));
  EXPECT_GE(*after - *before, std::chrono::milliseconds(150));
  EXPECT_FALSE(processor_time(pid)) << "it is gone";
}

TEST(pidfd, a_dead_process_takes_no_signal_and_says_that_it_is_dead) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  const auto pidfd = open_pidfd(pid);
  ASSERT_TRUE(pidfd);
  EXPECT_TRUE(wait_until_dead(pidfd->get(), std::chrono::seconds(20)));
  ::waitpid(pid, nullptr, 0);
  EXPECT_TRUE(is_dead(pidfd->get()));
  const auto sent = send_signal(pidfd->get(), 0);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, ESRCH);
}

}  // namespace
}  // namespace muster::base
