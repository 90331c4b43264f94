// SPDX-License-Identifier: MIT
#pragma once

// Workers that are threads. Each takes the next task from the engine's intake when it is free, runs it, and sleeps
// when there is none. One lock, the intake's, guards everything the workers share; a worker takes it once a task.
//
// Waking costs more than a short task, so at most one wake is on its way at a time: who wakes up and finds more work
// than its own wakes the next. With strategies other than pull the submitter hands the task to the chosen sleeper.

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/crew.hpp"
#include "engine/engine.hpp"

namespace muster::thread {

using engine::worker_id;

class thread_crew final : public engine::crew {
 public:
  thread_crew(strategy how, std::string name) : how_(how), name_(std::move(name)) {}
  ~thread_crew() override;

  void attach(engine::engine& owner) override { owner_ = &owner; }
  void start(worker_id worker) override;
  void retire(worker_id worker) override;
  void kill(worker_id, death_cause) override {}
  engine::revoked revoke(detail::task& t, bool tell, worker_id& on) override;
  void held(std::vector<detail::task_ref<>>& into) override;
  [[nodiscard]] bool holds(worker_id worker, const detail::task& t) override;
  void survey(std::vector<engine::happened::surveyed::idle_worker>& idle) override;
  void wait(base::time_point until) override;
  std::vector<std::uint64_t> finish() override;

  void wake() override;
  void queued(std::unique_lock<std::mutex>& intake_lock) override;
  [[nodiscard]] bool saturated() const override { return sleeping_.empty(); }
  void describe(stats& into) override;
  [[nodiscard]] bool can_kill() const override { return false; }

 private:
  struct worker {
    worker_id id{};
    std::thread thread;
    std::condition_variable wake;
    // All below: guarded by the intake's lock.
    worker_state state = worker_state::starting;
    bool retiring = false;
    bool woken = false;
    detail::task* handed = nullptr;        // to run next; it is the holder's reference
    detail::task_ref<> running;            // shares it, so that others may look
    base::time_point idle_since{};
    std::size_t done = 0;
  };

  void work(worker& me);
  void sleep(worker& me, std::unique_lock<std::mutex>& lock);
  void wake_one(std::unique_lock<std::mutex>& lock);
  void set_state(worker& w, engine::worker_event event);
  [[nodiscard]] std::mutex& mutex() const { return owner_->queue().mutex(); }

  const strategy how_;
  const std::string name_;
  engine::engine* owner_ = nullptr;

  // Guarded by the intake's lock.
  std::vector<std::unique_ptr<worker>> workers_;  // by slot; only the loop adds or replaces
  std::vector<worker*> sleeping_;                 // the last one fell asleep last
  bool wake_on_its_way_ = false;
  std::size_t cursor_ = 0;

  std::mutex bell_mutex_;
  std::condition_variable bell_;
  bool rung_ = false;  // guarded by bell_mutex_
};

}  // namespace muster::thread
