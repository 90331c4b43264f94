// SPDX-License-Identifier: MIT
#include "process/memory_limit.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "base/cgroup.hpp"
#include "base/file_descriptor.hpp"
#include "base/pidfd.hpp"
#include "base/process_info.hpp"
#include "base/read_file.hpp"
#include "base/sanitizer.hpp"

namespace muster::process {
namespace {

using base::has_word;

constexpr std::string_view prefix = "muster-";

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

std::string contents(const std::string& path) { return base::read_whole(path).value_or(""); }

// The number after `key` in a file of "key number" lines, or the only number of a file when `key` is empty.
std::optional<std::uint64_t> number_in(const std::string& path, std::string_view key) {
  std::ifstream file(path);
  std::string word;
  std::uint64_t value = 0;
  if (key.empty()) return file >> value ? std::optional(value) : std::nullopt;
  while (file >> word >> value)
    if (word == key) return value;
  return std::nullopt;
}

// Control files take a value in one write and exist already.
bool put(const std::string& path, std::string_view value) {
  const base::file_descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), value.data(), value.size()) == static_cast<ssize_t>(value.size());
}

// ---- finding a place ----

bool is_delegated(const std::string& directory, uid_t user) {
  struct stat found = {};
  if (::stat(directory.c_str(), &found) != 0 || ::access(directory.c_str(), W_OK | X_OK) != 0) return false;
  if (user != 0 && found.st_uid == user) return true;
  char mark = 0;
  return (::getxattr(directory.c_str(), "trusted.delegate", &mark, 1) == 1 && mark == '1') ||
         (::getxattr(directory.c_str(), "user.delegate", &mark, 1) == 1 && mark == '1');
}

bool gives_memory(const std::string& directory) {
  const std::string control = directory + "/cgroup.subtree_control";
  return has_word(contents(control), "memory") ||
         (put(control, "+memory") && has_word(contents(control), "memory"));
}

cgroup_place named_place(const std::string& directory) {
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return {.means = memory_means::none,
            .directory = {},
            .text = "MUSTER_CGROUP " + directory + " is not writable"};
  if (exists(directory + "/memory.limit_in_bytes"))
    return {memory_means::cgroup_v1, directory, "cgroup v1 below " + directory};
  if (exists(directory + "/cgroup.subtree_control") && gives_memory(directory))
    return {memory_means::cgroup_v2, directory, "cgroup v2 below " + directory};
  return {.means = memory_means::none,
          .directory = {},
          .text = "MUSTER_CGROUP " + directory + " has no memory controller for new cgroups"};
}

cgroup_view real_view() {
  cgroup_view view;
  if (const char* const named = std::getenv("MUSTER_CGROUP"); named != nullptr && *named != '\0')
    view.named = named;
  view.user = ::geteuid();
  return view;
}

// ---- one cgroup ----

std::string directory_name(std::string_view pool, std::uint32_t slot, std::uint64_t generation) {
  const auto self = base::status_of(::getpid());
  std::string name = std::string(prefix) + std::to_string(::getpid()) + "-" +
                     std::to_string(self ? self->start : 0) + "-" + std::string(pool.substr(0, 64)) + "-" +
                     std::to_string(slot) + "-" + std::to_string(generation);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
  return name;
}

bool set_limit(const std::string& directory, memory_means means, const std::string& bytes) {
  if (means == memory_means::cgroup_v2) {
    if (!put(directory + "/memory.max", bytes)) return false;
    // Without these a worker could live on in swap, or lose a grandchild in its place. Older kernels lack
    // them.
    put(directory + "/memory.swap.max", "0");
    put(directory + "/memory.oom.group", "1");
    return true;
  }
  if (!put(directory + "/memory.limit_in_bytes", bytes)) return false;
  if (!put(directory + "/memory.memsw.limit_in_bytes", bytes)) put(directory + "/memory.swappiness", "0");
  return true;
}

// Kills what is in the cgroup: all at once where the kernel can (version 2, since 5.14). Elsewhere each
// process is opened and looked at once more, so that a reused number is spared.
void kill_members(const std::string& directory) {
  const base::file_descriptor all(::open((directory + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
  if (all && ::write(all.get(), "1", 1) == 1) return;
  const std::string procs = directory + "/cgroup.procs";
  std::istringstream members(contents(procs));
  for (pid_t pid = 0; members >> pid;) {
    if (pid <= 0) continue;  // a process of another namespace
    const auto process = base::open_pidfd(pid);
    if (process && has_word(contents(procs), std::to_string(pid)))
      static_cast<void>(base::send_signal(process->get(), SIGKILL));
  }
}

bool remove_directory(const std::string& directory) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (::rmdir(directory.c_str()) == 0 || errno == ENOENT) return true;
    if (errno == EBUSY) kill_members(directory);
  }
  return false;
}

}  // namespace

