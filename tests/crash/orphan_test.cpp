// SPDX-License-Identifier: MIT
// Owners that end, zygotes that are killed: nobody is left behind, and a pool that lives comes back.
#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <sstream>
#include <thread>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// An owner with a pool, run as a program of its own.
class owner {
public:
  owner(const std::string& mode, const std::string& temporary, const std::string& probes) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], 1);
      ::setenv("TMPDIR", temporary.c_str(), 1);
      ::execl(MUSTER_CHILDREN_DIR "/doomed_owner", "doomed_owner", mode.c_str(), probes.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
  }
  ~owner() {
    if (pid_ > 0) end();
    ::close(output_);
  }
  // Blocks until it says that everything runs.
  bool ready() {
    char c = 0;
    return ::read(output_, &c, 1) == 1;
  }
  [[nodiscard]] pid_t pid() const { return pid_; }
  int end() {
    signal_process(pid_, SIGKILL);
    return wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return status;
  }

private:
  pid_t pid_ = 0;
  int output_ = -1;
};

std::vector<std::string> shared_memory_of_ours() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    if (entry.path().string().find("muster") != std::string::npos) names.push_back(entry.path());
  return names;
}

// The promise. A zygote that is not given the processor cannot keep it: on a machine that does a hundred
// other things, or under a sanitizer, it only has to get there at all.
std::chrono::seconds promised_here() {
  double load = 0;
  std::ifstream("/proc/loadavg") >> load;
  const bool is_overloaded = load > 4.0 * std::thread::hardware_concurrency();
  if (is_overloaded) std::printf("the load is %.1f: every round has to end, whenever\n", load);
  return is_overloaded || base::is_sanitized ? watchdog : std::chrono::seconds(2);
}

// What the kernel says about a process, for the message about one that is left.
std::string about(pid_t pid) {
  const std::string directory = "/proc/" + std::to_string(pid);
  std::stringstream text;
  for (const char* name : {"/status", "/wchan"}) text << std::ifstream(directory + name).rdbuf();
  return text.str();
}

// From the owner's death, which has just been seen, until none of these lives.
void expect_gone_soon(const std::vector<pid_t>& pids, std::chrono::steady_clock::time_point begin,
                      std::vector<double>& times) {
  static const auto promised = promised_here();
  const auto since = [begin] { return std::chrono::steady_clock::now() - begin; };
  std::vector<pid_t> left = pids;
  std::string last;  // who still lived when half the time was over
  const bool gone = eventually([&] {
    std::erase_if(left, [](pid_t pid) { return !lives(pid); });
    if (last.empty() && since() > promised / 2)
      for (const pid_t pid : left) last += about(pid) + "\n";
    return left.empty();
  });
  EXPECT_LT(since(), promised) << last;
  EXPECT_TRUE(gone) << "left behind:\n" << last;
  times.push_back(std::chrono::duration<double, std::milli>(since()).count());
}

// The owner's own child. It has hidden the owner's environment, so it is no companion.
pid_t stranger_of(pid_t owner) {
  for (const pid_t child : descendants_of(owner)) return child;
  ADD_FAILURE() << "the owner has no child of its own";
  return 0;
}

class owner_ends : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(while_it_is, owner_ends, testing::Values("idle", "busy", "starting", "watched"),
                         [](const auto& of) { return std::string(of.param); });

TEST_P(owner_ends, by_sigkill_and_no_process_and_no_file_is_left) {
  std::vector<double> times;
  const auto shared_before = shared_memory_of_ours();
  for (int round = 0; round < (long_tests() ? 500 : base::is_sanitized ? 20 : 50); ++round) {
    scratch temporary, probes;
    owner running(GetParam(), temporary(""), probes(""));
    ASSERT_TRUE(running.ready());
    const auto pids = companions_of(running.pid(), "TMPDIR=" + temporary(""));
    if (std::string(GetParam()) != "starting") {
      ASSERT_GE(pids.size(), 5U) << "a zygote and four workers";
    }
    // Whoever else has what the owner had open keeps nobody alive.
    const pid_t stranger = GetParam() == std::string("watched") ? stranger_of(running.pid()) : 0;
    running.end();
    const auto begin = std::chrono::steady_clock::now();
    // Who was born between the look and the end is found by what all of them have from their owner.
    auto all = companions_of(0, "TMPDIR=" + temporary(""));
    all.insert(all.end(), pids.begin(), pids.end());
    expect_gone_soon(all, begin, times);
    if (stranger != 0) {
      EXPECT_TRUE(lives(stranger));
      signal_process(stranger, SIGKILL);
    }
    EXPECT_EQ(companions_of(0, "TMPDIR=" + temporary("")), std::vector<pid_t>());
    EXPECT_EQ(entries_in(temporary("")), 0U);
  }
  std::sort(times.begin(), times.end());
  std::printf("all gone after the owner: p50 %.1f ms, p99 %.1f ms\n", times[times.size() / 2],
              times[times.size() * 99 / 100]);
  EXPECT_EQ(shared_memory_of_ours(), shared_before);
}

TEST(orphans, of_an_owner_that_exits_without_stop_are_gone) {
  scratch temporary, probes;
  std::vector<double> times;
  owner running("leaves", temporary(""), probes(""));
  ASSERT_TRUE(running.ready());
  const auto pids = companions_of(running.pid(), "TMPDIR=" + temporary(""));
  ASSERT_GE(pids.size(), 5U);
  signal_process(running.pid(), SIGUSR1);
  const int status = running.wait();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  expect_gone_soon(pids, std::chrono::steady_clock::now(), times);
}

TEST(zygote, killed_under_a_busy_pool_fails_what_had_begun_and_the_pool_comes_back) {
  process_pool pool(process_options{.workers = {2}, .restart = {.first = 1ms, .max = 10ms}});
  pool.start();
  for (int round = 0; round < (base::is_sanitized ? 10 : 100); ++round) {
    scratch files;
    std::vector<future<int>> begun, queued;
    for (int i = 0; i < 2; ++i)
      begun.push_back(pool.submit(hold, files("b" + std::to_string(i)), files("gate"), i));
    for (int i = 0; i < 2; ++i) ASSERT_TRUE(appears(files("b" + std::to_string(i))));
    for (int i = 0; i < 20; ++i) queued.push_back(pool.submit(echo, i));
    std::vector<pid_t> workers;
    // A worker's number may be told later than that it is ready.
    ASSERT_TRUE(eventually([&] {
      workers.clear();
      for (const auto& w : pool.stats().workers)
        if (w.pid > 0) workers.push_back(w.pid);
      return workers.size() == 2;
    }));
    const pid_t parent = state_of(workers[0]).parent;
    ASSERT_GT(parent, 1);
    ASSERT_NE(parent, ::getpid());
    signal_process(parent, SIGKILL);
    for (auto& f : begun) EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
    for (const pid_t pid : workers) EXPECT_TRUE(eventually([&] { return !lives(pid); }));
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(queued[static_cast<std::size_t>(i)].wait_for(watchdog));
      EXPECT_EQ(queued[static_cast<std::size_t>(i)].get(), i);
    }
    EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  }
}

}  // namespace
}  // namespace muster::test
