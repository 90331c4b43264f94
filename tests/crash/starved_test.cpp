// SPDX-License-Identifier: MIT
// Every function of the system that a process pool uses fails in turn, in its owner, its zygote and its
// workers: the first time, the second, and so on. What follows is a named error or a recovery; nothing hangs,
// nothing is left over, and the next pool is well.
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

struct shortage {
  std::string function;
  std::vector<int> errors;
};

// With the errors that the kernel gives for each.
std::vector<shortage> shortages() {
  const auto number = [](long call) { return "syscall " + std::to_string(call); };
  return {{"memfd_create", {EMFILE, ENOMEM}},
          {"mmap", {ENOMEM}},
          {"ftruncate", {ENOSPC}},
          {"fcntl", {EMFILE, EPERM}},
          {"socketpair", {EMFILE, ENOBUFS}},
          {"sendmsg", {EINTR, ENOBUFS, EPIPE}},
          {"recvmsg", {EINTR, ENOMEM, ECONNRESET}},
          {"epoll_create1", {EMFILE}},
          {"epoll_ctl", {ENOMEM, ENOSPC}},
          {"epoll_pwait2", {EINTR}},
          {"eventfd", {EMFILE, ENOMEM}},
          {"pipe2", {EMFILE, ENFILE}},
          {"poll", {EINTR, ENOMEM}},
          {"open", {EMFILE, ENOENT}},
          {"posix_spawn", {EAGAIN, ENOMEM}},
          {"fork", {EAGAIN, ENOMEM}},
          {"prctl", {EPERM}},
          {"setpgid", {EPERM}},
          {"setrlimit", {EPERM}},
          {"dup3", {EMFILE}},
          {"signalfd", {EMFILE}},
          {"read", {EINTR, EIO}},
          {"write", {EINTR, ENOSPC}},
          {"pthread_create", {EAGAIN}},
          {number(SYS_pidfd_open), {EMFILE, ENOMEM}},
          {number(SYS_pidfd_send_signal), {EPERM}},
          {number(SYS_futex), {EINTR, EAGAIN}},
          {number(SYS_close_range), {ENOSYS}}};
}

struct outcome {
  int status = 0;
  std::string output;
};

outcome run(const std::string& function, const std::string& role, int nth, int error,
            const std::string& file) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(ends[1], 1);
    ::execl(MUSTER_CHILDREN_DIR "/starved", "starved", function.c_str(), role.c_str(),
            std::to_string(nth).c_str(), std::to_string(error).c_str(), file.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  outcome result;
  char part[4'096];
  for (ssize_t size; (size = ::read(ends[0], part, sizeof part)) > 0;)
    result.output.append(part, static_cast<std::size_t>(size));
  ::close(ends[0]);
  ::waitpid(pid, &result.status, 0);
  return result;
}

class starved : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(in_the, starved, testing::Values("owner", "zygote", "worker"),
                         [](const auto& of) { return std::string(of.param); });

TEST_P(starved, of_any_function_at_any_time_a_pool_errs_by_name_or_recovers) {
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer takes these functions for itself";
  int runs = 0;
  for (const auto& [function, errors] : shortages()) {
    bool ever = false;
    for (const int error : errors) {
      const int most = long_tests() ? 40 : error == errors.front() ? 3 : 1;
      for (int nth = 1; nth <= most; ++nth, ++runs) {
        const scratch files;
        append(files("struck"), "    ");
        ASSERT_EQ(::truncate(files("struck").c_str(), 0), 0);
        ASSERT_EQ(::truncate(files("struck").c_str(), 4), 0);
        const outcome of = run(function, GetParam(), nth, error, files("struck"));
        EXPECT_TRUE(WIFEXITED(of.status) && WEXITSTATUS(of.status) == 0)
            << function << ", time " << nth << ", error " << error << ": status " << of.status << "\n"
            << of.output;
        if (of.output.find("struck: 1") == std::string::npos) break;
        ever = true;
      }
    }
    if (!ever) std::printf("%s is not used in the %s\n", function.c_str(), GetParam());
  }
  std::printf("%d runs\n", runs);
}

}  // namespace
}  // namespace muster::test
