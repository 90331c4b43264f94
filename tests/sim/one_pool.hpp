// SPDX-License-Identifier: MIT
#pragma once

// A single engine in virtual time, for stories that are told by hand.

#include "world.hpp"

namespace muster::sim {

// An engine with a crew of virtual workers that do no wrong; each attempt takes so long and ends as told.
class one_pool {
public:
  one_pool(const engine::settings& chosen, bool can_kill, script plays) {
    auto made = std::make_unique<fake_crew>(fake_crew::settings{.can_kill = can_kill}, *clock, met_);
    crew = made.get();
    crew->write_script = [plays](sim_task&) { return plays; };
    engine = std::make_unique<engine::engine>(chosen, std::move(made), clock);
    engine->start(false);
    wake_at_ = engine->act();
  }
  detail::task_ref<> submit() { return submit(std::make_unique<detail::task_extras>()); }
  // `number`: for write_script, to tell it from others.
  detail::task_ref<> submit(std::unique_ptr<detail::task_extras> extras, std::uint64_t number = 0) {
    auto made = std::make_unique<sim_task>();
    made->number = number;
    if (extras->run_timeout || extras->queue_timeout || extras->settle_by) made->mark(detail::task::watched);
    made->extras = std::move(extras);
    auto t = detail::task_ref<>::adopt(made.release());
    engine->submit(t);
    return t;
  }
  // Until nothing more is to happen, or the time came.
  void pass(duration by) {
    const time_point until = clock->at + by;
    for (;;) {
      if (crew->woken()) wake_at_ = engine->act();
      const time_point next = std::min(crew->next_event(), wake_at_);
      if (next > until || engine->finished()) break;
      clock->at = std::max(clock->at, next);
      crew->advance();
      if (wake_at_ <= clock->at) wake_at_ = engine->act();
    }
    clock->at = until;
  }

  std::shared_ptr<virtual_clock> clock = std::make_shared<virtual_clock>();
  fake_crew* crew = nullptr;
  std::unique_ptr<engine::engine> engine;

  [[nodiscard]] std::size_t met(const std::string& what) { return met_[what]; }

private:
  fake_crew::coverage met_;
  time_point wake_at_{};
};

}  // namespace muster::sim
