// SPDX-License-Identifier: MIT
#include "cli/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace muster::cli {
namespace {

using namespace std::chrono_literals;
constexpr auto between_bars = 100ms;
constexpr auto between_lines = 5s;
constexpr std::size_t bar_width = 24;

bool can_draw() {
  const char* const term = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

/// no-color.org: set, and not empty.
bool may_colour() {
  const char* const forbidden = std::getenv("NO_COLOR");
  return forbidden == nullptr || forbidden[0] == '\0';
}

std::size_t terminal_width() {
  winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string bar(std::uint64_t done, std::uint64_t total) {
  const std::size_t full =
      total == 0 ? bar_width : std::min<std::size_t>(bar_width, done * bar_width / total);
  return fmt::format("[{:=<{}}{:{}}] ", "", full, "", bar_width - full);
}

}  // namespace

std::string time_text(double seconds) {
  const auto whole = static_cast<long long>(seconds + 0.5);
  if (seconds < 10) return fmt::format("{:.1f} s", seconds);
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

progress::progress(bool shown)
    : shown_(shown),
      terminal_(shown && can_draw()),
      coloured_(terminal_ && may_colour()),
      due_(began_ + (terminal_ ? clock::duration(between_bars) : clock::duration(between_lines))) {}

std::optional<progress::clock::time_point> progress::due() const noexcept {
  return shown_ ? std::optional(due_) : std::nullopt;
}

std::string progress::speed_of(const state& now) const {
  const double seconds = std::chrono::duration<double>(clock::now() - began_).count();
  const double rate = seconds > 0 ? static_cast<double>(now.done) / seconds : 0;
  std::string text = fmt::format(", {:.{}f}/s", rate, rate < 10 ? 1 : 0);
  if (now.total && now.done > 0 && now.done < *now.total)
    text += fmt::format(", {} left", time_text(static_cast<double>(*now.total - now.done) / rate));
  return text + fmt::format(", {} of {} workers busy", now.busy, now.workers);
}

void progress::show(const state& now) {
  const auto time = clock::now();
  if (!shown_ || time < due_) return;
  due_ = time + (terminal_ ? clock::duration(between_bars) : clock::duration(between_lines));
  std::string count =
      now.total ? fmt::format("{}/{}", now.done, *now.total) : fmt::format("{} done", now.done);
  std::string failures = now.failed > 0 ? fmt::format(", {} failed", now.failed) : std::string();
  std::string speed = speed_of(now);
  if (!terminal_) {
    fmt::print(stderr, "muster: {}{}{}\n", count, failures, speed);
    return;
  }
  if (now.total) count.insert(0, bar(now.done, *now.total));
  std::size_t room = terminal_width() - 1;  // what is too long for one line could not be taken away again
  for (std::string* part : {&count, &failures, &speed}) {
    part->resize(std::min(part->size(), room));
    room -= part->size();
  }
  if (coloured_ && !failures.empty()) failures = "\x1b[31m" + failures + "\x1b[0m";
  fmt::print(stderr, "\r\x1b[K{}{}{}", count, failures, speed);
  std::fflush(stderr);
  drawn_ = true;
}

void progress::say(const std::string& message) {
  clear();
  fmt::print(stderr, "muster: {}\n", message);
}

void progress::show_output(const std::string& text) {
  clear();
  std::fwrite(text.data(), 1, text.size(), stderr);
}

void progress::clear() {
  if (!drawn_) return;
  fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
  drawn_ = false;
}

}  // namespace muster::cli
