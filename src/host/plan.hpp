// SPDX-License-Identifier: MIT
#pragma once

// What a worker is told of its host: made by the owner, sent encoded as the first of the worker's arguments,
// read by the worker's init. Plain values; any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <muster/fields.hpp>
#include <muster/host.hpp>

namespace muster::host {

enum class kind : unsigned char { program, node, python, native, command };

struct plan {
  host::kind kind = kind::program;
  std::vector<std::string> command;  // of the program, or node and its flags
  std::string module;                // of Node and Python
  std::string base;                  // directory
  host_protocol protocol = host_protocol::json_lines;
  bool says_ready = true;
  int descriptor = 0;  // of the protocol; 0: standard input and output
  bool forwards_stray = false;
  bool cancels = true;
  std::size_t max_line = 0;
  std::size_t keep = 0;  // bytes of each output of a command
  bool checks = true;    // whether another exit code than 0 is a failure
  int at_once = 1;
  std::vector<int> signals;  // that are passed on
  int last_signal = 0;       // that it gets when it is to end in peace; 0: none

  // What people know it by.
  [[nodiscard]] std::string title() const;
};

std::string to_bytes(const plan& what);
// Throws decode_error.
plan from_bytes(std::string_view bytes);

}  // namespace muster::host

template <>
struct muster::fields<muster::host::plan> {
  using plan = muster::host::plan;
  static constexpr auto list = std::make_tuple(
      field("kind", &plan::kind), field("command", &plan::command), field("module", &plan::module),
      field("base", &plan::base), field("protocol", &plan::protocol), field("says_ready", &plan::says_ready),
      field("descriptor", &plan::descriptor), field("forwards_stray", &plan::forwards_stray),
      field("cancels", &plan::cancels), field("max_line", &plan::max_line), field("keep", &plan::keep),
      field("checks", &plan::checks), field("at_once", &plan::at_once), field("signals", &plan::signals),
      field("last_signal", &plan::last_signal));
};
