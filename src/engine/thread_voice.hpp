// SPDX-License-Identifier: MIT
#pragma once

// What a task says that runs in a thread of this process. Made for each attempt, on the stack of the thread
// that runs it.

#include <cstdint>

#include <muster/detail/voice.hpp>

#include "engine/engine.hpp"

namespace muster::engine {

class thread_voice final : public detail::voice {
public:
  thread_voice(engine& home, task& t, std::uint32_t slot) : home_(home), task_(t), slot_(slot) {}
  void log(log_level level, std::string_view text) noexcept override;
  void progress(double fraction, std::string_view text) noexcept override;
  bool yield(void* chunk, const detail::chunk_kind& kind) override;

private:
  engine& home_;
  task& task_;
  const std::uint32_t slot_;
};

}  // namespace muster::engine
