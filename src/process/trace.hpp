// SPDX-License-Identifier: MIT
#pragma once

// The last words of a worker, read by its owner: copied once, checked, and turned into what a death says. The
// memory may hold anything, so numbers are bounded before they are used, addresses are only looked up, and
// paths are only opened as module::symbols does. Used by the crew's loop.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <muster/error.hpp>

#include "ipc/last_words.hpp"
#include "module/symbols.hpp"

namespace muster::process {

// A private copy. Everything in it is what a stranger says, but the counts fit.
struct words_read {
  ipc::words_kind kind{};
  int signal = 0;
  int code = 0;
  int sender = 0;
  std::uint64_t fault_address = 0;
  std::uint64_t stack_pointer = 0;
  std::vector<std::uint64_t> frames{};
  std::string maps{};

  // The fault is where a stack that grew too far would meet its end.
  [[nodiscard]] bool is_stack_overflow() const;
};

// Nothing where nothing was written; `nonsense` is set where what stands there cannot be words.
std::optional<words_read> read_words(const ipc::last_words& from, bool& nonsense);

// Whether the worker has written its answer to trace_signal. Any time.
bool has_answered(const ipc::last_words& from);

std::vector<stack_frame> backtrace_of(const words_read& words, module::symbols& names);

}  // namespace muster::process
