// SPDX-License-Identifier: MIT
#pragma once

// What all fuzz targets are made of. A target is a function of some bytes, as a stranger may have written
// them: it returns where everything that is promised of them holds, and throws broken_promise where it does
// not. Each file here that registers one is a target; drive.cpp gives it what libFuzzer thinks of, and
// replay_test.cpp what lies in corpus/. Called by one thread.

#include <cstddef>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace muster::fuzz {

struct broken_promise {
  std::string what;
};

// The parts are the sentence that is said where it does not hold.
template <class... Parts>
void hold(bool holds, const Parts&... parts) {
  if (holds) return;
  std::ostringstream sentence;
  (sentence << ... << parts);
  throw broken_promise{sentence.str()};
}

struct target {
  std::string_view name;
  void (*run)(std::string_view input);
};

inline std::vector<target>& targets() {
  static std::vector<target> all;
  return all;
}

// For a constant beside the target, so that it is known before main begins.
inline bool registered(std::string_view name, void (*run)(std::string_view input)) {
  targets().push_back({name, run});
  return true;
}

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// The text before the first end of a line, which is taken off the front.
inline std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find('\n');
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  return line;
}

}  // namespace muster::fuzz
