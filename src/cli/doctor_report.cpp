// SPDX-License-Identifier: MIT
#include <algorithm>

#include <fmt/format.h>

#include <muster/version.hpp>

#include "cli/doctor.hpp"

namespace muster::cli {
namespace {

std::string shown(const nlohmann::json& value) {
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_null()) return "none";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

bool diagnosis::all_kept() const { return std::ranges::all_of(promises, &promise::kept); }

promise judge_memory_limit(const std::string& means, bool was_met) {
  promise result{.name = "limits a worker's memory", .how = means};
  if (means.starts_with("no memory limit")) return result;
  if (!was_met) {
    result.how = "a task that took more than it may was not stopped; by " + means;
    return result;
  }
  result.kept = true;
  const char* const effect = means.starts_with("cgroup") ? "the kernel ends the worker at the limit: "
                                                         : "allocations fail at the limit: ";
  result.how = effect + means;
  return result;
}

promise judge_explanation(const death& how) {
  promise result{.name = "says where a worker crashed"};
  const stack_frame* const place = how.place();
  if (how.backtrace.empty())
    result.how =
        how.backtrace_missing.empty() ? "a worker that crashed left no words" : how.backtrace_missing;
  else if (place == nullptr)
    result.how = "the backtrace of a crash has no frame of this program";
  else if (place->function.empty())
    result.how = "by addresses, for addr2line: this program has no symbols";
  else if (place->source.empty())
    result.how = "by functions; lines need libdw, and debug information in the program";
  else
    result.how = "by functions and lines";
  result.kept = place != nullptr;
  return result;
}

promise judge_memory_watch(bool can_read_pages) {
  return {.name = "sees how much memory is a worker's own",
          .kept = can_read_pages,
          .how = can_read_pages ? "by /proc/PID/smaps_rollup"
                                : "/proc/PID/smaps_rollup cannot be read, so memory that is shared with the "
                                  "owner counts as the worker's"};
}

std::string as_text(const diagnosis& of) {
  std::string text = "What muster does here\n";
  for (const promise& each : of.promises)
    text += fmt::format("  {:<4}{}\n        {}\n", each.kept ? "yes" : "NO", each.name, each.how);
  text += "\nWhat this machine offers\n";
  for (const fact& each : of.facts) {
    text += fmt::format("  {:<22}{}", each.name, shown(each.value));
    text += each.note.empty() ? "\n" : fmt::format(" ({})\n", each.note);
  }
  return text;
}

nlohmann::json as_json(const diagnosis& of) {
  nlohmann::json facts = nlohmann::json::object();
  for (const fact& each : of.facts) {
    facts[each.name] = each.value;
    if (!each.note.empty()) facts[each.name + "_note"] = each.note;
  }
  nlohmann::json promises = nlohmann::json::array();
  for (const promise& each : of.promises)
    promises.push_back({{"name", each.name}, {"kept", each.kept}, {"how", each.how}});
  return {{"version", version()}, {"all_kept", of.all_kept()}, {"promises", promises}, {"facts", facts}};
}

}  // namespace muster::cli
