// SPDX-License-Identifier: MIT
//
// How a command that makes pools says that it cannot.
#pragma once

#include <cstdio>
#include <exception>
#include <string_view>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "cli/arguments.hpp"

namespace muster::cli {

/// Says why; returns the exit code.
inline int refuse(std::string_view why, int code) {
  fmt::print(stderr, "muster: {}\n", why);
  return code;
}

/// The exit code of `command`, which makes pools; where they cannot be made it is refused.
template <class Command>
int run_or_refuse(Command command) {
  try {
    return command();
  } catch (const invalid_options& problem) {
    return refuse(problem.what(), exit_code::usage);
  } catch (const std::exception& problem) {  // no memory, descriptors or processes for a pool
    return refuse(problem.what(), exit_code::no_workers);
  }
}

}  // namespace muster::cli
