// SPDX-License-Identifier: MIT
#pragma once

// What a pool measures and counts for those who watch it: times of tasks, errors by code, calls for a metrics
// sink. Owned by the engine; any thread may call. A task that is measured has its times in its extras and the
// flag `reported`, so a plain task passes all of this by.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <muster/stats.hpp>
#include <muster/task.hpp>
#include <muster/watching.hpp>

#include "base/clock.hpp"
#include "policy/histogram.hpp"

namespace muster::engine {

struct watch_settings {
  unsigned one_in = 0;  // so many tasks is one measured; 0: none
  own_log_options own_log{};
  std::shared_ptr<metrics_sink> metrics{};
  std::function<void(const stats&)> on_report{};
};

// What is to be told to a sink.
struct metric {
  enum class kind : std::uint8_t { started, completed, failed, error } what{};
  std::uint64_t task = 0;
  std::string id{}, label{};
  std::optional<unsigned> worker{};
  int attempt = 0;
  duration run{};
  std::string code{};
};

// The calls that wait for a sink: a bounded number, in order. One callback at a time hands them over. Shared
// by the engine and that callback, which may outlive it.
class metrics_desk {
public:
  metrics_desk(std::shared_ptr<metrics_sink> sink, std::string pool)
      : sink_(std::move(sink)), pool_(std::move(pool)) {}
  // True: the caller sees to it that hand_over is called.
  [[nodiscard]] bool put(metric m);
  // Gives the sink what waits now. True: there is more, so it is to be called again.
  [[nodiscard]] bool hand_over();
  void give_gauges(const stats& now) const;

private:
  static constexpr std::size_t most_waiting = 65'536;
  void give(const metric& m) const;

  const std::shared_ptr<metrics_sink> sink_;
  const std::string pool_;
  std::mutex mutex_;
  std::deque<metric> waiting_;  // guarded by mutex_, as is all below
  std::size_t lost_ = 0;
  bool is_posted_ = false;
};

// The code by which an error is counted: that of a muster::error, else "exception".
std::string_view code_of(const std::exception_ptr& error);

class watcher {
public:
  watcher(const watch_settings& chosen, const std::string& pool);

  // Whether the next task is to be measured.
  [[nodiscard]] bool samples() {
    return one_in_ == 1 || (one_in_ > 1 && sampled_.fetch_add(1, std::memory_order_relaxed) % one_in_ == 0);
  }
  // Before it is accepted.
  static void measure(detail::task& t, base::time_point now);
  static bool is_measured(const detail::task& t) {
    return t.is(detail::task::reported) && t.extras->times->submitted != base::time_point{};
  }
  // Of a measured task: an attempt of it begins, or has ended. Called by its holder.
  void began(detail::task& t, base::time_point now);
  // How long it ran; none where it never began.
  std::optional<duration> ended(detail::task& t, base::time_point now);
  void count_error(std::string_view code);

  void describe(stats& into) const;
  // Null: there is no sink.
  [[nodiscard]] const std::shared_ptr<metrics_desk>& metrics() const { return metrics_; }

private:
  struct times {
    policy::time_histogram waited, ran;
  };

  const unsigned one_in_;
  std::atomic<std::uint64_t> sampled_{0};  // relaxed: only its own order counts
  const std::unique_ptr<times> times_;     // null: nothing is measured
  const std::shared_ptr<metrics_desk> metrics_;
  mutable std::mutex errors_mutex_;
  std::map<std::string, std::size_t, std::less<>> errors_;  // guarded by errors_mutex_
};

}  // namespace muster::engine
