// SPDX-License-Identifier: MIT
#include "process/descendants.hpp"

#include <sys/resource.h>

namespace muster::process {
namespace {

// The zygote's number is in the mark too: what a worker runs may have a zygote and workers of its own.
static_assert(sizeof(rlim_t) == 8);
rlim_t mark_of(pid_t zygote, std::uint32_t worker) { return static_cast<rlim_t>(zygote) << 32U | worker; }

}  // namespace

void mark_descendants(pid_t zygote, std::uint32_t worker) {
  rlimit now = {};
  if (::getrlimit(__RLIMIT_LOCKS, &now) != 0) return;
  now.rlim_cur = mark_of(zygote, worker);
  static_cast<void>(::setrlimit(__RLIMIT_LOCKS, &now));
}

std::optional<std::uint32_t> worker_behind(pid_t descendant, pid_t zygote) {
  rlimit found = {};
  if (::prlimit(descendant, __RLIMIT_LOCKS, nullptr, &found) != 0) return std::nullopt;
  const auto worker = static_cast<std::uint32_t>(found.rlim_cur);
  if (found.rlim_cur != mark_of(zygote, worker)) return std::nullopt;
  return worker;
}

}  // namespace muster::process