cgroup_place find_cgroup_place(const cgroup_view& view) {
  if (view.named) return named_place(*view.named);
  const std::string cgroups = contents(view.own_cgroups);
  const std::string mounts = contents(view.mounts);
  if (const auto own = base::cgroup_of(cgroups, std::nullopt)) {
    const auto directory = base::directory_of(*own, mounts);
    // A cgroup with processes in it cannot give memory to its children, so usually the place is beside our
    // own.
    if (directory && is_delegated(*directory, view.user) && gives_memory(*directory))
      return {memory_means::cgroup_v2, *directory, "cgroup v2 below " + *directory};
    if (directory && own->path != "/") {
      const std::string above = directory->substr(0, directory->rfind('/'));
      if (is_delegated(above, view.user) && has_word(contents(above + "/cgroup.subtree_control"), "memory"))
        return {memory_means::cgroup_v2, above, "cgroup v2 below " + above};
    }
  }
  if (const auto own = base::cgroup_of(cgroups, "memory")) {
    const auto directory = base::directory_of(*own, mounts);
    if (directory && is_delegated(*directory, view.user) && exists(*directory + "/memory.limit_in_bytes"))
      return {memory_means::cgroup_v1, *directory, "cgroup v1 below " + *directory};
  }
  return {.means = memory_means::none,
          .directory = {},
          .text = "no cgroup with memory control was given to this process"};
}

const cgroup_place& found_cgroup_place() {
  static const cgroup_place place = find_cgroup_place(real_view());
  return place;
}

memory_limit memory_limit::prepare(std::uint64_t bytes, std::string_view pool, std::uint32_t slot,
                                   std::uint64_t generation, const cgroup_place& place) {
  memory_limit result;
  result.bytes_ = bytes;
  std::string why_not = place.text;
  if (place.means == memory_means::cgroup_v1 || place.means == memory_means::cgroup_v2) {
    const std::string directory = place.directory + "/" + directory_name(pool, slot, generation);
    if (::mkdir(directory.c_str(), 0755) == 0) {
      result.directory_ = directory;
      if (set_limit(directory, place.means, std::to_string(bytes))) {
        result.means_ = place.means;
        result.text_ = place.text;
        return result;
      }
    }
    why_not = directory + ": " + std::strerror(errno);
    result.remove();
  }
  if (base::is_sanitized) {
    result.text_ =
        "no memory limit: a sanitizer's shadow memory cannot be told from the worker's own (" + why_not + ")";
    return result;
  }
  result.means_ = memory_means::rlimit;
  result.text_ = "RLIMIT_DATA (" + why_not + ")";
  return result;
}

memory_limit::memory_limit(memory_limit&& other) noexcept
    : means_(std::exchange(other.means_, memory_means::none)),
      bytes_(other.bytes_),
      directory_(std::exchange(other.directory_, {})),
      text_(std::move(other.text_)) {}

memory_limit& memory_limit::operator=(memory_limit&& other) noexcept {
  if (this == &other) return *this;
  remove();
  means_ = std::exchange(other.means_, memory_means::none);
  bytes_ = other.bytes_;
  directory_ = std::exchange(other.directory_, {});
  text_ = std::move(other.text_);
  return *this;
}

memory_limit::~memory_limit() { remove(); }

void memory_limit::apply_to(ipc::worker_birth& birth) const {
  if (means_ == memory_means::rlimit) birth.limits.data_bytes = bytes_;
  if (!directory_.empty()) birth.cgroup_procs = directory_ + "/cgroup.procs";
}

bool memory_limit::was_oom_killed() const {
  if (directory_.empty()) return false;
  const char* const file = means_ == memory_means::cgroup_v2 ? "/memory.events" : "/memory.oom_control";
  return number_in(directory_ + file, "oom_kill").value_or(0) > 0;
}

std::optional<std::uint64_t> memory_limit::peak_bytes() const {
  if (directory_.empty()) return std::nullopt;
  const char* const file = means_ == memory_means::cgroup_v2 ? "/memory.peak" : "/memory.max_usage_in_bytes";
  return number_in(directory_ + file, "");
}

bool memory_limit::remove() {
  if (directory_.empty()) return true;
  if (!remove_directory(directory_)) return false;
  directory_.clear();
  return true;
}

std::size_t remove_leftover_cgroups(const cgroup_place& place) {
  if (place.directory.empty()) return 0;
  DIR* const directory = ::opendir(place.directory.c_str());
  if (directory == nullptr) return 0;
  std::size_t removed = 0;
  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(prefix)) continue;
    pid_t owner = 0;
    unsigned long long start = 0;
    const char* const end = name.data() + name.size();
    const auto [dash, error] = std::from_chars(name.data() + prefix.size(), end, owner);
    if (error != std::errc() || dash == end || *dash != '-') continue;
    if (std::from_chars(dash + 1, end, start).ec != std::errc()) continue;
    const auto status = base::status_of(owner);
    if (status && status->start == start && status->state != 'Z') continue;
    if (remove_directory(place.directory + "/" + std::string(name))) ++removed;
  }
  ::closedir(directory);
  return removed;
}

}  // namespace muster::process
