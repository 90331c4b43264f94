// SPDX-License-Identifier: MIT
#include "cli/summary.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/progress.hpp"

namespace muster::cli {
namespace {

constexpr std::int64_t examples_of_a_kind = 3;
constexpr std::size_t longest_message = 160;

/// The first line, not longer than fits. A cut inside a character of UTF-8 is moved before it.
std::string short_line(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  if (line.size() <= longest_message) return line;
  std::size_t end = longest_message;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0U) == 0x80) --end;
  return line.substr(0, end) + "...";
}

double rate_of(std::uint64_t done, double seconds) {
  return seconds > 0 ? static_cast<double>(done) / seconds : 0;
}

}  // namespace

void summary::failed(std::uint64_t index, const std::string& name, const failure& why) {
  ++failed_;
  ++by_kind_[why.kind];
  if (std::ranges::count(examples_, why.kind, &example::kind) < examples_of_a_kind)
    examples_.push_back({index, name, why.kind, short_line(why.message)});
}

std::string summary::text(const end& how) const {
  const double rate = rate_of(done(), how.seconds);
  std::string text = fmt::format("muster: {} of {} succeeded in {} ({:.{}f}/s)\n", succeeded_, done(),
                                 time_text(how.seconds), rate, rate < 10 ? 1 : 0);
  if (known() > 0)
    text += fmt::format("  {} more were done before, by the job log{}\n", known(),
                        known_failed_ == 0 ? "" : fmt::format("; {} of them failed", known_failed_));
  for (const auto& [kind, count] : by_kind_) {
    text += fmt::format("  {} failed with {}:\n", count, kind);
    for (const example& each : examples_)
      if (each.kind == kind) text += fmt::format("    {}: {}\n", short_line(each.name), each.message);
    if (count > examples_of_a_kind) text += fmt::format("    and {} more\n", count - examples_of_a_kind);
  }
  if (how.retried > 0) text += fmt::format("  {} attempts were repeated\n", how.retried);
  if (how.workers_died > 0) text += fmt::format("  {} workers died and were replaced\n", how.workers_died);
  const std::uint64_t left = not_run_ + how.unread.value_or(0);
  if (how.interrupted || left > 0 || !how.unread)
    text += fmt::format("  {}: {} calls were not run{}\n",
                        how.interrupted ? "stopped" : (how.halted.empty() ? "ended early" : how.halted), left,
                        how.unread ? "" : ", and the rest of the input was not read");
  return text;
}

std::string summary::json_line(const end& how) const {
  nlohmann::ordered_json made{
      {"calls", done()},
      {"succeeded", succeeded_},
      {"failed", failed_},
      {"not_run", not_run_ + how.unread.value_or(0)},
      {"input_read", how.unread.has_value()},
      {"interrupted", how.interrupted},
      {"halted", how.halted.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(how.halted)},
      {"known", known()},
      {"known_failed", known_failed_},
      {"seconds", how.seconds},
      {"rate", rate_of(done(), how.seconds)},
      {"retried", how.retried},
      {"workers_died", how.workers_died},
      {"causes", by_kind_},
      {"examples", nlohmann::ordered_json::array()},
  };
  for (const example& each : examples_)
    made["examples"].push_back(
        {{"index", each.index}, {"id", each.name}, {"kind", each.kind}, {"message", each.message}});
  return to_line(made);
}

}  // namespace muster::cli
