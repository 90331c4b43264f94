// SPDX-License-Identifier: MIT
#pragma once

// What the tests of hosts share: programs that are started for real. Called by the test's thread.

#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <muster/host.hpp>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {

inline std::string program_file(const std::string& name) {
  return MUSTER_SOURCE_DIR "/tests/hosts/programs/" + name;
}

// The system's own: one from a version manager is started by a shell first.
inline const char* python_command() {
  return ::access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
}

inline program talker(const std::string& beginning = {}) {
  program what{.command = {python_command(), "-IS", program_file("talker.py")}};
  if (!beginning.empty()) what.command.push_back(beginning);
  return what;
}

inline process_options one_host(int at_once = 1) {
  return {.workers = {.min = 1, .max = 1, .at_once = at_once},
          .grace = 20ms,
          .ready_timeout = watchdog,
          .restart = {.first = 1ms, .max = 10ms},
          .env = {.set = {{"PYTHONDONTWRITEBYTECODE", "1"}}},
          .worker_stderr = worker_stderr::keep};
}

// The error that the future gives; where it gives none, or another, the test fails here.
template <class E, class T>
std::unique_ptr<E> error_of(future<T> f) {
  try {
    static_cast<void>(f.get());
  } catch (const E& e) {
    return std::make_unique<E>(e);
  }
  throw std::logic_error("it gave a value");
}

inline void expect_text(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no \"" << part << "\" in: " << text;
}

}  // namespace muster::test
