// SPDX-License-Identifier: MIT
#pragma once

// Which engines live: a future may outlive its pool, and asks here before it calls. Any thread; a caller
// inside with_living holds the pool's destructor off.

#include <functional>

#include <muster/task.hpp>

namespace muster::engine {

void enlist(detail::task_home& home);
void delist(detail::task_home& home);  // waits for those inside

// Runs f with the home if it lives; false where it does not.
bool with_living(detail::task_home* home, const std::function<void(detail::task_home&)>& f);

}  // namespace muster::engine
