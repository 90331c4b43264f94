// SPDX-License-Identifier: MIT
#include <cstdio>
#include <string>

#include <fmt/format.h>

#include <muster/error.hpp>
#include <muster/pool.hpp>

#include "cli/failure.hpp"
#include "cli/json_codec.hpp"
#include "cli/run.hpp"

namespace muster::cli {

int list(const list_command& asked) {
  run_command called;
  called.module = asked.module;
  if (called.kind() != callee_kind::module) {
    fmt::print(
        stderr,
        "muster: '{}' is a script, and functions of C++ modules are listed; a call of one that a script "
        "does not have says which it has\n",
        asked.module);
    return exit_code::usage;
  }
  try {
    process_pool pool({.workers = {1}, .env = {.pass = {"*"}}, .name = "list"});
    pool.start();
    const std::string path = find_module(asked.module);
    for (const auto& each : pool.submit(&detail::list_exports, path).get()) {
      const auto parsed = parse_signature(each.name, each.signature);
      const bool callable = parsed && why_not_from_json(*parsed).empty();
      fmt::print("{}{}{}\n", each.name, each.signature, callable ? "" : "  (from C++ only)");
    }
    if (std::fflush(stdout) != 0) return exit_code::some_failed;
    return exit_code::done;
  } catch (const not_ready& problem) {
    fmt::print(stderr, "muster: {}\n", problem.what());
    return exit_code::no_workers;
  } catch (...) {
    fmt::print(stderr, "muster: {}\n", describe(std::current_exception()).message);
    return exit_code::usage;
  }
}

}  // namespace muster::cli
