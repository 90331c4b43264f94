// SPDX-License-Identifier: MIT
#pragma once

// What happens in a simulated world: counted, so that one sees what the worlds together have met, and, where
// somebody wants to read it, written down with its virtual time.

#include <chrono>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/clock.hpp"

namespace muster::sim {

using base::time_point;

// How often each thing was met: a fault or an event, ", ", and the state of the pool it met; or an event
// alone.
using coverage = std::map<std::string, std::size_t, std::less<>>;

class diary {
public:
  explicit diary(time_point begin) : begin_(begin) {}

  void open() { open_ = true; }
  // `text` is only asked for where it is written.
  template <class Text>
  void write(time_point at, Text text) {
    if (open_) lines_.push_back(stamp(at) + text());
  }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

private:
  [[nodiscard]] std::string stamp(time_point at) const {
    const auto us = (at - begin_) / std::chrono::microseconds(1);
    char text[40];
    std::snprintf(text, sizeof text, "%9.3f ms  ", static_cast<double>(us) / 1000);
    return text;
  }

  time_point begin_;
  bool open_ = false;
  std::vector<std::string> lines_;
};

}  // namespace muster::sim
