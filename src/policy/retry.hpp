// SPDX-License-Identifier: MIT
#pragma once

// Whether an attempt that failed is followed by another. Pure.

#include <algorithm>
#include <cstdint>
#include <exception>

#include <muster/options.hpp>

namespace muster::policy {

enum class failure : std::uint8_t {
  error,      // the task threw
  crash,      // its worker died under it
  timeout,    // it was past its run timeout
  permanent,  // nothing that another attempt could mend: cancelled, refused
};

// Before anybody was asked: retry_options::when can only say no to this.
inline bool run_again(const retry_options& options, failure why, int attempt) {
  if (attempt >= options.attempts) return false;
  switch (why) {
    case failure::error: return options.on_error || options.when != nullptr;
    case failure::crash: return options.on_crash;
    case failure::timeout: return options.on_timeout;
    case failure::permanent: return false;
  }
  return false;
}

inline bool is_permanent(const retry_options& options, const std::exception_ptr& error) {
  return std::ranges::any_of(options.permanent, [&](const error_kind& kind) { return kind.matches(error); });
}

}  // namespace muster::policy
