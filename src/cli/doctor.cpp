// SPDX-License-Identifier: MIT
#include "cli/doctor.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "cli/run.hpp"

namespace muster::cli {

int doctor(const doctor_command& asked) {
  // Probes first: they fork, and no pool has threads yet.
  const std::vector<fact> facts = probe_machine();
  const diagnosis found{.facts = facts, .promises = try_promises()};
  if (asked.json)
    fmt::print("{}\n", as_json(found).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  else
    fmt::print("{}", as_text(found));
  if (std::fflush(stdout) != 0) return exit_code::some_failed;
  return found.all_kept() ? exit_code::done : exit_code::some_failed;
}

}  // namespace muster::cli
