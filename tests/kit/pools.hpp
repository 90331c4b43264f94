// SPDX-License-Identifier: MIT
#pragma once

// What tests of whole pools share: probes made of files, which both a thread and a worker process can touch
// and see, and waits with a watchdog. Tasks are plain functions, so that the same text runs on both kinds of
// pool. Everything here is called from any thread and from worker processes.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <muster/muster.hpp>

#include "base/sanitizer.hpp"

namespace muster::test {

// How long a test waits for what must come. Generous: machines are slow and sanitizers slower.
inline constexpr std::chrono::seconds watchdog{base::is_sanitized ? 120 : 40};

// Polls until `done` holds. False: the watchdog came first.
template <class F>
bool eventually(F done, std::chrono::nanoseconds longest = watchdog) {
  const auto end = std::chrono::steady_clock::now() + longest;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    ::usleep(500);
  }
  return true;
}

inline bool long_tests() { return std::getenv("MUSTER_LONG") != nullptr; }

// A directory for one test's probes; gone with it.
class scratch {
public:
  scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "muster-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    directory_ = pattern;
  }
  ~scratch() { std::filesystem::remove_all(directory_); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;
  [[nodiscard]] std::string operator()(const std::string& name) const { return directory_ + "/" + name; }

private:
  std::string directory_;
};

inline void touch(const std::string& path) {
  ::close(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}
inline bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
inline bool appears(const std::string& path) {
  return eventually([&] { return exists(path); });
}

// One short write at the end of a file: lines of several processes do not mix.
inline void append(const std::string& path, const std::string& line) {
  const int file = ::open(path.c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
  (void)!::write(file, (line + "\n").c_str(), line.size() + 1);
  ::close(file);
}
inline std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// -------------------------------------------------------------------------------------------------------------
// tasks

inline int echo(int value) { return value; }
inline int add(int a, int b) { return a + b; }
inline int process_id() { return ::getpid(); }
inline void nothing() {}
// Says that it began, then stays until it is let go, or the test is over: a task of a thread may come to look
// only when the folder is gone with the gate in it.
inline int hold(std::string begun, std::string gate, int result) {
  touch(begun);
  const std::string folder = std::filesystem::path(gate).parent_path();
  if (!eventually([&] { return exists(gate) || !exists(folder); }))
    throw std::logic_error("nobody opened " + gate);
  return result;
}
inline int note(std::string log, int value) {
  append(log, std::to_string(value));
  return value;
}
// Says that it began, then stays until its stop token says stop, and says so.
inline int until_stopped(std::stop_token stop, std::string begun, std::string seen) {
  touch(begun);
  if (!eventually([&] { return stop.stop_requested(); })) throw std::logic_error("no stop came");
  touch(seen);
  return 1;
}
// Deaf: does not look at any stop token. Ends by itself when `gate` appears.
inline int deaf(std::string begun, std::string gate) {
  touch(begun);
  (void)eventually([&] { return exists(gate); });
  return 2;
}

// -----------------------------------------------------------------------------------------------------------
// the pools

template <class Pool>
struct options_for;
template <>
struct options_for<thread_pool> {
  using type = thread_options;
};
template <>
struct options_for<process_pool> {
  using type = process_options;
};
template <class Pool>
using options_of = typename options_for<Pool>::type;
template <class Pool>
inline constexpr bool has_processes = std::is_same_v<Pool, process_pool>;

using both_pools = testing::Types<thread_pool, process_pool>;
struct pool_names {
  template <class Pool>
  static std::string GetName(int) {
    return has_processes<Pool> ? "on_processes" : "on_threads";
  }
};

// The code of the muster::error that `act` throws; none where it throws none.
template <class F>
std::optional<error_code> code_of(F act) {
  try {
    act();
  } catch (const error& e) {
    return e.code();
  }
  return std::nullopt;
}
template <class T>
std::optional<error_code> outcome_of(future<T>& f) {
  return code_of([&] { (void)f.get(); });
}

inline void expect_sums(const stats& s) {
  EXPECT_EQ(s.submitted, s.queued + s.running + s.waiting + s.succeeded + s.failed + s.cancelled);
}
// After everything settled: the counts of what runs are kept by others than those who settle, so they may
// lag.
template <class Pool>
void expect_all_settled(Pool& pool, std::size_t succeeded, std::size_t failed, std::size_t cancelled) {
  pool.wait_idle();
  const stats s = pool.stats();
  EXPECT_EQ(s.queued + s.running + s.waiting, 0U);
  EXPECT_EQ(s.succeeded, succeeded);
  EXPECT_EQ(s.failed, failed);
  EXPECT_EQ(s.cancelled, cancelled);
  EXPECT_EQ(s.submitted, succeeded + failed + cancelled);
}

template <class Pool>
std::size_t ready_workers(Pool& pool) {
  std::size_t count = 0;
  for (const worker_stats& w : pool.stats().workers)
    count += w.state == worker_state::idle || w.state == worker_state::busy ? 1 : 0;
  return count;
}

// A worker that is held busy, so that what is submitted next waits.
template <class Pool>
class blocker {
public:
  explicit blocker(Pool& pool, int workers = 1) {
    for (int i = 0; i < workers; ++i)
      held_.push_back(pool.submit(hold, files_("b" + std::to_string(i)), files_("gate"), i));
    for (int i = 0; i < workers; ++i) EXPECT_TRUE(appears(files_("b" + std::to_string(i))));
  }
  ~blocker() { open(); }
  void open() { touch(files_("gate")); }

private:
  scratch files_;
  struct settle_last {
    std::vector<future<int>> all;
    void push_back(future<int> f) { all.push_back(std::move(f)); }
    ~settle_last() {
      for (auto& f : all) f.wait();
    }
  };
  // Waited for before the files go.
  settle_last held_;
};

inline std::uint64_t seed_of_test() {
  const char* given = std::getenv("MUSTER_SEED");
  const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  std::printf("MUSTER_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace muster::test
