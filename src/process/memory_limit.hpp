// SPDX-License-Identifier: MIT
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/os_error.hpp"
#include "ipc/birth.hpp"

// A worker's memory limit, by the best means this machine offers: a cgroup of its own (the kernel kills at
// the limit and says so), else RLIMIT_DATA (allocation fails at the limit). Owned by the process crew, one
// for each worker process; made before its birth, asked after its death. One thread at a time.

namespace muster::process {

enum class memory_means { none, rlimit, cgroup_v1, cgroup_v2 };

// A directory under which cgroups may be made, and what it can do.
struct cgroup_place {
  memory_means means = memory_means::none;  // cgroup_v1, cgroup_v2, or none
  std::string directory;                    // absolute
  std::string text;                         // which, or why none
};

// Where /proc and the mounts are; tests put a made-up tree here.
struct cgroup_view {
  std::string own_cgroups = "/proc/self/cgroup";
  std::string mounts = "/proc/self/mountinfo";
  std::optional<std::string> named;  // $MUSTER_CGROUP: a directory the user gives us
  uid_t user = 0;                    // whose delegated directories are ours
};

// Looks for a place. Only a directory that was given to this process is used: the one named by MUSTER_CGROUP,
// or one that was delegated (owned by this process's user, who is not root; or marked `delegate` by the
// service manager). Elsewhere the cgroup belongs to somebody who counts, kills and removes it, and new
// cgroups in it would be in their way.
cgroup_place find_cgroup_place(const cgroup_view& view);

// The same for this process, looked up once.
const cgroup_place& found_cgroup_place();

class memory_limit {
public:
  // Never fails: what cannot be had falls back to the next means, and text() says which is in force and why.
  static memory_limit prepare(std::uint64_t bytes, std::string_view pool, std::uint32_t slot,
                              std::uint64_t generation, const cgroup_place& place = found_cgroup_place());

  memory_limit(memory_limit&& other) noexcept;
  memory_limit& operator=(memory_limit&& other) noexcept;
  ~memory_limit();  // removes the cgroup, as remove()

  memory_means means() const noexcept { return means_; }
  const std::string& text() const noexcept { return text_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

  // Writes into the birth what makes the new worker subject to the limit before it runs anything of the
  // user's.
  void apply_to(ipc::worker_birth& birth) const;

  // After the death. Both know nothing without a cgroup: false, nullopt.
  bool was_oom_killed() const;
  std::optional<std::uint64_t> peak_bytes() const;

  // Kills what the dead worker has left in the cgroup and removes it; false while a process is still in it
  // (ask again later, the destructor tries once more, and the janitor of a later owner removes what is left).
  bool remove();

private:
  memory_limit() = default;

  memory_means means_ = memory_means::none;
  std::uint64_t bytes_ = 0;
  std::string directory_;  // of the cgroup; empty when there is none
  std::string text_;
};

// Removes cgroups below `place` that dead owners have left: their names carry the owner's pid and start time.
// Returns how many were removed. Called when a pool with a memory limit is made.
std::size_t remove_leftover_cgroups(const cgroup_place& place = found_cgroup_place());

}  // namespace muster::process
