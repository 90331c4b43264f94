// SPDX-License-Identifier: MIT
#include <muster/detail/follower.hpp>

#include <vector>

#include "engine/engine.hpp"

namespace muster::detail {

struct follower::mark : continuation {
  mark(std::shared_ptr<follower> of, std::uint64_t key) : owner(std::move(of)), number(key) {
    at_once = true;
    run = [](continuation* c, task&) noexcept {
      const std::unique_ptr<mark> self(static_cast<mark*>(c));
      follower& who = *self->owner;
      {
        const std::lock_guard lock(who.mutex_);
        const auto found = who.unsettled_.find(self->number);
        task_ref<> t = std::move(found->second);
        who.unsettled_.erase(found);
        who.settled(std::move(t));
        who.changed_.notify_all();
      }
      who.settled_one();
    };
  }
  std::shared_ptr<follower> owner;
  std::uint64_t number;
};

void follower::follow(task& t) {
  std::unique_lock lock(mutex_);
  const std::uint64_t number = ++last_;
  unsettled_.emplace(number, task_ref<>::share(t));
  lock.unlock();
  attach(t, new mark(shared_from_this(), number));
}

void follower::cancel_all() {
  std::vector<task_ref<>> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [number, t] : unsettled_) all.push_back(t);
  }
  // The latest first: otherwise a worker whose task was told to stop might take one that is to be cancelled
  // next.
  for (auto t = all.rbegin(); t != all.rend(); ++t) cancel(**t);
}

bool follower::wait(std::unique_lock<std::mutex>& lock, std::optional<time_point> until,
                    const std::function<bool()>& done) {
  const auto* here = muster::engine::here();
  const auto one_of_here = [&]() -> task_ref<> {
    if (here == nullptr) return {};
    for (const auto& [number, t] : unsettled_)
      if (t->home == here->home && !t->settled()) return t;
    return {};
  };
  while (!done()) {
    if (task_ref<> mine = one_of_here()) {
      lock.unlock();
      const bool in_time = wait_until(*mine, until);  // helps
      mine = {};
      lock.lock();
      if (!in_time) return done();
      continue;
    }
    if (!base::wait_until(changed_, lock, until.value_or(base::never),
                          [&] { return done() || one_of_here(); }))
      return done();
  }
  return true;
}

}  // namespace muster::detail
