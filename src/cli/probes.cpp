// SPDX-License-Identifier: MIT
//
// Each probe makes the call that it tells of, and none guesses by a version.
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include <fmt/format.h>

#include <muster/pool.hpp>

#include "cli/doctor.hpp"

namespace muster::cli {
namespace {

/// True, or false and why.
fact can(const char* name, bool done) {
  return {.name = name, .value = done, .note = done ? "" : std::strerror(errno)};
}

fact kernel() {
  utsname found = {};
  ::uname(&found);
  return {.name = "kernel", .value = fmt::format("{} {}", found.release, found.machine)};
}

fact cpus() {
  cpu_set_t allowed;
  const bool known = ::sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  // What a pool takes for the number of processors also follows the quotas of control groups.
  thread_pool pool;
  pool.start();
  return {.name = "usable_cpus",
          .value = pool.stats().workers.size(),
          .note = fmt::format("{} online, {} allowed", ::sysconf(_SC_NPROCESSORS_ONLN),
                              known ? std::to_string(CPU_COUNT(&allowed)) : "?")};
}

fact cgroup_version() {
  constexpr long version_2 = 0x63677270;
  struct statfs at_the_top = {};
  fact found{.name = "cgroup", .value = nullptr};
  if (::statfs("/sys/fs/cgroup", &at_the_top) != 0) return found;
  if (at_the_top.f_type == version_2)
    found.value = "v2";
  else if (::access("/sys/fs/cgroup/memory", F_OK) == 0)
    found.value = ::access("/sys/fs/cgroup/unified", F_OK) == 0 ? "v1 and v2" : "v1";
  return found;
}

fact given_cgroup() {
  const char* const named = std::getenv("MUSTER_CGROUP");
  fact found{.name = "MUSTER_CGROUP", .value = nullptr};
  if (named == nullptr || *named == '\0') return found;
  found.value = named;
  found.note = ::access(named, W_OK | X_OK) == 0 ? "writable" : std::strerror(errno);
  return found;
}

fact pidfd() {
  const auto self = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
  const fact found = can("pidfd", self >= 0 && ::syscall(SYS_pidfd_send_signal, self, 0, nullptr, 0) == 0);
  if (self >= 0) ::close(self);
  return found;
}

fact sealed_memory() {
  const int file = ::memfd_create("muster-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  const bool sized = file >= 0 && ::ftruncate(file, 4'096) == 0;
  const fact found = can(
      "memfd_seals", sized && ::fcntl(file, F_ADD_SEALS,
                                      F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0);
  if (file >= 0) ::close(file);
  return found;
}

fact exact_sleep() {
  const int set = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event = {};
  const timespec none = {};
  const fact found = can("epoll_pwait2", ::epoll_pwait2(set, &event, 1, &none, nullptr) == 0);
  ::close(set);
  return found;
}

fact landlock() {
  constexpr unsigned ask_for_version = 1;
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, ask_for_version);
  if (abi >= 0) return {.name = "landlock_abi", .value = abi};
  return {.name = "landlock_abi", .value = nullptr, .note = std::strerror(errno)};
}

/// In a process of its own, which the attempt changes.
fact user_namespaces() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(::unshare(CLONE_NEWUSER) == 0 ? 0 : errno);
  int status = 0;
  const bool ended = child > 0 && ::waitpid(child, &status, 0) == child && WIFEXITED(status);
  errno = ended ? WEXITSTATUS(status) : ECHILD;
  return can("user_namespaces", ended && WEXITSTATUS(status) == 0);
}

fact seccomp() {
  const unsigned action = SECCOMP_RET_ERRNO;
  return can("seccomp_filter", ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0);
}

fact ptrace_scope() {
  int scope = 0;
  std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
  if (file >> scope) return {.name = "yama_ptrace_scope", .value = scope};
  return {.name = "yama_ptrace_scope", .value = nullptr};
}

fact limit(const char* name, int which) {
  rlimit found = {};
  if (::getrlimit(static_cast<__rlimit_resource>(which), &found) != 0)
    return {.name = name, .value = nullptr, .note = std::strerror(errno)};
  const auto shown = [](rlim_t value) {
    return value == RLIM_INFINITY ? nlohmann::json("unlimited") : nlohmann::json(value);
  };
  const nlohmann::json hard = shown(found.rlim_max);
  return {.name = name,
          .value = shown(found.rlim_cur),
          .note = "hard limit " + (hard.is_string() ? hard.get<std::string>() : hard.dump())};
}

}  // namespace

std::vector<fact> probe_machine() {
  return {
      kernel(),
      cpus(),
      cgroup_version(),
      given_cgroup(),
      pidfd(),
      sealed_memory(),
      can("close_range", ::syscall(SYS_close_range, ~0U, ~0U, 0) == 0),
      exact_sleep(),
      can("subreaper", ::prctl(PR_SET_CHILD_SUBREAPER, 0) == 0),
      {.name = "no_new_privileges", .value = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1},
      landlock(),
      user_namespaces(),
      seccomp(),
      ptrace_scope(),
      limit("RLIMIT_NOFILE", RLIMIT_NOFILE),
      limit("RLIMIT_NPROC", RLIMIT_NPROC),
      limit("RLIMIT_CORE", RLIMIT_CORE),
      limit("RLIMIT_DATA", RLIMIT_DATA),
  };
}

}  // namespace muster::cli
