// SPDX-License-Identifier: MIT
//
// The pool in which the calls of a command line run: functions of a C++ module, of a module of Node's or
// Python's, or a command. Belongs to whoever makes it; the main thread alone uses it, and the pool's
// callbacks are to come to that thread (process_options::callbacks).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>

#include <muster/future.hpp>
#include <muster/host.hpp>
#include <muster/pool.hpp>

#include "cli/answer.hpp"
#include "cli/arguments.hpp"
#include "cli/call_shape.hpp"

namespace muster::cli {

/// What is under way at most: it bounds the memory, whatever the length of the input.
inline constexpr std::size_t most_calls = 1'024;
inline constexpr std::size_t most_bytes = std::size_t{64} << 20;  // of their arguments
/// Workers that fail to start so often in a row, before the first was ready, will not start.
inline constexpr int most_start_failures = 3;

/// What is called, once it is found.
struct callee {
  std::string path;  // of a C++ module
  call_shape shape;
};

class call_pool {
public:
  /// `asked` outlives the pool. Throws what the constructor of a pool throws.
  call_pool(const run_command& asked, const process_options& options);

  [[nodiscard]] process_pool& pool() noexcept { return *pool_; }

  using found = std::function<void(std::expected<callee, std::string>)>;
  /// Looks for the function, in a worker where it has to be loaded, and sees whether it can be called so.
  /// `tell` gets the result, or why not: as one of the pool's callbacks, or at once.
  void find(const found& tell);

  /// With the task's number, as submit() gave it.
  using settled = std::function<void(std::uint64_t task, const answer&, const std::optional<task_report>&)>;
  /// Submits a call; `tell` is one of the pool's callbacks. Throws what a pool's submit throws.
  std::uint64_t submit(const callee& what, const task_options& options, call_data data, settled tell);

private:
  void list_module(const found& tell);

  const run_command& asked_;
  std::optional<process_pool> functions_;  // one of the two is the pool
  std::optional<host_pool> hosts_;
  process_pool* pool_ = nullptr;
};

}  // namespace muster::cli
