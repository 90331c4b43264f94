// SPDX-License-Identifier: MIT
#pragma once

// Whether an attempt that failed is followed by another. Pure.

#include <cstdint>

#include <muster/options.hpp>

namespace muster::policy {

enum class failure : std::uint8_t {
  error,      // the task threw
  crash,      // its worker died under it
  timeout,    // it was past its run timeout
  permanent,  // nothing that another attempt could mend: cancelled, refused
};

inline bool run_again(const retry_options& options, failure why, int attempt) {
  if (attempt >= options.attempts) return false;
  switch (why) {
    case failure::error: return options.on_error;
    case failure::crash: return options.on_crash;
    case failure::timeout:
    case failure::permanent: return false;
  }
  return false;
}

}  // namespace muster::policy
