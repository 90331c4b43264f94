// SPDX-License-Identifier: MIT
#pragma once

// A crew whose workers are entries in a table and whose time is the simulation's. It keeps to the seam's
// rules as the real crews do (a task is placed, claimed, run, answered; a worker becomes ready, is retired,
// ends) and does everything a worker may do to us: never come up, die at the worst moment, be slow, ignore
// orders, answer late. One thread. The world moves it by next_event() and advance().
//
// A new fault: a rate in `faults`, a draw for it in draws.cpp, and `hits(worker, "its name", rate)` where it
// strikes.

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "diary.hpp"
#include "engine/crew.hpp"
#include "engine/engine.hpp"
#include "fate.hpp"
#include "plants.hpp"
#include "policy/choose.hpp"
#include "queue_rules.hpp"
#include "sim_task.hpp"

namespace muster::sim {

using engine::worker_id;
using namespace std::chrono_literals;

struct virtual_clock final : base::clock {
  time_point at{std::chrono::hours(1)};
  [[nodiscard]] time_point now() const override { return at; }
};

// How often what goes wrong, each from 0 to 1.
struct faults {
  double start_refused = 0;  // the crew cannot start it at all
  double start_fails = 0;    // it ends before it is ready
  double never_ready = 0;    // it hangs before it is ready
  double dies_idle = 0;
  double dies_at_work = 0;  // with a task begun, and others not
  double dies_before_claim = 0;
  double slow = 0;            // a run takes a hundred times as long
  double ignores_stop = 0;    // a task that was told goes on
  double ignores_retire = 0;  // processes only: hangs at its end
  double falls_silent = 0;    // does nothing for a while, and answers nobody
  double leaves = 0;          // ends after a task because it wants to
  double ignores_signals = 0;
};

class fake_crew final : public engine::crew {
public:
  struct settings {
    bool can_kill = true;     // as processes; else as threads
    std::size_t window = 1;   // tasks a worker may have
    std::size_t at_once = 1;  // and how many of them it runs at the same time
    strategy how = strategy::pull;
    choose_options choose{};
    restart_options restart{};  // that the pool is to keep to
    faults bad{};
    std::uint64_t seed = 1;
    plant planted = plant::nothing;
  };
  using coverage = sim::coverage;

  // `whose` and `writes`: of the world it is in; without one it has its own.
  fake_crew(const settings& chosen, virtual_clock& clock, coverage& met, fate* whose = nullptr,
            diary* writes = nullptr)
      : set_(chosen),
        clock_(clock),
        met_(met),
        own_fate_(chosen.seed),
        own_diary_(clock.at),
        fate_(whose != nullptr ? *whose : own_fate_),
        diary_(writes != nullptr ? *writes : own_diary_),
        chooses_(chosen.how, chosen.choose, chosen.seed) {}

  // --- the world
  [[nodiscard]] time_point next_event() const;
  void advance();                                    // does what is due now
  void worst(const faults& bad) { set_.bad = bad; }  // from now on
  void no_more_faults() { set_.bad = {}; }
  [[nodiscard]] bool woken() { return std::exchange(woken_, false); }
  [[nodiscard]] int alive() const;
  [[nodiscard]] int placed() const;                      // tasks that workers have, their own included
  [[nodiscard]] std::vector<worker_id> staying() const;  // alive and not told to end
  [[nodiscard]] bool is_alive(worker_id id) { return find(id) != nullptr; }
  [[nodiscard]] std::string broken() const { return broken_; }  // the first broken rule
  std::string phase = "serving";                                // for coverage
  std::function<script(sim_task&)> write_script;

  [[nodiscard]] queue_rules& rules() { return *rules_; }

