// SPDX-License-Identifier: MIT
#pragma once

// Where this process's control groups lie in the file system, from the text of /proc/self/cgroup and
// /proc/self/mountinfo. Pure functions: any thread.

#include <optional>
#include <string>
#include <string_view>

namespace muster::base {

struct cgroup {
  std::string path;        // as the kernel names it
  std::string controller;  // that was asked for; empty: version 2, which has one group for all
};

// The group of version 1 for `controller`, or without one that of version 2.
std::optional<cgroup> cgroup_of(const std::string& cgroups, std::optional<std::string_view> controller);

// The directory where the group is mounted, where a mount shows it; and the mount's own directory, above
// which nothing of the hierarchy is to be seen.
struct cgroup_directory {
  std::string directory;
  std::string top;
};
std::optional<cgroup_directory> find_directory(const cgroup& of, const std::string& mounts);
inline std::optional<std::string> directory_of(const cgroup& of, const std::string& mounts) {
  auto found = find_directory(of, mounts);
  return found ? std::optional(std::move(found->directory)) : std::nullopt;
}

// Whether one of the words of a text with blanks between them is `wanted`.
bool has_word(const std::string& text, std::string_view wanted);

}  // namespace muster::base
