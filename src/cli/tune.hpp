// SPDX-License-Identifier: MIT
//
// What `muster tune` measures and what it makes of it. tune_load.cpp measures; the rest is pure:
// tune_advice.cpp recommends a size, tune_report.cpp writes tables and JSON, tune_picture.cpp draws.
// docs/internals/tuning.md says how the figures are taken.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace muster::cli {

/// How many workers, and how many calls each has at once.
struct tune_size {
  int workers = 1;
  int at_once = 1;

  [[nodiscard]] int places() const noexcept { return workers * at_once; }
  friend auto operator<=>(const tune_size&, const tune_size&) = default;
};

/// What one measurement of one size gave.
struct tune_sample {
  double per_second = 0;  // calls that succeeded
  double p50 = 0;         // seconds from the moment a worker began a call until its result was there
  double p99 = 0;
  std::size_t memory = 0;  // bytes of all workers and what they started, the most that was seen
  double cpus = 0;         // CPUs that these kept busy
  double owner_cpus = 0;   // CPUs that the command itself kept busy, which hands out the calls
  double other_cpus = 0;   // CPUs that everybody else on the machine kept busy
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;  // of these
};

struct tune_point {
  tune_size size;
  std::vector<tune_sample> rounds{};
};

/// A point as one: medians of its rounds, sums of its calls.
struct tune_figure {
  tune_size size;
  int rounds = 0;
  double per_second = 0;
  double least = 0, most = 0;  // of the rounds, calls per second
  double p50 = 0, p99 = 0;
  std::size_t memory = 0;
  double cpus = 0, owner_cpus = 0, other_cpus = 0;
  std::uint64_t calls = 0, failed = 0;

  /// How far the rounds are apart, as a part of the median.
  [[nodiscard]] double spread() const noexcept { return per_second > 0 ? (most - least) / per_second : 0; }
};

struct tune_machine {
  double cpus = 1;         // that may be used
  std::size_t memory = 0;  // bytes; 0: not known
};

/// What the calls spend their time with.
enum class tune_bound : std::uint8_t {
  computing,
  waiting,
  both,
  handing_out,  // next to nothing: the command is busier with giving them to workers
  unclear,      // others kept the CPUs busy, so that calls that compute wait as well
};
const char* name(tune_bound bound) noexcept;

struct tune_advice {
  std::size_t at = 0;  // the recommended one of the figures
  tune_bound bound{};
  bool noisy = false;
  std::string reason{};              // one sentence
  std::vector<std::string> notes{};  // what speaks for another size, or against the measurements
};

// ---- tune_advice.cpp

/// min, twice that, and so on, and at last max; each with every number of calls at once.
std::vector<tune_size> sizes_of(int min, int max, const std::vector<int>& at_once);
/// The order in which round number `round` (from 0) measures so many sizes: every other one backwards, so
/// that what changes in the course of time favours none.
std::vector<std::size_t> order_of(std::size_t sizes, int round);
/// Points without a round are left out.
std::vector<tune_figure> figures_of(std::span<const tune_point> points);
/// The smallest size whose throughput is within 5 % of the best, and what is to be said about it. None:
/// nothing succeeded.
std::optional<tune_advice> recommend(std::span<const tune_figure> figures, const tune_machine& machine);

// ---- tune_report.cpp

/// A line for each figure, the recommended one marked.
std::string tune_table(std::span<const tune_figure> figures, const std::optional<tune_advice>& advice);
/// The same as JSON lines, the recommendation last.
std::string tune_lines(std::span<const tune_figure> figures, const std::optional<tune_advice>& advice,
                       bool interrupted);
/// "12.3 ms", "1.2 s"
std::string short_time(double seconds);
/// "815", "12,300", "0.42": three digits that count.
std::string short_number(double value);
/// "1.2 MiB"
std::string short_size(std::size_t bytes);
/// "4 workers", "1 worker with 8 calls at once"
std::string size_text(const tune_size& size);

// ---- tune_picture.cpp

/// An SVG: throughput, latency and memory over the number of workers.
std::string tune_picture(const std::string& title, std::span<const tune_figure> figures,
                         const std::optional<tune_advice>& advice);

}  // namespace muster::cli
