// SPDX-License-Identifier: MIT
// `muster tune`, from the inputs to the recommendation. All of it happens on the main thread, which sleeps in
// poll until a call has settled, a measurement is over or a signal asks to stop.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <expected>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <muster/error.hpp>
#include <muster/sizes.hpp>

#include "cli/input.hpp"
#include "cli/progress.hpp"
#include "cli/refuse.hpp"
#include "cli/run.hpp"
#include "cli/stop_signals.hpp"
#include "cli/tune.hpp"
#include "cli/tune_load.hpp"
#include "cli/tune_usage.hpp"

namespace muster::cli {
namespace {

using clock = std::chrono::steady_clock;
using seconds = std::chrono::duration<double>;

constexpr std::size_t most_inputs = 10'000;
constexpr std::size_t most_input_bytes = std::size_t{64} << 20;
constexpr double warm_part = 0.25;  // of a measurement: so long it runs before it counts
constexpr int memory_looks = 4;     // in a measurement

clock::time_point after(double time) {
  return clock::now() + std::chrono::duration_cast<clock::duration>(seconds(time));
}

double own_cpu_seconds() {
  rusage used = {};
  ::getrusage(RUSAGE_SELF, &used);
  const auto in_seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return in_seconds(used.ru_utime) + in_seconds(used.ru_stime);
}

class tuner {
public:
  tuner(const tune_command& asked, std::ofstream picture) : asked_(asked), picture_(std::move(picture)) {}

  int execute() {
    if (const auto code = find_function()) return *code;
    if (const auto code = read_inputs()) return *code;
    for (const tune_size& each : sizes_of(asked_.min, asked_.max, asked_.at_once)) points_.push_back({each});
    say_plan();
    const auto code = measure_all();
    return code ? *code : report();
  }

private:
  [[nodiscard]] bool is_told_to_stop() const { return signals_.count() > 0; }
  void say(const std::string& text) const { fmt::print(stderr, "muster: {}\n", text); }

