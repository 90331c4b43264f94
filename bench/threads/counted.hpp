// SPDX-License-Identifier: MIT
//
// drain for sides that cannot wait for all of their tasks, or only by running some themselves.
#pragma once

#include <utility>

#include "threads/workloads.hpp"

namespace bench {

/// The task with its end counted; what is left counts it from now on, and has to outlive it.
template <class F>
auto counted(countdown& left, F task) {
  left.add();
  return [&left, task = std::move(task)]() mutable {
    task();
    left.arrive();
  };
}

}  // namespace bench
