// SPDX-License-Identifier: MIT
#pragma once

// One seeded world: the real engine and its plan, a crew of virtual workers, users who submit and cancel, and
// time that jumps from event to event. After each step the promises are checked; at the end the faults stop,
// and all must settle. One thread; everything is drawn from the seed.

#include <memory>
#include <string>
#include <vector>

#include "fake_crew.hpp"

namespace muster::engine {

// Looks inside plan and engine; changes nothing.
struct inspector {
  static const plan& plan_of(const engine& e) { return e.plan_; }
  static std::size_t known(const engine& e) { return e.known_.size(); }
  static int min_wanted(const plan& p) { return p.settings_.min; }
  static bool pausing(const plan& p) { return p.restart_at_.has_value() || p.start_failures_ > 0; }
  static bool at_work(const plan& p) { return p.at_work(); }
  static int starting_or_up(const plan& p) { return p.staying(); }
  // Workers that are being replaced, and so are alive beside those that replace them.
  static int pairs(const plan& p) { return p.pairs(); }
  static int leaving(const plan& p) { return p.leaving_; }
  static std::size_t timers(const plan& p) { return p.timers_.size(); }
  // A worker that was born with other settings than those in force, and is to stay.
  static bool has_others(const plan& p) {
    for (const auto& w : p.workers_)
      if (w.born_with != p.edition_ && (w.state == worker_state::starting || w.state == worker_state::idle))
        return true;
    return false;
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

namespace muster::sim {

class world {
public:
  world(std::uint64_t seed, fake_crew::coverage& met);
  ~world();
  world(const world&) = delete;

  // Empty, or the first promise that was broken and when.
  std::string run(int events);

private:
  struct user_task {
    detail::task_ref<> ref;
    sim_task* task = nullptr;
    int max_attempts = 1;
    std::string met_in{};
  };
  struct counter;

  void user_acts();
  void submit();
  void cancel();
  void recycle();
  void check_recycles();
  void step(time_point until);
  void settle_down();
  void check();
  void fail(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }
  [[nodiscard]] bool chance(double p) { return dice_.fraction() < p; }
  duration some(duration most) {
    return duration(static_cast<duration::rep>(dice_.below(static_cast<std::uint64_t>(most.count()) + 1)));
  }

  base::random dice_;
  fake_crew::coverage& met_;
  std::shared_ptr<virtual_clock> clock_ = std::make_shared<virtual_clock>();
  fake_crew* crew_ = nullptr;  // the engine's
  std::unique_ptr<engine::engine> engine_;
  std::vector<user_task> tasks_;
  struct asked {
    std::uint64_t call = 0;
    std::vector<engine::worker_id> old{};
  };
  std::vector<asked> recycles_{};  // not over
  std::uint64_t last_recycle_ = 0;
  std::uint64_t changing_ = 0;  // the call of one with changed settings, until it is over
  engine::edition last_edition_ = 0;
  time_point wake_at_{};
  time_point next_user_{};
  bool stopping_ = false;
  std::size_t capacity_ = 0;
  int max_ = 1;
  bool can_kill_ = true;
  bool ages_ = false;   // workers are replaced because of their age, so something is always to happen
  bool looks_ = false;  // at their health, so again
  duration ladder_{};   // what the signals between grace and SIGKILL take together
  duration longest_run_{};
  std::string broken_;
};

}  // namespace muster::sim
