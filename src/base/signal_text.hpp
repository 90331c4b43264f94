// SPDX-License-Identifier: MIT
#pragma once

// Signals in words.

#include <cstring>
#include <string>

namespace muster::base {

// "SIGSEGV"; the number of one that has no name.
inline std::string signal_name(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string("SIG") + name : std::to_string(signal);
}

// "ended by SIGSEGV (Segmentation fault)"
inline std::string ended_by(int signal) {
  return std::string("ended by ") + (::sigabbrev_np(signal) != nullptr ? "" : "signal ") +
         signal_name(signal) + " (" + ::strsignal(signal) + ")";
}

}  // namespace muster::base
