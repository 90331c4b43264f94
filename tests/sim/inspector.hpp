// SPDX-License-Identifier: MIT
#pragma once

// Looks inside plan and engine for the simulation; what it changes, it changes as the engine itself would.

#include <optional>
#include <string>

#include "engine/engine.hpp"

namespace muster::engine {

struct inspector {
  static const plan& plan_of(const engine& e) { return e.plan_; }
  static std::size_t known(const engine& e) { return e.known_.size(); }
  static int min_wanted(const plan& p) { return p.settings_.min; }
  static bool pausing(const plan& p) {
    return p.restart_at_.has_value() || p.start_failures_ > 0 || p.resting_ > 0;
  }
  // The next start waits for its turn.
  static bool paces(const plan& p) { return p.start_at_.has_value(); }
  static int most(const plan& p) { return p.most(); }
  static bool at_work(const plan& p) { return p.at_work(); }
  static int starting_or_up(const plan& p) { return p.staying(); }
  // Workers that are being replaced, and so are alive beside those that replace them.
  static int resting(const plan& p) { return p.resting_; }
  static int pairs(const plan& p) { return p.pairs(); }
  static int leaving(const plan& p) { return p.leaving_; }
  static std::size_t timers(const plan& p) { return p.timers_.size(); }
  // Does the plan have this worker for alive?
  static bool believes_in(const plan& p, worker_id w) {
    return p.current(w) && p.workers_[w.slot].state != worker_state::dead;
  }
  // A worker that was born with other settings than those in force, and is to stay.
  static bool has_others(const plan& p) {
    for (const auto& w : p.workers_)
      if (w.born_with != p.edition_ && (w.state == worker_state::starting || w.state == worker_state::idle))
        return true;
    return false;
  }
  // News for the loop that it has not taken in.
  static bool has_news(engine& e) {
    const std::lock_guard lock(e.notes_mutex_);
    return !e.notes_.empty();
  }
  // As engine::recycle, which blocks, does.
  static void ask_recycle(engine& e, happened::recycle_asked what) {
    e.recyclings_[what.call];
    e.tell({.what = what});
  }
  static void give_up_recycle(engine& e, std::uint64_t call) {
    e.tell({.what = happened::recycle_given_up{call}});
  }
  static std::optional<recycle_report> recycle_end(engine& e, std::uint64_t call) {
    return e.recyclings_[call];
  }
  // Empty, or the first timer that belongs to nobody.
  static std::string stray_timer(const plan& p);
};

}  // namespace muster::engine
