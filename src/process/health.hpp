// SPDX-License-Identifier: MIT
#pragma once

// Whether a worker process is well, from two looks at it. Pure: no clock, no files. One for each worker, used
// by the loop thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include <muster/options.hpp>

#include "base/clock.hpp"

namespace muster::process {

// What can be seen of a worker at one instant.
struct vital_look {
  char state = '?';           // as the kernel has it
  bool is_busy = false;       // it has begun a call, and so cannot answer
  bool has_answered = false;  // the last ping that it was sent
  base::time_point busy_since{};
  std::uint64_t ticks = 0;      // of processor time
  std::uint64_t heartbeat = 0;  // another number whenever the task says that it is still at it
  std::size_t served = 0;       // calls it has answered
};

class health {
public:
  // What is wrong with it; empty: it is well. Remembers the look for the next one.
  [[nodiscard]] std::string judge(const vital_look& seen, base::time_point now,
                                  const std::optional<duration>& max_silence);
  // As the last look saw it; 0: there was none.
  [[nodiscard]] std::size_t served() const { return last_ ? last_->served : 0; }

private:
  std::optional<vital_look> last_{};
  base::time_point active_at_{};  // when it last did something, as far as looks can tell
};

}  // namespace muster::process
