// SPDX-License-Identifier: MIT
#pragma once

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

// What the operating system refused: the error of every `std::expected` that the doors in base/ return. A
// plain value; any thread.

namespace muster::base {

struct os_error {
  int code = 0;             // an errno value
  const char* call = "";    // what was tried: a string literal
  std::string detail = {};  // what the reader needs beside errno's own words; may be empty

  std::string text() const {
    std::string result = std::string(call) + ": " + std::generic_category().message(code);
    if (!detail.empty()) result += " (" + detail + ")";
    return result;
  }
};

// The error of the call that has just failed; `call` must be a string literal.
inline os_error last_os_error(const char* call) { return {.code = errno, .call = call}; }

}  // namespace muster::base
