// SPDX-License-Identifier: MIT
#pragma once

// The lines of a log that wait for the pool's sink: a bounded number, in order. Any thread puts lines in;
// one callback at a time hands them over. Shared by the engine and that callback, which may outlive it.

#include <cstdint>
#include <deque>
#include <mutex>

#include <muster/log.hpp>

namespace muster::engine {

class log_desk {
public:
  explicit log_desk(log_sink sink) : sink_(std::move(sink)) {}
  // Without a sink nothing may be put in.
  [[nodiscard]] bool has_sink() const { return static_cast<bool>(sink_); }
  // True: the caller posts a callback that calls hand_over. A line beyond the bound is dropped and counted.
  [[nodiscard]] bool put(log_line line);
  // Gives the sink what waits now. True: there is more, so it is to be posted again.
  [[nodiscard]] bool hand_over();

private:
  static constexpr std::size_t most_waiting = 1'024;

  const log_sink sink_;
  std::mutex mutex_;
  std::deque<log_line> waiting_;  // guarded by mutex_, as is all below
  std::uint64_t dropped_ = 0;
  bool is_posted_ = false;
};

}  // namespace muster::engine
