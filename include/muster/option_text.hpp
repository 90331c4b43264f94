// SPDX-License-Identifier: MIT
#pragma once

/// Options as text: what there is, and setting it by name. For command lines and configuration files; not
/// part of muster.hpp. docs/reference/options.md lists all of them.
///
///     muster::process_options options;
///     const std::vector<std::string> wanted = {"queue.capacity=1000", "limits.memory=512MiB"};
///     muster::set_options(options, wanted);
///
/// The left is the option as C++ spells it, the right its value: a number, a time (300ms, 5s, 2m, 1h; a plain
/// number means seconds), a size (512MiB, 500MB; a plain number means bytes), true or false, a name
/// (drop_oldest), a text, a list with commas between its elements; `none` for std::nullopt. An option of a
/// group that is not there by default, such as breaker or queue.rate, adds the group; `breaker=none` takes it
/// away again. What is a function, or a list of structs, cannot be set by text.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <muster/options.hpp>

namespace muster {

/// Sets what is said there, one after the other. Throws invalid_options with everything that is wrong: names
/// that are none, with those nearest to them; values that cannot be read or are out of their range, with the
/// range. Then the options are as they were. What two options have to do with each other is looked at when a
/// pool is made of them.
void set_options(thread_options& options, std::span<const std::string> settings);
void set_options(process_options& options, std::span<const std::string> settings);
void set_options(task_options& options, std::span<const std::string> settings);

/// One option, as it is described for people.
struct option_description {
  /// Of a pool, of a task, or of process_pool::recycle.
  enum class owner : std::uint8_t { pool, task, recycle };
  owner of = owner::pool;
  std::string path{};      ///< "queue.capacity"; of an element of a list "stop[].signal".
  std::string kind{};      ///< "number", "time", "size", "name", "function" and so on.
  std::string initial{};   ///< Its default, as set_options takes it; of what has no text, empty or "none".
  std::string range{};     ///< Empty: whatever there is of that kind.
  std::string about{};     ///< What it does, and what "none" means, in one or two sentences.
  bool by_text = false;    ///< set_options can set it.
  bool threads = false;    ///< Thread pools have it.
  bool processes = false;  ///< Process pools have it.
};

/// All of them, in the order of declaration: pools, tasks, recycling.
std::vector<option_description> describe_options();

}  // namespace muster
