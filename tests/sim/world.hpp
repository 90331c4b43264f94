// SPDX-License-Identifier: MIT
#pragma once

// One seeded world: the real engine and its plan, a crew of virtual workers, users who submit and cancel, and
// time that jumps from event to event. After each step the promises are checked; at the end the faults stop,
// and all must settle. One thread; everything is drawn from the seed.
//
//   draws.cpp         which pool, which faults, which tasks
//   world.cpp         how it goes on, and how it ends
//   world_users.cpp   what the users do
//   world_checks.cpp  what must hold after every event

#include <memory>
#include <string>
#include <vector>

#include "draws.hpp"
#include "fake_crew.hpp"
#include "inspector.hpp"

namespace muster::sim {

class world {
public:
  struct setup {
    std::uint64_t seed = 1;
    int events = 500;
    plant planted = plant::nothing;
    const fate::parts* only = nullptr;  // what may happen; none: everything
    bool written_down = false;          // what happened, for people and for whoever wants to leave out parts
  };

  world(const setup& chosen, coverage& met);
  ~world();
  world(const world&) = delete;

  // Empty, or the first promise that was broken and when.
  std::string run();

  // Of one that is written down.
  [[nodiscard]] const diary& written() const { return diary_; }
  [[nodiscard]] const std::vector<fate::part>& happened() const { return fate_.happened(); }

private:
  struct user_task {
    detail::task_ref<> ref;
    sim_task* task = nullptr;
  };
  struct counter;

  // --- world.cpp
  void step(time_point until);
  void settle_down();
  void close(bool calm);
  void live(int events);
  void start_again();
  void stop(std::uint64_t life);
  void bury();
  [[nodiscard]] const char* phase() const;

  // --- world_users.cpp
  void users_act();
  void submit(std::uint64_t act);
  void submit_last();
  void note_what_waits(const sim_task& t, bool dropped);
  void cancel(std::uint64_t act);
  void recycle(std::uint64_t act);
  void pause(std::uint64_t act);
  void resize(std::uint64_t act);
  void start_recycle(std::uint64_t act);
  void broadcast(std::uint64_t act);

  // --- world_checks.cpp
  void check();
  void check_counters();
  void check_breaker();
  void check_workers();
  void check_recycles();
  void fail(const std::string& what);

  template <class Text>
  void write(Text text) {
    diary_.write(clock_->at, text);
  }

  setup setup_;
  coverage& met_;
  std::shared_ptr<virtual_clock> clock_ = std::make_shared<virtual_clock>();
  fate fate_;
  diary diary_;
  drawn_world drawn_;
  fake_crew* crew_ = nullptr;  // the engine's
  std::unique_ptr<engine::engine> engine_;

  std::vector<user_task> tasks_;  // in the order of the acts that made them
  std::size_t settled_ = 0;       // of these
  std::uint64_t turns_ = 0;       // of the users, so far
  std::uint64_t steps_ = 0;
  std::uint64_t lives_ = 0;  // begun
  struct asked {
    std::uint64_t call = 0;
    std::vector<engine::worker_id> old{};
  };
  std::vector<asked> recycles_{};  // not over
  std::uint64_t last_recycle_ = 0;
  int most_ever_ = 0;           // workers that a resize allowed
  std::uint64_t changing_ = 0;  // the call of one with changed settings, until it is over
  engine::edition last_edition_ = 0;
  time_point wake_at_{};
  time_point next_user_{};
  bool stopping_ = false;
  bool paused_ = false;
  std::string broken_;
};

}  // namespace muster::sim
