// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/tune.hpp"

namespace muster::cli {
namespace {

using nlohmann::ordered_json;

bool have_several_at_once(std::span<const tune_figure> figures) {
  return std::ranges::any_of(figures,
                             [&](const auto& each) { return each.size.at_once != figures[0].size.at_once; });
}

std::string range_of(const tune_figure& of) {
  return of.rounds < 2 ? "" : fmt::format("{}..{}", short_number(of.least), short_number(of.most));
}

using cells = std::vector<std::string>;

cells head_of(bool several) {
  cells row = {"workers", "calls/s", "range", "p50", "p99", "memory", "CPUs", "failed"};
  if (several) row.insert(row.begin() + 1, "at once");
  return row;
}

cells row_of(const tune_figure& of, bool several) {
  cells row = {std::to_string(of.size.workers),
               short_number(of.per_second),
               range_of(of),
               short_time(of.p50),
               short_time(of.p99),
               short_size(of.memory),
               fmt::format("{:.2f}", of.cpus),
               std::to_string(of.failed)};
  if (several) row.insert(row.begin() + 1, std::to_string(of.size.at_once));
  return row;
}

ordered_json line_of(const tune_figure& of) {
  return {{"workers", of.size.workers},
          {"at_once", of.size.at_once},
          {"rounds", of.rounds},
          {"calls", of.calls},
          {"failed", of.failed},
          {"per_second", of.per_second},
          {"least", of.least},
          {"most", of.most},
          {"p50", of.p50},
          {"p99", of.p99},
          {"memory", of.memory},
          {"cpus", of.cpus},
          {"owner_cpus", of.owner_cpus},
          {"other_cpus", of.other_cpus}};
}

ordered_json line_of(const tune_advice& advice, const tune_size& size) {
  return {{"workers", size.workers}, {"at_once", size.at_once}, {"bound", name(advice.bound)},
          {"noisy", advice.noisy},   {"reason", advice.reason}, {"notes", advice.notes}};
}

}  // namespace

std::string short_number(double value) {
  if (value <= 0) return "0";
  const int digits = static_cast<int>(std::floor(std::log10(value)));
  if (digits < 2) return fmt::format("{:.{}f}", value, std::min(2 - digits, 4));
  const double unit = std::pow(10, digits - 2);
  std::string text = fmt::format("{:.0f}", std::round(value / unit) * unit);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string short_time(double seconds) {
  if (seconds < 1e-3) return fmt::format("{:.0f} us", seconds * 1e6);
  if (seconds < 1) return fmt::format("{:.{}f} ms", seconds * 1e3, seconds < 0.1 ? 1 : 0);
  return fmt::format("{:.{}f} s", seconds, seconds < 100 ? 1 : 0);
}

std::string short_size(std::size_t bytes) {
  static constexpr std::array units = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1'000 && unit + 1 < units.size(); ++unit) value /= 1'024;
  return fmt::format("{:.{}f} {}", value, unit > 0 && value < 10 ? 1 : 0, units[unit]);
}

std::string size_text(const tune_size& size) {
  std::string text = fmt::format("{} {}", size.workers, size.workers == 1 ? "worker" : "workers");
  if (size.at_once > 1) text += fmt::format(" with {} calls at once", size.at_once);
  return text;
}

std::string tune_table(std::span<const tune_figure> figures, const std::optional<tune_advice>& advice) {
  const bool several = !figures.empty() && have_several_at_once(figures);
  std::vector<cells> rows = {head_of(several)};
  for (const tune_figure& each : figures) rows.push_back(row_of(each, several));
  std::vector<std::size_t> widths(rows[0].size());
  for (const cells& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (std::size_t at = 0; at < rows.size(); ++at) {
    text += advice && at == advice->at + 1 ? "*" : " ";
    for (std::size_t i = 0; i < widths.size(); ++i)
      text += fmt::format("{}{:>{}}", i == 0 ? "" : "  ", rows[at][i], widths[i]);
    text += '\n';
  }
  if (!advice) return text;
  text += fmt::format("\n* {}.\n", advice->reason);
  for (const std::string& each : advice->notes) text += fmt::format("  {}\n", each);
  return text;
}

std::string tune_lines(std::span<const tune_figure> figures, const std::optional<tune_advice>& advice,
                       bool interrupted) {
  std::string text;
  for (const tune_figure& each : figures) text += line_of(each).dump() + '\n';
  const ordered_json said = advice ? line_of(*advice, figures[advice->at].size) : ordered_json();
  return text + ordered_json{{"recommendation", said}, {"interrupted", interrupted}}.dump() + '\n';
}

}  // namespace muster::cli
