// SPDX-License-Identifier: MIT
#pragma once

// Workers that are threads. Each takes tasks from the engine's intake when it is free, runs them, and sleeps
// when there is none. One lock, the intake's, guards everything the workers share.
//
// Short tasks are taken a few at a time, so that the lock is not taken for each. What a worker has taken and
// not begun stays everybody's: entries of its batch are claimed one by one with an exchange, by the worker,
// or under the lock by one who has nothing to do, who cancels, or who wants a task run before it waits for
// it. A worker that is about to block gives its batch back. So no task waits behind a slow one while a worker
// sleeps.
//
// What a task posts into its own pool its worker may keep beside its batch, to run it next: see kept.cpp.
//
// Waking costs more than a short task, so at most one wake is on its way at a time: who wakes up and finds
// more work than its own wakes the next. With strategies other than pull the submitter hands the task to the
// chosen sleeper (hand_out.cpp). Where a strategy binds tasks to workers, or the user's chooser decides, no
// worker takes what it finds: all is handed out, by who submits and by who becomes free.
//
// What only one worker may run (a broadcast) is a list of that worker's own, which nobody steals from.

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/futex.hpp"
#include "engine/crew.hpp"
#include "engine/engine.hpp"
#include "policy/choose.hpp"
#include "policy/keep_alive.hpp"

namespace muster::thread {

using engine::worker_id;

// What a worker thread is beside its name.
struct worker_manner {
  thread_hooks hooks{};
  std::vector<int> cpus{};  // one of them for each, in turn; empty: all
  int nice = 0;
};

class thread_crew final : public engine::crew {
public:
  thread_crew(strategy how, const choose_options& chosen, std::string name, worker_manner manner = {})
      : name_(std::move(name)),
        manner_(std::move(manner)),
        chooses_(how, chosen, 0),
        chooser_(chosen.chooser) {}
  ~thread_crew() override = default;

  void attach(engine::engine& owner) override {
    owner_ = &owner;
    chooses_.dice = base::random(owner.chosen().plan.seed);
  }
  void start(worker_id worker) override;
  void retire(worker_id worker) override;
  void kill(worker_id, death_cause) override {}
  engine::revoked revoke(detail::task& t, bool tell, worker_id& on) override;
  void held(std::vector<detail::task_ref<>>& into) override;
  [[nodiscard]] bool holds(worker_id worker, const detail::task& t) override;
  void survey(std::vector<engine::happened::surveyed::idle_worker>& idle) override;
  void wait(base::time_point until) override;
  std::vector<std::uint64_t> finish() override;
  void begin_again() override;
  void join() override;

  void wake() override;
  void queued(std::unique_lock<std::mutex>& intake_lock) override;
  void call_back() override;
  void resumed(std::unique_lock<std::mutex>& intake_lock) override;
  void surrender(std::uint32_t slot) override;
  bool keep_task(detail::task& t) override;
  void keep_no_tasks() override;
  [[nodiscard]] std::size_t kept() const override;
  [[nodiscard]] int free_workers() const override;
  [[nodiscard]] std::vector<worker_id> everyone() override;
  [[nodiscard]] bool give(detail::task& t, worker_id to) override;
  detail::task* take_own(std::uint32_t slot) override;
  void describe(stats& into) override;
  [[nodiscard]] bool can_kill() const override { return false; }

private:
  static constexpr std::size_t longest_batch = 32;
  static constexpr std::size_t most_kept = 32;
  static constexpr std::size_t longest_turn = 64;  // of kept tasks
  static constexpr unsigned now_and_then = 64;     // turns
  static constexpr std::size_t most_bound = 64;  // tasks that wait for one worker; also in choose_options.hpp

  // One that has ended is kept for the next that starts: who has called it out of the lock (wake_one) may
  // still be about to notify it.
  struct worker {
    void begin_again(worker_id as);

    worker_id id{};
    std::thread thread;
    // Where it sleeps: 1 when it is to get up. Written with the lock; who has let go of that then notifies.
    std::atomic<std::uint32_t> woken{0};
    void notify() const { base::futex_wake_here(woken); }
    // What it has taken from the queue, written by the worker under the intake's lock; behind it what it has
    // kept, written without the lock. Each entry is taken by exchange (acq_rel), by the worker without the
    // lock or by others with it. Null: taken.
    std::array<std::atomic<detail::task*>, longest_batch + most_kept> batch{};
    std::size_t kept = 0;        // the worker's own: no entry so far behind the batch is in use
    unsigned turns = 1;          // the worker's own: this is its so-manyth
    bool has_left_some = false;  // the worker's own: of its batch, in its last turn
    // The task it runs, written by the worker (relaxed); others read it with the lock. It stays valid so long
    // because the worker drops its reference only after it has had the lock once more.
    std::atomic<detail::task*> running{nullptr};
    std::atomic<std::size_t> done{0};         // written by the worker alone
    std::atomic<duration::rep> busy_time{0};  // relaxed: written by the worker alone
    duration per_task{};                      // the worker's own: smoothed, 0: unknown
    // So many of its tasks; 0: unknown.
    [[nodiscard]] std::size_t fits(duration moment) const {
      return per_task == duration::zero() ? 0 : static_cast<std::size_t>(moment / per_task);
    }
    policy::keep_alive keep_alive{};  // the worker's own
    // All below: guarded by the intake's lock.
    worker_state state = worker_state::starting;
    bool retiring = false;
    base::time_point idle_since{};
    std::deque<detail::task*> bound{};  // strategy::key, hard: tasks that wait for it; the most urgent first
    std::deque<detail::task*> own{};    // that it alone may run
  };

