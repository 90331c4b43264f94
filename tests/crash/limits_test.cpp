// SPDX-License-Identifier: MIT
// The operating system's limits on worker processes: what meets one fails with its name, and the pool goes
// on.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <system_error>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

process_pool pool_with(const limit_options& limits) {
  return process_pool(
      process_options{.workers = {1}, .limits = limits, .worker_stderr = worker_stderr::keep});
}

// The text of the death that the call fails with.
std::string death_of(future<int> call, int signal) {
  try {
    (void)call.get();
  } catch (const unexpected_exit& e) {
    EXPECT_EQ(e.death().cause, death_cause::signalled);
    EXPECT_EQ(e.death().signal, signal);
    EXPECT_NE(std::string(e.what()).find(e.death().detail), std::string::npos) << e.what();
    return e.death().detail;
  }
  ADD_FAILURE() << "the worker lives";
  return {};
}

// Opens files until none more can be opened.
int open_many() {
  for (int opened = 0; opened < 10'000; ++opened)
    if (::open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) {
      if (errno != EMFILE) throw std::system_error(errno, std::generic_category(), "open");
      return opened;
    }
  return -1;
}

TEST(a_limit, of_open_files_is_met_inside_the_task) {
  process_pool pool = pool_with({.open_files = 64});
  const int opened = pool.submit(open_many).get();
  EXPECT_GT(opened, 32);
  EXPECT_LT(opened, 64);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1) << "the same worker goes on";
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

int write_too_much(std::string path) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string block(64 * 1'024, 'x');
  for (int i = 0; i < 64; ++i)
    if (::write(file, block.data(), block.size()) < 0) return errno;
  return 0;
}

TEST(a_limit, of_file_size_ends_the_worker_and_is_named) {
  scratch files;
  process_pool pool = pool_with({.file_size = 1_MiB});
  EXPECT_NE(death_of(pool.submit(write_too_much, files("large")), SIGXFSZ).find("limits.file_size = 1048576"),
            std::string::npos);
  EXPECT_EQ(std::filesystem::file_size(files("large")), 1_MiB);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(a_limit, of_file_size_is_efbig_where_the_signal_is_ignored) {
  scratch files;
  process_pool pool = pool_with({.file_size = 1_MiB});
  auto call = pool.submit(
      [](std::string path) {
        ::signal(SIGXFSZ, SIG_IGN);
        return write_too_much(path);
      },
      files("large"));
  EXPECT_EQ(call.get(), EFBIG);
}

int spin() {
  for (volatile unsigned spins = 0;;) spins = spins + 1;
}
int spin_deaf() {
  ::signal(SIGXCPU, SIG_IGN);
  return spin();
}

TEST(a_limit, of_processor_time_ends_the_worker_and_is_named) {
  process_pool pool = pool_with({.cpu_time = 1s});
  EXPECT_NE(death_of(pool.submit(spin), SIGXCPU).find("limits.cpu_time = 1 s"), std::string::npos);
  EXPECT_NE(death_of(pool.submit(spin_deaf), SIGKILL).find("limits.cpu_time = 1 s"), std::string::npos);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

// Soft and hard.
std::vector<std::uint64_t> core_limits() {
  rlimit core = {};
  ::getrlimit(RLIMIT_CORE, &core);
  return {core.rlim_cur, core.rlim_max};
}

TEST(a_limit, keeps_core_dumps_off_unless_they_are_wanted) {
  process_pool without = pool_with({});
  EXPECT_EQ(without.submit(core_limits).get(), (std::vector<std::uint64_t>{0, 0}));
  process_pool with = pool_with({.core_dumps = true});
  const auto own = core_limits();
  EXPECT_EQ(with.submit(core_limits).get(), (std::vector{own[1], own[1]}));
}

// In a program of its own: it may have to give up being root, whom this limit does not bind.
TEST(a_limit, of_processes_stops_a_fork_bomb_and_the_pool_goes_on) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::execl(MUSTER_CHILDREN_DIR "/fork_bomb", "fork_bomb", nullptr);
    ::_exit(126);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "see what it wrote";
}

}  // namespace
}  // namespace muster::test
