// SPDX-License-Identifier: MIT
// `muster options`: every option of the library, as it describes itself.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <muster/option_text.hpp>

#include "cli/run.hpp"

namespace muster::cli {
namespace {

using description = option_description;
using owner = description::owner;

constexpr const char* head = R"(# Options

Every option of a pool, of a task, and of `process_pool::recycle`. This page is printed by `muster options --markdown` from the
description that the library itself uses to check options and to read them from text, with the defaults of new structs; a test compares
it. The headers in `include/muster` say more about each.

A value is written like this where it is text (`muster run --set queue.capacity=1000`, `muster::set_options`): a *time* as `300ms`, `5s`,
`2m`, `1h`, a plain number means seconds; a *size* as `512MiB` (powers of 1024) or `500MB` (powers of 1000), a plain number means bytes; a
*flag* is `true` or `false`; a *name* as it is in C++; a *list* has commas between its elements; `none` is `std::nullopt`. A *group* is
not there by default: setting one of its options adds it, `none` takes it away. What is a function, a list of structs or an element of
one can only be set in C++.
)";

std::string_view pools_of(const description& each) {
  if (each.of != owner::pool) return {};
  if (each.threads && each.processes) return "both";
  return each.threads ? "threads" : "processes";
}

// The options that begin with the same name have a table of their own; those that stand alone share one.
std::string section_of(const description& each) {
  if (each.of == owner::task && !each.path.starts_with("retry")) return "A task";
  if (each.of == owner::recycle) return "Recycling";
  const std::string first = each.path.substr(0, each.path.find_first_of(".["));
  if (each.of == owner::task) return "A task: " + first;
  return first != each.path || each.kind == "group" || each.kind == "list of structs" ? first
                                                                                      : "The pool itself";
}

std::string in_code(const std::string& text) { return text.empty() ? text : "`" + text + "`"; }

void print_markdown(const std::vector<description>& all) {
  fmt::print("{}", head);
  std::vector<std::string> sections;
  for (const auto& each : all)
    if (const auto title = section_of(each); std::ranges::find(sections, title) == sections.end())
      sections.push_back(title);
  for (const auto& title : sections) {
    fmt::print(
        "\n## {}\n\n| option | kind | default | range | pools | what it does |\n|---|---|---|---|---|---|\n",
        title);
    for (const auto& each : all)
      if (section_of(each) == title)
        fmt::print("| `{}` | {} | {} | {} | {} | {} |\n", each.path, each.kind, in_code(each.initial),
                   each.range, pools_of(each), each.about);
  }
}

void print_json(const std::vector<description>& all) {
  nlohmann::json list = nlohmann::json::array();
  static constexpr const char* owners[] = {"pool", "task", "recycle"};
  for (const auto& each : all)
    list.push_back({{"of", owners[static_cast<std::size_t>(each.of)]},
                    {"option", each.path},
                    {"kind", each.kind},
                    {"default", each.initial},
                    {"range", each.range},
                    {"about", each.about},
                    {"by_text", each.by_text},
                    {"threads", each.threads},
                    {"processes", each.processes}});
  fmt::print("{}\n", list.dump());
}

void print_table(const std::vector<description>& all) {
  for (const auto& each : all) {
    std::string line = fmt::format("{:<30} {}", each.path, each.kind);
    if (!each.range.empty()) line += fmt::format(" ({})", each.range);
    if (!each.initial.empty()) line += fmt::format(", default {}", each.initial);
    if (each.of == owner::task) line += ", of a task";
    if (each.of == owner::recycle) line += ", of recycle";
    if (each.of == owner::pool && !(each.threads && each.processes))
      line += fmt::format(", {} only", pools_of(each));
    fmt::print("{}\n    {}\n", line, each.about);
  }
}

}  // namespace

int options(const options_command& asked) {
  auto wanted = describe_options();
  std::erase_if(wanted,
                [&](const description& each) { return each.path.find(asked.part) == std::string::npos; });
  if (wanted.empty()) {
    fmt::print(stderr, "muster: no option has '{}' in its name; `muster options` shows them all\n",
               asked.part);
    return exit_code::usage;
  }
  if (asked.markdown)
    print_markdown(wanted);
  else if (asked.json)
    print_json(wanted);
  else
    print_table(wanted);
  return std::fflush(stdout) == 0 ? exit_code::done : exit_code::some_failed;
}

}  // namespace muster::cli
