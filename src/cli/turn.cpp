// SPDX-License-Identifier: MIT
// How a run waits for everything at once, takes input as there is room, and stops.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <fmt/format.h>

#include "cli/runner.hpp"

namespace muster::cli {
namespace {

constexpr std::size_t most_unwritten = std::size_t{1} << 20;
// Calls taken between two looks at everything else.
constexpr int input_burst = 256;

/// Milliseconds for poll, rounded up; -1: no end.
int milliseconds_until(std::optional<std::chrono::steady_clock::time_point> when) {
  if (!when) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*when - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<long long>(left.count(), 0, 60'000));
}

}  // namespace

void runner::turn_until(const std::function<bool()>& done) {
  queue_.run();
  for (;;) {
    take_input();
    if (done()) return;
    turn();
  }
}

bool runner::has_room() const {
  return input_ && !log_lost_ && !input_->ended() && open_calls_ + order_.held() < most_calls &&
         open_bytes_ + order_.held_bytes() < most_bytes && results_.pending() < most_unwritten &&
         (!events_ || events_->broken() || events_->pending() < most_unwritten);
}

void runner::take_input() {
  more_input_ = false;
  for (int taken = 0; has_room(); ++taken) {
    if (taken == input_burst) {
      more_input_ = true;
      return;
    }
    auto request = input_->next();
    if (!request) return;
    submit(*std::move(request));
  }
}

void runner::turn() {
  const auto input_from = has_room() ? input_->awaited() : std::nullopt;
  const auto output = [](const std::optional<line_file>& file) {
    if (!file || file->broken() || (file->pending() == 0 && file->regular())) return pollfd{-1, 0, 0};
    return pollfd{file->descriptor(), static_cast<short>(file->pending() > 0 ? POLLOUT : 0), 0};
  };
  std::array<pollfd, 5> watched = {
      pollfd{queue_.descriptor(), POLLIN, 0},
      pollfd{signals_.descriptor(), POLLIN, 0},
      pollfd{input_from.value_or(-1), POLLIN, 0},
      results_.broken() ? pollfd{-1, 0, 0} : pollfd{results_.descriptor(), 0, 0},
      output(events_),
  };
  if (results_.pending() > 0)
    watched[3].events = POLLOUT;
  else if (results_.regular())
    watched[3].fd = -1;
  const int found =
      ::poll(watched.data(), watched.size(), more_input_ ? 0 : milliseconds_until(progress_.due()));
  if (found > 0) {
    if (watched[1].revents != 0) on_signal();
    if (watched[2].revents != 0) input_->read_some();
    if (flush_log()) serve(results_, watched[3]);
    if (events_) serve(*events_, watched[4]);
  }
  queue_.run();
  if (results_.broken() && !output_lost_) lose_output();
  show_progress();
}

// What is reported stands in the log: so nothing is run again that somebody has seen done.
bool runner::flush_log() {
  if (!log_) return true;
  log_->flush();
  if (log_->problem().empty()) return true;
  if (!log_lost_) {
    log_lost_ = true;
    input_->close();
    progress_.say(log_->problem() + "; stopped. What it has is done: --resume goes on from there");
    stop_in_background(true);
  }
  return false;
}

void runner::serve(line_file& file, const pollfd& seen) {
  if (seen.fd < 0 || seen.revents == 0) return;
  if (file.pending() > 0) return file.write_some();
  if ((seen.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) file.reader_left();
}

void runner::show_progress() {
  const auto due = progress_.due();
  if (!due || clock::now() < *due) return;
  progress::state now{.done = summary_.done() + summary_.known(), .failed = summary_.failures()};
  if (input_) now.total = input_->total();
  for (const auto& worker : calls_->pool().stats().workers) {
    now.busy += worker.state == worker_state::busy ? 1 : 0;
    now.workers += worker.state == worker_state::dead ? 0 : 1;
  }
  progress_.show(now);
}

// ------------------------------------------------------------------------------------------------------- the
// end

// By --halt: as after a signal, or two.
void runner::halt_if_due() {
  if (halted_ || !asked_.halt || !asked_.halt->is_reached(summary_.done(), summary_.failures())) return;
  halted_ = true;
  if (input_->ended() && open_calls_ == 0) return;
  input_->close();
  calls_->pool().cancel_queued();
  if (!asked_.quiet)
    progress_.say(fmt::format("{}; {}", asked_.halt->reason(),
                              asked_.halt->at_once ? "stopped" : "stopping when what runs is done"));
  if (asked_.halt->at_once) stop_in_background(true);
}

void runner::on_signal() {
  const int before = signals_.count();
  signals_.read();
  if (signals_.count() == before) return;
  if (input_) input_->close();
  if (before == 0) {
    calls_->pool().cancel_queued();
    if (!asked_.quiet)
      progress_.say(
          fmt::format("stopping; what runs may take {} more. Once more stops it at once.",
                      time_text(std::chrono::duration<double>(asked_.pool.close.patience).count())));
    stop_in_background(false);
  }
  if (before < 2 && signals_.count() >= 2) stop_in_background(true);
}

// Without its results there is no reason to go on.
void runner::lose_output() {
  output_lost_ = true;
  if (input_) input_->close();
  if (!results_.problem().empty())
    progress_.say(results_.problem() + "; stopped");
  else if (!asked_.quiet)
    progress_.say("nobody reads the results any more; stopped");
  stop_in_background(true);
}

void runner::stop_in_background(bool at_once) {
  helpers_.emplace_back([this, at_once] {
    if (at_once)
      calls_->pool().terminate();
    else
      calls_->pool().stop(asked_.pool.close.patience);
  });
}

int runner::finish() {
  helpers_.clear();
  calls_->pool().stop(asked_.pool.close.patience);
  turn_until([this] {  // the last results and events
    if (!flush_log()) return true;
    const bool written = (results_.broken() || results_.pending() == 0) &&
                         (!events_ || events_->broken() || events_->pending() == 0);
    return written || signals_.count() >= 2;
  });
  progress_.clear();
  const bool interrupted = signals_.count() > 0;
  const auto stats = calls_->pool().stats();
  summary::end end{.seconds = std::chrono::duration<double>(clock::now() - began_).count(),
                   .interrupted = interrupted,
                   .halted = halted_ ? asked_.halt->reason() : std::string(),
                   .unread = input_->unread(),
                   .retried = stats.retried,
                   .workers_died = stats.workers_died};
  if (!input_->problem().empty()) progress_.say(input_->problem());
  if (events_ && events_->broken()) progress_.say("not all events could be written: " + events_->problem());
  if (!asked_.quiet && !asked_.json_summary && !asked_.dry_run) fmt::print(stderr, "{}", summary_.text(end));
  if (asked_.json_summary) fmt::print(stderr, "{}\n", summary_.json_line(end));
  if (interrupted) return exit_code::interrupted;
  if (halted_ && asked_.halt->what == halt_rule::counted::success && !results_.broken())
    return exit_code::done;
  const bool whole =
      !log_lost_ && input_->problem().empty() && !results_.broken() && (!events_ || !events_->broken());
  return whole && summary_.failures() + summary_.known_failures() == 0 ? exit_code::done
                                                                       : exit_code::some_failed;
}

}  // namespace muster::cli
