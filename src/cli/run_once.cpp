// SPDX-License-Identifier: MIT
#include "cli/run_once.hpp"

#include <stdexcept>

#include <fmt/format.h>

namespace muster::cli {

program_result run_command_once(context& about, int attempts, const std::vector<std::string>& inputs) {
  program_result done = detail::run_program(about, inputs);
  if (done.exit_code != 0 && about.attempt() < attempts)
    throw std::runtime_error(fmt::format("exit code {}", done.exit_code));
  return done;
}

}  // namespace muster::cli