  /// Runs callbacks and keeps the load going until then, or until the time has come.
  void turn_until(const std::function<bool()>& done, std::optional<clock::time_point> until = {}) {
    for (;;) {
      queue_.run();
      if (load_ != nullptr) load_->fill();
      const auto now = clock::now();
      if (done() || (until && now >= *until)) return;
      std::array<pollfd, 2> watched = {pollfd{queue_.descriptor(), POLLIN, 0},
                                       pollfd{signals_.descriptor(), POLLIN, 0}};
      const auto left = until ? std::chrono::ceil<std::chrono::milliseconds>(*until - now).count() : -1;
      ::poll(watched.data(), watched.size(), static_cast<int>(std::clamp<long long>(left, -1, 60'000)));
      if (watched[1].revents != 0) signals_.read();
    }
  }

  /// Ends a pool and its calls; a second signal at once.
  void end(tune_pool& pool) {
    if (load_ != nullptr) load_->close();
    const bool was_told = is_told_to_stop();
    if (was_told && !asked_.quiet)
      say(fmt::format("stopping; what runs may take {} more. Once more stops it at once.",
                      time_text(seconds(asked_.calls.pool.close.patience).count())));
    pool.stop(false);
    bool hurried = false;
    turn_until([&] {
      if (signals_.count() >= 2 && !std::exchange(hurried, true)) pool.stop(true);
      return pool.is_stopped() && (load_ == nullptr || load_->open() == 0);
    });
  }

  std::optional<int> find_function() {
    tune_pool pool(asked_.calls, {1, asked_.at_once.front()}, queue_);
    std::optional<std::expected<callee, std::string>> found;
    turn_until([&] { return pool.is_decided() || is_told_to_stop(); });
    if (!is_told_to_stop() && !pool.problem().empty()) {
      say("no worker could be started: " + pool.problem());
      return exit_code::no_workers;
    }
    if (!is_told_to_stop())
      pool.calls().find([&](std::expected<callee, std::string> got) { found = std::move(got); });
    turn_until([&] { return found || is_told_to_stop(); });
    end(pool);
    if (is_told_to_stop()) return exit_code::interrupted;
    if (!*found) {
      say(found->error());
      return exit_code::usage;
    }
    callee_ = **std::move(found);
    return std::nullopt;
  }

  std::optional<int> read_inputs() {
    input from(asked_.calls, callee_->shape, STDIN_FILENO);
    if (asked_.calls.reads_standard_input() && !asked_.quiet && ::isatty(STDIN_FILENO) == 1)
      say("inputs are read from the terminal; Ctrl-D ends them");
    std::size_t bytes = 0;
    while (!from.ended() && calls_.size() < most_inputs && bytes < most_input_bytes) {
      auto request = from.next();
      if (!request) {
        if (!wait_for_input(from)) return exit_code::interrupted;
        continue;
      }
      if (!request->data) {
        say(request->data.error());
        return exit_code::usage;
      }
      bytes += request->data->size();
      calls_.push_back(*std::move(request->data));
    }
    if (!from.ended() && !asked_.quiet) say(fmt::format("the first {} inputs are taken", calls_.size()));
    if (const std::string problem = from.problem(); !problem.empty()) say(problem);
    if (!calls_.empty()) return std::nullopt;
    say("there are no inputs, and so nothing to measure");
    return exit_code::usage;
  }

  /// False: a signal came.
  bool wait_for_input(input& from) {
    const auto awaited = from.awaited();
    if (!awaited) return true;
    std::array<pollfd, 2> watched = {pollfd{*awaited, POLLIN, 0}, pollfd{signals_.descriptor(), POLLIN, 0}};
    ::poll(watched.data(), watched.size(), -1);
    if (watched[1].revents != 0) signals_.read();
    if (watched[0].revents != 0) from.read_some();
    return !is_told_to_stop();
  }

  void say_plan() const {
    if (asked_.quiet) return;
    const double time =
        static_cast<double>(points_.size()) * asked_.rounds * asked_.seconds * (1 + warm_part);
    say(fmt::format(
        "{} sizes from {} to {}, in {} rounds of {} s each: about {}, and what starts and stops take",
        points_.size(), size_text(points_.front().size), size_text(points_.back().size), asked_.rounds,
        asked_.seconds, time_text(time)));
    say(fmt::format("each of {} inputs is called again and again", calls_.size()));
  }

  /// The exit code where there is nothing to report.
  std::optional<int> measure_all() {
    for (int round = 0; round < asked_.rounds; ++round)
      for (const std::size_t at : order_of(points_.size(), round)) {
        if (points_[at].size.workers > most_workers_) continue;
        const auto code = measure(points_[at], round);
        if (is_told_to_stop()) return std::nullopt;
        if (code) return code;
      }
    return std::nullopt;
  }

  std::optional<int> measure(tune_point& point, int round) {
    tune_pool pool(asked_.calls, point.size, queue_);
    turn_until([&] { return pool.is_decided() || is_told_to_stop(); });
    if (!pool.problem().empty() && !is_told_to_stop()) return give_up(point, pool);
    tune_load load(asked_.calls, *callee_, calls_, pool, point.size);
    if (!is_told_to_stop()) load_ = &load;
    const auto got = is_told_to_stop() ? std::nullopt : sample(pool, load, point.size);
    end(pool);
    load_ = nullptr;
    if (!got) return std::nullopt;
    if (got->calls == got->failed) return say_why_nothing(load, *got);
    point.rounds.push_back(*got);
    if (!asked_.quiet)
      say(fmt::format("round {} of {}, {}: {} calls/s", round + 1, asked_.rounds, size_text(point.size),
                      short_number(got->per_second)));
    return std::nullopt;
  }

  /// None: a signal came before the end.
  std::optional<tune_sample> sample(tune_pool& pool, tune_load& load, const tune_size& size) {
    const auto stops = [&] { return is_told_to_stop() || !load.problem().empty(); };
    turn_until([&] { return pool.ready() >= size.workers || stops(); },
               clock::now() + asked_.calls.pool.ready_timeout);
    const auto warm_until = after(asked_.seconds * warm_part);
    const auto places = static_cast<std::uint64_t>(size.places());
    turn_until([&] { return (clock::now() >= warm_until && load.settled() >= places) || stops(); },
               after(asked_.seconds));
    const auto cpu_before = cpu_seconds(pool.pids());
    const auto own_before = own_cpu_seconds();
    const auto all_before = machine_cpu_seconds();
    const auto begin = clock::now();
    load.begin_counting(begin);
    std::size_t memory = 0;
    for (int look = 1; look <= memory_looks; ++look) {
      turn_until(stops, begin + std::chrono::duration_cast<clock::duration>(
                                    seconds(asked_.seconds * look / memory_looks)));
      if (is_told_to_stop()) return std::nullopt;
      if (look < memory_looks) memory = std::max(memory, memory_bytes(pool.pids()));
    }
    tune_sample made = load.end_counting();
    const double time = seconds(clock::now() - begin).count();
    made.cpus = std::max(0.0, cpu_seconds(pool.pids()) - cpu_before) / time;
    made.owner_cpus = (own_cpu_seconds() - own_before) / time;
    made.other_cpus =
        std::max(0.0, (machine_cpu_seconds() - all_before) / time - made.cpus - made.owner_cpus);
    made.memory = memory;
    return made;
  }

  /// So many workers cannot be had: the sweep goes on below.
  std::optional<int> give_up(const tune_point& point, tune_pool& pool) {
    say(fmt::format("{} could not be started: {}", size_text(point.size), pool.problem()));
    most_workers_ = point.size.workers - 1;
    return most_workers_ < asked_.min ? std::optional(exit_code::no_workers) : std::nullopt;
  }

  std::optional<int> say_why_nothing(const tune_load& load, const tune_sample& got) const {
    if (!load.problem().empty())
      say("no call can be made: " + load.problem());
    else if (got.failed > 0)
      say("no call succeeds: " + load.first_failure());
    else
      say(fmt::format("no call was done within {} s; measure longer, with --seconds", asked_.seconds));
    return exit_code::some_failed;
  }

  int report() {
    const auto figures = figures_of(points_);
    const tune_machine machine{.cpus = static_cast<double>(sizes::cores()), .memory = machine_memory()};
    const auto advice = recommend(figures, machine);
    bool written = true;
    if (asked_.json)
      fmt::print("{}", tune_lines(figures, advice, is_told_to_stop()));
    else if (!figures.empty())
      fmt::print("{}", tune_table(figures, advice));
    if (picture_.is_open()) {
      picture_ << tune_picture("muster tune " + asked_.calls.title(), figures, advice);
      picture_.close();
      written = !picture_.fail();
      if (!written) say(fmt::format("'{}' could not be written", asked_.svg_path));
    }
    written = std::fflush(stdout) == 0 && written;
    if (is_told_to_stop()) return exit_code::interrupted;
    return written && advice ? exit_code::done : exit_code::some_failed;
  }

  const tune_command& asked_;
  std::ofstream picture_;
  stop_signals signals_;
  main_queue queue_;
  std::optional<callee> callee_;
  std::vector<call_data> calls_;
  std::vector<tune_point> points_;
  tune_load* load_ = nullptr;  // that turn_until keeps going
  int most_workers_ = std::numeric_limits<int>::max();
};

}  // namespace

int tune(const tune_command& asked) {
  if (asked.calls.reads_standard_input() && (::fcntl(STDIN_FILENO, F_GETFL) & O_ACCMODE) == O_WRONLY)
    return refuse("inputs come from standard input, which is closed", exit_code::usage);
  std::ofstream picture;
  if (!asked.svg_path.empty()) {
    picture.open(asked.svg_path);
    if (!picture) return refuse(fmt::format("'{}' cannot be written", asked.svg_path), exit_code::usage);
  }
  return run_or_refuse([&] { return tuner(asked, std::move(picture)).execute(); });
}

}  // namespace muster::cli
