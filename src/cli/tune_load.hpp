// SPDX-License-Identifier: MIT
//
// The pool of one measurement, and the calls that keep it busy. Both belong to the measurement; the main
// thread alone uses them, to which the pool's callbacks come through main_queue. Only what blocks, a pool's
// start and its stop, has threads of its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cli/call_pool.hpp"
#include "cli/main_queue.hpp"
#include "cli/tune.hpp"

namespace muster::cli {

/// Has a fixed size. Starts at once.
class tune_pool {
public:
  /// Both outlive it. Throws what the constructor of a pool throws.
  tune_pool(const run_command& asked, const tune_size& size, main_queue& queue);
  ~tune_pool();
  tune_pool(const tune_pool&) = delete;
  tune_pool& operator=(const tune_pool&) = delete;

  [[nodiscard]] call_pool& calls() noexcept { return *calls_; }
  /// It takes calls, or will not.
  [[nodiscard]] bool is_decided() const noexcept { return started_ || !problem().empty(); }
  /// Why it takes none; empty: it does.
  [[nodiscard]] std::string problem() const;
  /// How many workers have become ready.
  [[nodiscard]] int ready() const noexcept { return ready_; }
  /// Processes of its workers.
  [[nodiscard]] std::vector<int> pids();

  /// What waits is not run; what runs may go on for as long as the options say, or not.
  void stop(bool at_once);
  [[nodiscard]] bool is_stopped() const noexcept { return stopped_; }

private:
  const run_command& asked_;
  main_queue& queue_;
  std::optional<call_pool> calls_;
  bool started_ = false;
  bool stopped_ = false;
  int ready_ = 0;
  int start_failures_ = 0;  // while none was ready
  std::string last_failure_;
  std::string start_problem_;
  std::vector<std::jthread> helpers_;
};

/// The lengths of many calls, of which it keeps at most so many that quantiles are good.
class call_times {
public:
  void add(double seconds);
  /// 0 without any.
  [[nodiscard]] double quantile(double part) const;

private:
  std::vector<double> kept_;
  std::size_t each_ = 1;  // of those that are added, so many make one that is kept
  std::size_t passed_ = 0;
};

/// Keeps more calls under way than the pool has places for, and counts those that are done while it is told
/// to.
class tune_load {
public:
  using clock = std::chrono::steady_clock;
  /// All outlive it; the calls are made in turn, again and again.
  tune_load(const run_command& asked, const callee& what, const std::vector<call_data>& calls,
            tune_pool& pool, const tune_size& size);

  /// Submits as much as there is room for.
  void fill();
  /// Submits no more. Why it did so itself is problem().
  void close() noexcept { closed_ = true; }
  [[nodiscard]] std::size_t open() const noexcept { return open_; }
  [[nodiscard]] std::uint64_t settled() const noexcept { return settled_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  void begin_counting(clock::time_point at) noexcept {
    counting_ = true;
    begin_ = last_ = at;
  }
  /// The calls, how many a second, and how long they took.
  [[nodiscard]] tune_sample end_counting();
  /// Of the first call that failed; empty: none did.
  [[nodiscard]] const std::string& first_failure() const noexcept { return first_failure_; }

private:
  void settle(const answer& got, const std::optional<task_report>& report);

  const run_command& asked_;
  const callee& what_;
  const std::vector<call_data>& calls_;
  tune_pool& pool_;
  std::size_t most_;    // under way
  std::size_t places_;  // of the pool
  std::size_t next_ = 0;
  std::size_t open_ = 0;
  std::size_t open_bytes_ = 0;
  std::uint64_t settled_ = 0;
  bool closed_ = false;
  bool counting_ = false;
  clock::time_point begin_{}, last_{};  // of counting: its begin, and when the last call of it was done
  tune_sample sample_{};
  call_times times_{};
  std::string problem_;
  std::string first_failure_;
};

}  // namespace muster::cli
