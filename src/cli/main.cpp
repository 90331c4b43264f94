// SPDX-License-Identifier: MIT
//
// The muster command: docs/guide/command.md.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <system_error>
#include <variant>

#include <fmt/format.h>

#include <muster/init.hpp>

#include "cli/arguments.hpp"
#include "cli/run.hpp"

namespace {

/// A standard descriptor that is closed would be the next file we open. Standard input keeps failing when it
/// is read: it is opened for writing only.
void occupy_standard_descriptors() {
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(standard, F_GETFD) < 0) static_cast<void>(::open("/dev/null", O_WRONLY));
}

/// Worker processes begin here. What a module prints goes to standard error, since results own standard
/// output.
void begin(int argc, char** argv) {
  const int results = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (results < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
    throw std::system_error(errno, std::generic_category(), "standard output");
  muster::init(argc, argv);
  ::dup2(results, STDOUT_FILENO);
  ::close(results);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace muster::cli;
  occupy_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);
  try {
    begin(argc, argv);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "muster: {}\n", problem.what());
    return exit_code::no_workers;
  }
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is told like a full disk; in workers it stays
  const command_asked asked = read_arguments(argc, argv);
  if (const auto* answer = std::get_if<answered>(&asked)) return answer->exit_code;
  if (const auto* wanted = std::get_if<tune_command>(&asked)) return tune(*wanted);
  if (const auto* wanted = std::get_if<list_command>(&asked)) return list(*wanted);
  if (const auto* wanted = std::get_if<doctor_command>(&asked)) return doctor(*wanted);
  if (const auto* wanted = std::get_if<options_command>(&asked)) return options(*wanted);
  if (const auto* wanted = std::get_if<config_command>(&asked)) return config(*wanted);
  if (const auto* wanted = std::get_if<completion_command>(&asked)) return completion(*wanted);
  return run(std::get<run_command>(asked));
}
