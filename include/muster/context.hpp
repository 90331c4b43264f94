// SPDX-License-Identifier: MIT
#pragma once

/// What a task may ask about itself. A function that wants it takes `muster::context&` (or just a
/// `std::stop_token`) as its first parameter; the pool supplies it, the caller leaves it out.

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <muster/detail/voice.hpp>
#include <muster/trace.hpp>

namespace muster {

class context {
public:
  /// For the pool, which makes one for each attempt. `id`, `voice`, `label` and `trace` must outlive it.
  context(std::uint64_t task, int attempt, std::stop_token stop, std::string_view id = {},
          detail::voice* voice = nullptr, std::string_view label = {}, const trace_context* trace = nullptr)
      : task_(task),
        attempt_(attempt),
        stop_(std::move(stop)),
        id_(id),
        voice_(voice),
        label_(label),
        trace_(trace) {}
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  /// A stop is requested when the task is cancelled, is past its time, or the pool is stopped by force.
  [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }
  [[nodiscard]] bool stop_requested() const noexcept { return stop_.stop_requested(); }
  /// The task's number, unique in its pool.
  [[nodiscard]] std::uint64_t task() const noexcept { return task_; }
  /// 1 for the first run.
  [[nodiscard]] int attempt() const noexcept { return attempt_; }
  /// task_options::id; in a worker process its first 1,024 bytes.
  [[nodiscard]] std::string_view id() const noexcept { return id_; }
  /// task_options::label.
  [[nodiscard]] std::string_view label() const noexcept { return label_; }
  /// task_options::trace, or that of the task which submitted it; empty where there is none. As
  /// muster::current_trace; also in modules that do not link the library.
  [[nodiscard]] trace_context trace() const { return trace_ != nullptr ? *trace_ : trace_context(); }

  /// Tells how far the task is: from 0 to 1, and what it does now (at most 192 bytes; more is cut). It
  /// arrives at task_options::on_progress; where nobody asked for it this does next to nothing. Never blocks;
  /// what the owner has not seen yet is replaced by what is newer.
  void progress(double fraction, std::string_view text = {}) const noexcept {
    if (voice_ != nullptr) voice_->progress(fraction, text);
  }
  /// As muster::log; also in modules that do not link the library.
  void log(log_level level, std::string_view text) const noexcept {
    if (voice_ != nullptr) voice_->log(level, text);
  }

  /// For the yielder.
  [[nodiscard]] detail::voice* voice() const noexcept { return voice_; }

private:
  std::uint64_t task_;
  int attempt_;
  std::stop_token stop_;
  std::string_view id_;
  detail::voice* voice_;
  std::string_view label_;
  const trace_context* trace_;  // null: none
};

/// process_options::args, in a worker process; empty elsewhere. Any thread. The same for the life of the
/// process.
const std::vector<std::string>& worker_arguments();

}  // namespace muster
