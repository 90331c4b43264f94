// SPDX-License-Identifier: MIT
#pragma once

// A module in two editions, for tests that put one in the place of the other: it leaves a line in the file
// EDITION_LOG when it is initialised, called and closed. While the file EDITION_REFUSED is there, it cannot
// be initialised; with EDITION_GATE that takes until the file of this name is there. Its functions run on any
// worker.

#include <muster/module.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace edition {

inline void leave_line(const std::string& line) {
  const char* const path = std::getenv("EDITION_LOG");
  if (path == nullptr) return;
  const int file = ::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  (void)!::write(file, (line + "\n").data(), line.size() + 1);
  ::close(file);
}

inline void check_refusal() {
  const char* const path = std::getenv("EDITION_REFUSED");
  if (path != nullptr && ::access(path, F_OK) == 0) throw std::out_of_range("the model is not there");
}

inline void wait_for(const std::string& gate) {
  for (int looks = 0; ::access(gate.c_str(), F_OK) != 0; ++looks) {
    if (looks == 120'000) throw std::runtime_error("nobody has made the file " + gate + " in a minute");
    ::usleep(500);
  }
}

inline void wait_for_the_gate() {
  if (const char* const path = std::getenv("EDITION_GATE")) wait_for(path);
}

// Says that it is here, and comes back when it is let go.
inline std::string hold(std::string result, const std::string& begun, const std::string& gate) {
  ::close(::open(begun.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  wait_for(gate);
  return result;
}

}  // namespace edition

#define TEST_EDITION(number)                                                                               \
  MUSTER_MODULE(m) {                                                                                       \
    m.version(number);                                                                                     \
    m.init([] {                                                                                            \
      edition::check_refusal();                                                                            \
      edition::leave_line("init " number);                                                                 \
      edition::wait_for_the_gate();                                                                        \
    });                                                                                                    \
    m.add("edition", [] {                                                                                  \
      edition::leave_line("call " number);                                                                 \
      return std::string(number);                                                                          \
    });                                                                                                    \
    m.add("hold", [](std::string begun, std::string gate) { return edition::hold(number, begun, gate); }); \
    m.close([] { edition::leave_line("close " number); });                                                 \
  }
