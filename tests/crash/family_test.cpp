// SPDX-License-Identifier: MIT
// What a worker process has started goes with it, however it ends and wherever that has gone; what its
// siblings have started stays.
#include <csignal>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// A child in the worker's group, one with a group of its own, a daemon with a child of its own, and a daemon
// that is another program with no environment. Their numbers go to a file.
int start_a_family(std::string pids) {
  const auto rest = [&pids] {
    append(pids, std::to_string(::getpid()));
    for (;;) ::pause();
  };
  if (::fork() == 0) rest();
  if (::fork() == 0) {
    ::setpgid(0, 0);
    rest();
  }
  if (::fork() == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    if (::fork() == 0) {
      ::setsid();
      rest();
    }
    rest();
  }
  if (::fork() == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    append(pids, std::to_string(::getpid()));
    const char* const nothing[] = {nullptr};
    const char* const arguments[] = {"sleep", "1000", nullptr};
    ::execve("/bin/sleep", const_cast<char* const*>(arguments), const_cast<char* const*>(nothing));
    ::_exit(127);
  }
  while (lines_of(pids).size() < 5) ::usleep(500);
  return ::getpid();
}

std::vector<pid_t> family_in(const std::string& pids) {
  std::vector<pid_t> all;
  for (const std::string& line : lines_of(pids)) all.push_back(std::atoi(line.c_str()));
  return all;
}

// How the one worker ends whose family shall go with it.
struct end_of_one {
  const char* name;
  void (*act)(process_pool& pool, int pid);
};
class a_family : public testing::TestWithParam<end_of_one> {};
INSTANTIATE_TEST_SUITE_P(
    when_its_worker, a_family,
    testing::Values(end_of_one{"is_killed", [](process_pool&, int pid) { signal_process(pid, SIGKILL); }},
                    end_of_one{"crashes", [](process_pool& pool,
                                             int) { (void)pool.submit(die, SIGSEGV, 0).wait_for(watchdog); }},
                    end_of_one{"exits", [](process_pool& pool,
                                           int) { (void)pool.submit(die, 0, 0).wait_for(watchdog); }},
                    end_of_one{"is_recycled", [](process_pool& pool, int) { pool.recycle(); }}),
    [](const auto& of) { return of.param.name; });

TEST_P(a_family, goes_with_it_and_that_of_a_sibling_stays) {
  scratch files;
  process_pool sibling({.workers = {1}, .worker_stderr = worker_stderr::keep});
  process_pool pool(
      {.workers = {1}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep});
  const int sibling_pid = sibling.submit(start_a_family, files("sibling")).get();
  const int pid = pool.submit(start_a_family, files("mine")).get();
  const auto mine = family_in(files("mine"));
  ASSERT_EQ(mine.size(), 5U);
  for (const pid_t each : mine) ASSERT_TRUE(lives(each));
  GetParam().act(pool, pid);
  for (std::size_t i = 0; i < mine.size(); ++i)
    EXPECT_TRUE(eventually([&] { return !lives(mine[i]); })) << "number " << i;
  EXPECT_NE(pool.submit(process_id).get(), pid);
  for (const pid_t each : family_in(files("sibling"))) EXPECT_TRUE(lives(each));
  EXPECT_EQ(sibling.submit(process_id).get(), sibling_pid);
  sibling.stop();
  for (const pid_t each : family_in(files("sibling"))) EXPECT_TRUE(eventually([&] { return !lives(each); }));
}

}  // namespace
}  // namespace muster::test
