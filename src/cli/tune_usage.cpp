// SPDX-License-Identifier: MIT
#include "cli/tune_usage.hpp"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace muster::cli {
namespace {

struct process_entry {
  int parent = 0;
  std::uint64_t ticks = 0;
};

using process_table = std::map<int, process_entry>;

// Of /proc/PID/stat what stands behind the name, which may hold anything: state, parent, …, and from the 12th
// on user and system time, its own and of the children it has waited for.
bool read_entry(int pid, process_entry& into) {
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  std::string text;
  std::getline(file, text, '\0');
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos) return false;
  std::istringstream fields(text.substr(end + 1));
  std::string word;
  fields >> word >> into.parent;
  for (int skipped = 0; skipped < 9; ++skipped) fields >> word;
  for (int i = 0; i < 4; ++i) {
    std::int64_t ticks = 0;
    fields >> ticks;
    into.ticks += static_cast<std::uint64_t>(std::max<std::int64_t>(ticks, 0));
  }
  return !fields.fail();
}

process_table read_processes() {
  process_table all;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (!folder) return all;
  while (const dirent* const each = ::readdir(folder.get())) {
    const std::string_view name = each->d_name;
    int pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (process_entry entry; read_entry(pid, entry)) all.emplace(pid, entry);
  }
  return all;
}

std::set<int> with_descendants(const process_table& all, std::set<int> found) {
  for (bool more = true; more;) {
    more = false;
    for (const auto& [pid, entry] : all)
      if (found.contains(entry.parent)) more |= found.insert(pid).second;
  }
  return found;
}

// Proportionally: a page that three processes share counts as a third for each.
std::size_t proportional_memory(int pid) {
  std::ifstream file(fmt::format("/proc/{}/smaps_rollup", pid));
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string what;
    std::size_t kib = 0;
    if (fields >> what >> kib && what == "Pss:") return kib << 10U;
  }
  return 0;
}

}  // namespace

double cpu_seconds(std::span<const int> workers) {
  const process_table all = read_processes();
  std::set<int> roots(workers.begin(), workers.end());
  for (const int pid : workers)
    if (const auto found = all.find(pid); found != all.end() && found->second.parent != ::getpid())
      roots.insert(found->second.parent);
  roots.erase(1);
  std::uint64_t ticks = 0;
  for (const int pid : with_descendants(all, roots))
    if (const auto found = all.find(pid); found != all.end()) ticks += found->second.ticks;
  return static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::size_t memory_bytes(std::span<const int> workers) {
  std::size_t bytes = 0;
  for (const int pid : with_descendants(read_processes(), {workers.begin(), workers.end()}))
    bytes += proportional_memory(pid);
  return bytes;
}

double machine_cpu_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  file >> word;
  // user, nice, system, idle, waiting for disks, interrupts of two kinds, taken by the host
  double busy = 0, ticks = 0;
  for (int i = 0; i < 8 && file >> ticks; ++i)
    if (i != 3 && i != 4) busy += ticks;
  return busy / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

std::size_t machine_memory() {
  const long pages = ::sysconf(_SC_PHYS_PAGES);
  return pages > 0 ? static_cast<std::size_t>(pages) * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace muster::cli
