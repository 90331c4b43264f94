// SPDX-License-Identifier: MIT
#include "base/process_info.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string_view>

#include "base/pidfd.hpp"
#include "base/read_file.hpp"

namespace muster::base {

using namespace std::chrono_literals;

namespace {

struct close_directory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// The entries of a directory whose names are numbers; nullopt when it cannot be read.
std::optional<std::vector<pid_t>> numbered_entries(const std::string& path) {
  const std::unique_ptr<DIR, close_directory> directory(::opendir(path.c_str()));
  if (!directory) return std::nullopt;
  std::vector<pid_t> result;
  while (const dirent* entry = ::readdir(directory.get())) {
    const std::string_view name = entry->d_name;
    pid_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    if (error == std::errc() && end == name.data() + name.size()) result.push_back(number);
  }
  return result;
}

void append_numbers(std::string_view text, std::vector<pid_t>& result) {
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  while (at != end) {
    pid_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error == std::errc()) result.push_back(number);
    at = error == std::errc() ? next : at + 1;
  }
}

// The number after this name in a text of lines "Name:  123 kB".
std::optional<std::size_t> bytes_after(std::string_view name, std::string_view text) {
  std::size_t at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  at = std::min(text.find_first_of("0123456789", at), text.size());
  std::size_t kibibytes = 0;
  std::from_chars(text.data() + at, text.data() + text.size(), kibibytes);
  return kibibytes * 1'024;
}

std::vector<pid_t> children_by_parent(pid_t pid) {
  std::vector<pid_t> result;
  for (const pid_t candidate : numbered_entries("/proc").value_or(std::vector<pid_t>())) {
    const auto status = status_of(candidate);
    if (status && status->parent == pid) result.push_back(candidate);
  }
  return result;
}

// As the kernel lists them, which may miss some.
std::vector<pid_t> listed_children(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  std::vector<pid_t> result;
  for (const pid_t task : numbered_entries(tasks).value_or(std::vector<pid_t>())) {
    const auto text = read_whole(tasks + "/" + std::to_string(task) + "/children");
    if (text) append_numbers(*text, result);
  }
  return result;
}

// What stands in /proc/<pid>/stat.
struct stat_line {
  std::string name;
  char state = '?';
  std::vector<unsigned long long> fields;  // from field 4 (the parent) on; 0 for what is no such number

  [[nodiscard]] unsigned long long field(std::size_t number) const { return fields[number - 4]; }
};
constexpr std::size_t start_field = 22;  // the last that we read

// Processor time: in user mode, in the kernel, and the same of children that were waited for.
std::uint64_t ticks_of(const stat_line& line) {
  return line.field(14) + line.field(15) + line.field(16) + line.field(17);
}

std::optional<stat_line> stat_of(pid_t pid) {
  const auto text = read_whole("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return std::nullopt;
  // pid (name) state ppid pgrp session …; the name may hold anything, so the last ')' ends it.
  const std::size_t open = text->find('(');
  const std::size_t close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos || close + 2 >= text->size())
    return std::nullopt;
  stat_line result{
      .name = text->substr(open + 1, close - open - 1), .state = (*text)[close + 2], .fields = {}};
  std::string_view rest = std::string_view(*text).substr(close + 3);
  while (result.fields.size() <= start_field - 4) {
    const std::size_t begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(begin);
    std::from_chars(rest.data(), rest.data() + rest.size(), result.fields.emplace_back());
    rest.remove_prefix(std::min(rest.find(' '), rest.size()));
  }
  return result;
}

}  // namespace

std::expected<std::size_t, os_error> thread_count() {
  const auto tasks = numbered_entries("/proc/self/task");
  if (!tasks) return std::unexpected(last_os_error("opendir(/proc/self/task)"));
  return tasks->size();
}

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> result = listed_children(pid);
  // The list may miss children while others are dying (proc(5)), so "none" is not believed without a second
  // look.
  return result.empty() ? children_by_parent(pid) : result;
}

std::optional<process_status> status_of(pid_t pid) {
  const auto line = stat_of(pid);
  if (!line) return std::nullopt;
  return process_status{.parent = static_cast<pid_t>(line->field(4)),
                        .group = static_cast<pid_t>(line->field(5)),
                        .session = static_cast<pid_t>(line->field(6)),
                        .state = line->state,
                        .ticks = ticks_of(*line),
                        .start = line->field(start_field),
                        .name = line->name};
}

std::optional<std::chrono::nanoseconds> processor_time(pid_t pid) {
  const auto line = stat_of(pid);
  if (!line) return std::nullopt;
  const std::chrono::nanoseconds tick = std::chrono::nanoseconds(1s) / ::sysconf(_SC_CLK_TCK);
  std::chrono::nanoseconds used = tick * static_cast<std::int64_t>(ticks_of(*line));
  for (const pid_t child : listed_children(pid))
    used += processor_time(child).value_or(std::chrono::nanoseconds(0));
  return used;
}

std::size_t peak_memory(pid_t pid) {
  const auto text = read_whole("/proc/" + std::to_string(pid) + "/status").value_or("");
  return bytes_after("VmHWM:", text).value_or(0);
}

std::optional<std::size_t> private_memory(pid_t pid, std::size_t enough) {
  const std::string directory = "/proc/" + std::to_string(pid);
  const auto pages = read_whole(directory + "/statm");  // size, resident, of that shared with files, …
  if (!pages) return std::nullopt;
  std::size_t size = 0, resident = 0, shared = 0;
  if (std::sscanf(pages->c_str(), "%zu %zu %zu", &size, &resident, &shared) != 3) return std::nullopt;
  const std::size_t unshared =
      (resident - std::min(shared, resident)) * static_cast<std::size_t>(::getpagesize());
  if (unshared <= enough) return unshared;
  const auto summary = read_whole(directory + "/smaps_rollup");
  return summary ? bytes_after("Private_Dirty:", *summary).value_or(unshared) : unshared;
}

std::size_t kill_session(pid_t session) {
  std::size_t killed = 0;
  for (const pid_t candidate : numbered_entries("/proc").value_or(std::vector<pid_t>())) {
    const auto first = status_of(candidate);
    if (!first || first->session != session) continue;
    const auto process = open_pidfd(candidate);
    if (!process) continue;
    const auto second = status_of(candidate);
    if (second && second->session == session && second->start == first->start &&
        send_signal(process->get(), SIGKILL))
      ++killed;
  }
  return killed;
}

}  // namespace muster::base
