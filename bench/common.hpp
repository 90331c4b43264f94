// SPDX-License-Identifier: MIT
//
// What every measuring program here shares: its arguments, its clock and how it reports. One program measures
// one side of one workload once and prints one number, so that bench/run.py can alternate the sides. Used by
// one thread.
#pragma once

#include <unistd.h>
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

using clock = std::chrono::steady_clock;

/// The exit status that says "this side has no such workload", which is no failure.
inline constexpr int not_supported = 3;

struct job {
  std::string_view workload;
  std::size_t count;  // at least 1; what is counted depends on the workload
};

/// Reads `<program> <workload> <count>`, and bounds the life of the program.
inline job read_job(int argc, char** argv) {
  const long count = argc == 3 ? std::atol(argv[2]) : 0;
  if (count < 1) {
    std::fprintf(stderr, "usage: %s <workload> <count>\n", argv[0]);
    std::exit(2);
  }
  alarm(30);  // the signal ends a program that hangs
  return {argv[1], static_cast<std::size_t>(count)};
}

inline int report(double value) {
  std::printf("%.9g\n", value);
  return 0;
}

/// For what must hold if the number is to mean anything.
inline void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bench: %s\n", what);
  std::exit(1);
}

inline double seconds_since(clock::time_point begin) {
  return std::chrono::duration<double>(clock::now() - begin).count();
}

/// The middle of the values, which may not be empty.
inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The median time of `action` in microseconds, after a tenth as many runs that do not count.
template <class Action>
double median_microseconds(std::size_t count, Action action) {
  std::vector<double> times(count);
  for (std::size_t i = 0; i < count / 10 + 1; ++i) action();
  for (double& time : times) {
    const auto begin = clock::now();
    action();
    time = seconds_since(begin) * 1e6;
  }
  return median(std::move(times));
}

/// Bytes of memory that a process has in use, shared memory included.
inline double resident_bytes(const std::string& process = "self") {
  std::ifstream file("/proc/" + process + "/statm");
  long size = 0, resident = 0;
  file >> size >> resident;
  require(resident > 0, "statm cannot be read");
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace bench