  // --- the seam
  void attach(engine::engine& owner) override {
    owner_ = &owner;
    rules_.emplace(owner.chosen().queue, clock_.at);
  }
  void start(worker_id id) override;
  void report_after(worker_id id, std::uint64_t tasks) override;
  void retire(worker_id id) override;
  void kill(worker_id id, death_cause why) override;
  void signal(worker_id id, int number, death_cause why) override;
  void look(std::vector<engine::happened::worker_looked_at>& seen) override;
  void doubt(worker_id id) override;
  void trust(worker_id id) override;
  engine::revoked revoke(detail::task& t, bool tell, worker_id& on) override;
  void held(std::vector<detail::task_ref<>>& into) override;
  [[nodiscard]] bool holds(worker_id id, const detail::task& t) override;
  void survey(std::vector<engine::happened::surveyed::idle_worker>& idle) override;
  void wait(time_point) override { broken("the loop sleeps in a simulation"); }
  std::vector<std::uint64_t> finish() override;
  void begin_again() override {
    workers_.clear();
    deaths_.clear();
  }
  void wake() override { woken_ = true; }
  void call_back() override;
  void queued(std::unique_lock<std::mutex>& lock) override;
  [[nodiscard]] int free_workers() const override;
  void describe(stats&) override {}
  [[nodiscard]] bool can_kill() const override { return set_.can_kill; }
  [[nodiscard]] std::vector<worker_id> everyone() override { return staying(); }
  [[nodiscard]] bool give(detail::task& t, worker_id to) override;

private:
  struct held_task {
    sim_task* task = nullptr;
    bool may_begin = false;  // as far as the worker goes, and the owner was told
    bool claimed = false;
    time_point done_at = base::never;  // once it is claimed
  };
  // What it does next, beside answering for what it has claimed.
  enum class next_step : std::uint8_t { none, come_up, fail_to_come_up, claim, die, leave };
  struct worker {
    worker_id id{};
    worker_state state = worker_state::dead;
    std::deque<held_task> tasks{};
    std::deque<sim_task*> own{};  // that it alone may run, and does not have yet
    time_point at = base::never;  // of its next step
    next_step step = next_step::none;
    bool had_tasks = false;
    bool hangs = false;  // does nothing but die
    std::optional<death_cause> killed_for{};
    bool is_gone = false;  // it was ended, and the news of it are on the way
    time_point idle_since{};
    std::uint64_t served = 0;
    std::optional<std::uint64_t> worn_after{};
    bool worn_told = false;
    time_point silent_until{};
    bool leaves = false;
    bool has_signal = false;                // and gets no task until the one it has is over
    base::random dice{0};                   // its own, for durations
    std::array<std::uint32_t, 16> asked{};  // how often each kind of fault could have hit it
  };

  // Which of its tasks it answers for next; none: it has claimed none, or will not.
  static std::optional<std::size_t> next_answer(const worker& w);
  static std::size_t claimed(const worker& w) {
    return static_cast<std::size_t>(std::ranges::count(w.tasks, true, &held_task::claimed));
  }

  void pump();
  bool place_one();  // false: there is none, or nobody for it
  [[nodiscard]] policy::load load_of(const worker& w) const;
  void place(worker& w, sim_task& t);
  [[nodiscard]] bool has_room(const worker& w) const;
  [[nodiscard]] bool shall_rest(std::uint32_t slot) const;
  void note_death(std::uint32_t slot);
  [[nodiscard]] std::size_t window() const {
    return owner_->queue().one_at_a_time() ? set_.at_once : std::max(set_.window, set_.at_once);
  }
  [[nodiscard]] std::size_t beside(const sim_task& t) const;
  void note_heads(worker& w);
  void plan_step(worker& w);
  void do_step(worker& w);
  bool act(worker& w);  // false: nothing is due
  void fall_silent(worker& w);
  void claim(worker& w);
  void answer(worker& w, std::size_t which);
  void ended(worker& w, const std::string& problem);
  void take_back_unclaimed(worker& w);
  bool take_back(worker& w, std::size_t index);
  void move_worker(worker& w, engine::worker_event e);
  void broken(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }
  void meet(const std::string& what) { ++met_[what]; }
  // Whether this fault hits it now. Each worker has a fate of its own, whatever the others do.
  bool hits(worker& w, std::string_view fault, double rate);
  static duration some(worker& w, duration most) {
    return duration(static_cast<duration::rep>(w.dice.below(static_cast<std::uint64_t>(most.count()) + 1)));
  }
  template <class Text>
  void write(const worker& w, Text text) {
    diary_.write(clock_.at, [&] { return "worker " + name_of(w.id) + " " + text(); });
  }
  static std::string name_of(worker_id id) {
    return std::to_string(id.slot) + "." + std::to_string(id.generation);
  }
  [[nodiscard]] worker* find(worker_id id);

  settings set_;
  virtual_clock& clock_;
  coverage& met_;
  fate own_fate_;
  diary own_diary_;
  fate& fate_;
  diary& diary_;
  policy::chooser_memory chooses_;
  engine::engine* owner_ = nullptr;
  std::vector<worker> workers_;
  std::vector<std::vector<time_point>> deaths_;  // by slot: those that nobody wanted
  bool woken_ = false;
  bool pumping_ = false;
  std::string broken_;
  std::optional<queue_rules> rules_;
};

}  // namespace muster::sim