  // Who works in this thread.
  struct place {
    const thread_crew* crew;
    worker* me;
  };
  inline static constinit thread_local place here_{nullptr, nullptr};

  void work(worker& me);
  void serve(worker& me);
  std::string prepare(worker& me);  // what is wrong; empty: nothing
  void run_hook(const worker& me, const char* which, const std::function<void()>& hook);
  // With the lock, all of these.
  std::size_t refill(worker& me);
  static std::size_t turn_of_kept(const worker& me);
  static bool prefers_kept(const worker& me);
  std::size_t share(const worker& me) const;
  static std::size_t close_up(worker& me);
  detail::task* steal(const worker& me);
  [[nodiscard]] bool anything_to_steal() const;
  void look_around(std::unique_lock<std::mutex>& lock);
  void sleep(worker& me, std::unique_lock<std::mutex>& lock);
  worker& call_sleeper();
  void wake_one(std::unique_lock<std::mutex>& lock);  // and lets go of it
  void mind_the_door();
  void recall();  // what is less urgent than what was queued now, and the rest with it
  void give_back(std::vector<detail::task*>& tasks);

  // --- hand_out.cpp: strategies other than pull. With the lock.
  [[nodiscard]] bool pulls() const { return chooses_.how == strategy::pull && !chooser_; }
  // All tasks are handed out; no worker takes what it finds.
  [[nodiscard]] bool binds() const { return chooser_ || chooses_.binds(); }
  // May let go of the lock and takes it again, where the user's chooser is asked.
  void hand_out(std::unique_lock<std::mutex>& lock);
  // None: there is none, or nobody for it. A worker: it is to be notified.
  std::optional<worker*> hand_one();
  worker* hand_to(worker& w, detail::task& t);
  void hand_out_as_told(std::unique_lock<std::mutex>& lock);
  std::optional<std::size_t> ask(std::unique_lock<std::mutex>& lock, std::vector<candidate>& candidates);
  [[nodiscard]] bool is_free(const worker& w) const;
  void bind(worker& w, detail::task& t);
  [[nodiscard]] bool take_bound(worker& me);
  void give_back_bound(worker& w);

  void run_batch(worker& me, std::size_t count, std::vector<detail::task*>& finished);
  bool run_entry(worker& me, std::size_t index, std::vector<detail::task*>& finished);
  void run_own(worker& me, std::unique_lock<std::mutex>& lock);  // all of its own; with the lock
  void set_state(worker& w, engine::worker_event event);
  void count_gone(const worker& w);  // what it did counts on
  [[nodiscard]] engine::intake& queue() const { return owner_->queue(); }

  const std::string name_;
  const worker_manner manner_;
  engine::engine* owner_ = nullptr;

  // Guarded by the intake's lock.
  std::vector<std::unique_ptr<worker>> workers_;  // by slot; only the loop adds or replaces
  std::vector<std::unique_ptr<worker>> ended_;    // to be used again; loop only
  std::vector<worker*> sleeping_;                 // the last one fell asleep last
  int looking_ = 0;                               // workers that look for a moment longer before they sleep
  bool wake_on_its_way_ = false;
  int lowest_in_batches_ = std::numeric_limits<int>::max();  // no batch holds a lower priority
  policy::chooser_memory chooses_;
  chooser chooser_;         // the user's; empty where there is none, or none any more
  bool asking_ = false;     // somebody asks it, without the lock
  bool ask_again_ = false;  // something has changed since
  std::size_t busy_ = 0, peak_busy_ = 0;
  std::size_t done_before_ = 0;  // by workers that were replaced
  duration busy_before_{};       // the same

  std::atomic<bool> keeps_ = false;  // a worker has kept a task, some time

  std::mutex bell_mutex_;
  std::condition_variable bell_;
  bool rung_ = false;  // guarded by bell_mutex_
};

}  // namespace muster::thread
