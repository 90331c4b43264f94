// SPDX-License-Identifier: MIT
#pragma once

// One pool's engine: the intake, the plan, the crew, and the one loop that joins them. It never names a
// thread, a process or a machine. Tasks go from submit to the intake, from there to a worker, and settle,
// without passing the loop; what needs a decision (a timeout, a retry, a cancel, a death, growing, stopping)
// is noted to the loop, which asks the plan and performs its actions.
//
// Threads: `submit`, `cancel`, the outcome functions and the queries are called from any thread; `act` by the
// loop only (the engine's own thread, or a simulation that drives it by hand). Locks: intake, then notes; the
// subscriptions' lock stands alone. No user code runs under any of them.

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <muster/detail/follower.hpp>
#include <muster/detail/voice.hpp>
#include <muster/event.hpp>
#include <muster/options.hpp>
#include <muster/stats.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"
#include "engine/callbacks.hpp"
#include "engine/crew.hpp"
#include "engine/far_limits.hpp"
#include "engine/intake.hpp"
#include "engine/log_desk.hpp"
#include "engine/plan.hpp"
#include "engine/safeguards.hpp"
#include "engine/watcher.hpp"

namespace muster::engine {

using detail::task_ref;

// More of what a task says about its progress is cut.
inline constexpr std::size_t most_progress_text = 192;

// What the engine needs of a pool's options; checked before.
struct settings {
  plan_settings plan{};
  queue_options queue{};
  retry_options retry{};
  muster::on_post_error on_post_error = muster::on_post_error::report;
  executor callbacks{};
  log_sink log{};
  owner_memory_options owner_memory{};
  safeguard_settings safeguards{};
  std::string name = "muster";
  bool can_capture = false;  // what its tasks print
  watch_settings watch{};
};

// How many tasks settled, and how many a worker kept, counted by one thread at a time, so that counting costs
// no contention; readers add up all. Relaxed but for `published`, which is stored (release) after the task
// was published and pairs with idle().
struct alignas(64) tally {
  std::atomic<std::size_t> succeeded{0}, failed{0}, cancelled{0}, published{0}, kept{0};
  std::uint64_t number = 0, last_number = 0;  // for tasks that it keeps; the thread's own
};

class engine final : public detail::task_home {
public:
  engine(settings chosen, std::unique_ptr<crew> workers, std::shared_ptr<const base::clock> time);
  ~engine();
  engine(const engine&) = delete;

  // ------------------------------------------------------------------------------------------ for the pool

  // Starts the loop's thread and the first workers; after a stop, for another life: waits for that to end
  // first. False: it had been started. `born_with`: the settings of the workers, by default those in force.
  // `own_thread` false: a simulation calls act(). Throws not_ready where a thread cannot be had, or one of
  // the life before has not come back; would_deadlock where this call is what the stop waits for.
  bool start(bool own_thread = true, std::optional<edition> born_with = {});
  [[nodiscard]] pool_state state() const { return state_.load(std::memory_order_acquire); }
  // Blocks until the first workers of this life are ready, or it was stopped before, or `until`.
  enum class readiness : std::uint8_t { ready, stopped, not_yet };
  readiness wait_ready(base::time_point until);
  [[nodiscard]] std::string last_start_failure() const;

  // Throws not_started, pool_stopped, queue_full, enqueue_timeout, would_be_late, memory_pressure, cancelled,
  // would_deadlock, circuit_open, quarantined; then the task was not accepted.
  void submit(task_ref<> t);
  // The first of these, as many as need nothing decided about them: queued together, workers told once. How
  // many; for the next one `submit` says what there is to say.
  std::size_t submit_together(std::span<task_ref<>> tasks);

  bool wait_idle(std::optional<base::time_point> until);
  void cancel_queued();
  // Refuses new tasks; the workers end when all that were accepted have settled. Does not block.
  void close();
  // Who wants to know when the pool takes no more tasks. False: it is so already.
  bool watch_close(std::weak_ptr<detail::close_watcher> who);
  // Of a broadcast. `everyone` throws not_started and pool_stopped; a task that cannot be given settles.
  [[nodiscard]] std::vector<worker_id> everyone();
  void give(task_ref<> t, worker_id to);
  // No task begins until resume.
  void pause();
  void resume();
  // Blocks until the pool is done. See pool.hpp.
  stop_report stop(base::time_point deadline, bool at_once);
  // The first half of it: refuses new tasks and tells the loop. Returns the life that ends; null: it was
  // never started, so nothing is to be ended.
  struct life;
  std::shared_ptr<const life> begin_stop(base::time_point deadline, bool at_once);
  // Blocks until the workers there are now, or the one in this slot, were replaced, or the deadline.
  // `changed`: by workers that are born with these settings; 0: with those in force. Throws not_started,
  // pool_stopped.
  recycle_report recycle(std::optional<std::uint32_t> slot, edition changed, const recycle_options& how);
  // See pool.hpp; checked before. Throws pool_stopped.
  void resize(int min, int max);
  // A task of this pool says that it blocks (1), or does no longer (-1).
  void blocking_changed(int by) { tell({.what = happened::blocking_changed{by}}); }
  [[nodiscard]] stats snapshot();
  [[nodiscard]] std::vector<dead_letter> dead_letters() const;
  // Runs one again, as a new task; throws invalid_call where that cannot be, and what submit throws: then the
  // letter is still there. `result`: the type that its future has; null: none wants it.
  task_ref<> resubmit(std::uint64_t number, const std::type_info* result);
  bool discard(std::uint64_t number);
  subscription on(std::optional<event_kind> kind, event_handler handler);
  void off(subscription which);
  [[nodiscard]] std::vector<std::string> pending();  // a name for each task that waits or runs and is known

  // ------------------------------------------------------------------------------------------ for tasks

  void cancel(task& t) override;
  void dispatch(detail::continuation* c, task& t) override;
  void chunks_taken(task& t, std::uint64_t count) override { crew_->chunks_taken(t, count); }
  // Waits for t inside a task of this pool: runs it here where nobody has begun it; throws would_deadlock
  // where waiting could never end. False: `until` came first.
  bool wait_inside(task& t, std::optional<base::time_point> until);
  // See crew.hpp.
  [[nodiscard]] std::unique_ptr<answer_reader> reader_for(task& t) { return crew_->reader_for(t); }
  // Waits for t in a callback of this pool: runs other callbacks meanwhile, since t may need one of them.
  bool wait_in_callback(task& t, std::optional<base::time_point> until);

  // ------------------------------------------------------------------------------------------ for the crew

  [[nodiscard]] intake& queue() { return intake_; }
  [[nodiscard]] const base::clock& time() const { return *time_; }
  [[nodiscard]] const settings& chosen() const { return settings_; }
  [[nodiscard]] watcher& watching() { return watcher_; }

  void worker_ready(worker_id worker, int pid = 0);
  // A worker died, which worker_ended will tell: counted before its tasks settle.
  void count_death() { workers_died_.fetch_add(1, std::memory_order_relaxed); }
  // With a death where there is one to tell of (processes). `problem`: why it did not come up, where it did
  // not.
  void worker_ended(worker_id worker, bool had_tasks, std::shared_ptr<const death> how = {},
                    std::string problem = {});
  // It has reached what it may reach; `overdue`: twice that.
  void worker_worn(worker_id worker, recycle_reason why, bool overdue, std::string detail = {}) {
    tell({.what = happened::worker_worn{worker, why, overdue, std::move(detail)}});
  }
  // It ends after its present task, of its own will.
  void worker_leaves(worker_id worker) { tell({.what = happened::worker_leaves{worker}}); }
  // Of a worker that gets one task only.
  void worker_used(worker_id worker, happened::worker_used::use how) {
    tell({.what = happened::worker_used{worker, how}});
  }
  // No worker is free and tasks wait: tells the plan, if it wants to hear of it. With the intake's lock.
  void tell_backlog();
  // An attempt began on this worker. Cheap for a task that is neither watched nor reported.
  void began(task& t, worker_id worker) {
    if (t.is(task::watched | task::reported)) note_began(t, worker);
  }
  // It was with a worker but never began: it goes to the front of its lane. Needs the intake's lock.
  void put_back(task& t);
  // Whether another attempt could follow the present one.
  [[nodiscard]] bool may_run_again(const task& t) const { return t.attempt() < retry_of(t).attempts; }
  // What an error about t says of it.
  [[nodiscard]] error_subject subject_of(const task& t) const;
  // It was meant for one worker, which ends without having begun it: settles it as cancelled. Not under a
  // lock.
  void abandon(task& t, const std::string& why);
  // A run in a worker took so long. For pools that want to know (queue_options::refuse_hopeless).
  void ran_for(duration took) {
    if (!settings_.queue.refuse_hopeless) return;
    const auto lock = intake_.lock();
    intake_.runs().ran(took);
  }
  // Its value is stored and claimed: publishes it and lets go of the task.
  void succeeded(task& t);
  // Its run came too late: only lets go.
  void too_late(task& t);
  // The attempt failed: another follows, or it settles with `error`. Lets go of the task.
  void failed(task& t, std::exception_ptr error, policy::failure why);
  void announce(event e);
  // The user's chooser threw, or answered nonsense. Not under a lock.
  void chooser_failed(const std::string& how);
  // Something broke that is no task's error: counted under this code, and an event. May be called under a
  // lock.
  void failed_beside_tasks(std::string_view code, std::string text, worker_id worker);
  // A line for the sink. False: there is none, so the caller prints it. Not under a lock.
  [[nodiscard]] bool log(log_line line);
  // What t said, which somebody asked for. Not under a lock.
  void progressed(task& t, double fraction, std::string_view text);
  // The worker in this slot is about to block: what it has taken and not begun goes to others.
  void about_to_block(std::uint32_t slot);
  // Runs t in this thread and sees to how it ended. True: the caller still holds its reference, and lets go
  // of it. For crews that run tasks in threads.
  [[nodiscard]] bool run(task& t, worker_id worker);
  // Workers may keep tasks: nobody has to hear of them, nothing more urgent comes through the door, and the
  // pool, which grows by what is queued, does not grow. Sequentially consistent: who keeps a task looks again
  // afterwards.
  [[nodiscard]] bool may_keep() const {
    return may_keep_.load() && intake_.is_open() && intake_.lets_through() <= 0;
  }
  // Before a worker keeps this task: it is placed, and counts from here on. By the worker's thread.
  void count_kept(task& t);
  // It could not be kept, and is as it was.
  void uncount_kept(task& t);
  // While it lives, what this thread settles for this engine is counted apart. For workers and the loop.
  class counting {
  public:
    explicit counting(engine& home);
    ~counting();
    counting(const counting&) = delete;

  private:
    engine& home_;
  };
  // After tasks were settled and nothing else is at hand: tells those who wait for the pool to be idle. Cheap
  // when nobody does. Not with the intake's lock.
  void look_idle();

  // ------------------------------------------------------------------------------------------ the loop

  // Takes in what was noted and performs what the plan says. Returns when to come back.
  base::time_point act();
  [[nodiscard]] bool finished() const { return plan_.finished(); }
  // Once finished: lets go of the crew, and lets stop() return.
  stop_report conclude();

private:
  friend struct inspector;  // tests look inside
  // Something for the loop. A task that comes along is held until the plan says what becomes of it.
  struct note {
    std::optional<occurrence> what{};
    task_ref<> about{};
    std::exception_ptr error{};
    bool cancel = false;                           // `about`, or without one everything that has not begun
    std::shared_ptr<const muster::event> event{};  // to be sent by the loop
    bool metrics = false;                          // wait to be handed over
  };
  struct known_task {
    task_ref<> ref{};
    task_ref<> held{};             // set while it waits for another attempt: the loop is its holder
    std::exception_ptr error{};    // of its last attempt
    bool cancelled = false;        // asked for, and not settled yet
    bool wait_over = false;        // of a held one: it is no longer counted as waiting
    std::exception_ptr timeout{};  // it is past its run timeout, and may run again when this attempt is over
  };
  enum class outcome : std::uint8_t { succeeded, failed, cancelled };
  struct listener {
    subscription id;
    std::optional<event_kind> kind;
    event_handler handler;
    // Held while its handler runs, so that `off` can wait for it; recursive, for handlers that call `off`.
    std::recursive_mutex running{};
    bool active = true;  // guarded by running
  };

  // Refuses new tasks, and tells the loop until when the rest may take. False: it was never started.
  std::shared_ptr<const life> shut(base::time_point deadline, bool at_once);
  [[nodiscard]] std::vector<std::shared_ptr<detail::close_watcher>> close_watchers();
  // --- submit.cpp, all with the intake's lock, which some release meanwhile
  void refuse_for_memory();
  void refuse_hopeless(const task& t);
  admission make_room(std::unique_lock<std::mutex>& lock, task& t, std::vector<task*>& dropped);
  // What waits for room, or to be taken, in this thread; t's stop token ends it.
  template <class Wait>
  admission wait_in_submit(std::unique_lock<std::mutex>& lock, const task& t, intake::waiter& self,
                           Wait wait);
  admission offer(std::unique_lock<std::mutex>& lock, task_ref<>& t);
  void enter(task& t);
  bool pass(task& t) {  // through the door, and then it is no longer the caller's
    const passage how = intake_.pass(t);
    if (how == passage::late) tell_of_late();
    return how != passage::no;
  }
  bool pass_watched(task& t);
  void tell_of_late();
  static base::time_point first_limit(task& t, base::time_point now);
  static bool is_far_off(const task& t, base::time_point limit, base::time_point now);
  void add_far(task& t, base::time_point limit);
  [[noreturn]] void refuse(admission why, const task& t);
  void drop(task& t, bool queued);  // without the lock

  void start_loop();  // throws not_ready
  void end_life();    // waits until a stop is done, and its thread gone
  struct leftovers;
  [[nodiscard]] leftovers renew(edition born_with);  // with the intake's lock
  bool go_on(std::unique_lock<std::mutex>& lock);
  void loop();
  void send(const std::shared_ptr<const muster::event>& what);
  void tell(note n, base::time_point needed_at = base::time_point::min());
  // The intake is to be looked at then. With its lock.
  void wake_by(base::time_point at);
  void look_at_intake(base::time_point now);
  void look_at_limits(base::time_point now);
  void note_began(task& t, worker_id worker);
  void take_in(note& n, base::time_point now);
  void cancel_now(const task_ref<>& t, base::time_point now);
  void cancel_queued_now(base::time_point now);
  void cancel_intake(death_cause why);
  void cancel_waiting(death_cause why, base::time_point now);
  // Takes t away from its worker, where it had not begun, and settles it where it has not; or tells it to
  // stop.
  void take_away(const task_ref<>& t, death_cause why, base::time_point now);
  // `when`: "before it began" or the like.
  [[nodiscard]] std::exception_ptr cancelled_by(death_cause why, const task& t, const char* when) const;
  void look_for_backlog(base::time_point now);
  void note_sizes();  // for snapshots
  [[nodiscard]] std::optional<happened::backlog> backlog()
      const;  // with the intake's lock; as growth_ wants it
  void tell_unheard(const event& e);
  void tell_of_failed_post(const task& t);
  void tell_of_failure(const task& t);
  [[nodiscard]] bool hears(event_kind kind) const {
    return (heard_.load(std::memory_order_relaxed) >> static_cast<unsigned>(kind) & 1U) != 0;
  }
  void note_listeners();  // with the listeners' lock

  // --- watched.cpp
  void count_error(std::string_view code);
  void note_ended(task& t, const std::exception_ptr& error);  // of a measured one
  void log_ended(const task& t, duration run, std::string_view code);
  void put_metric(const task& t, metric::kind what, duration run = {}, std::string_view code = {});
  void hand_over_metrics();
  void post_metrics(bool is_wanted);
  bool log_event(const event& e);  // false: no line was wanted
  void put_line(log_line line);    // to the sink, or to standard error
  void kill(worker_id worker, death_cause why);
  [[nodiscard]] bool spares(worker_id worker);  // because it has a task; the plan hears of it

  void perform(const todo::start_worker& a);
  void perform(const todo::retire_worker& a);
  void perform(const todo::kill_worker& a);
  void perform(const todo::signal_worker& a);
  void perform(const todo::look_at_workers& a);
  void perform(const todo::doubt_worker& a) { crew_->doubt(a.worker); }
  void perform(const todo::trust_worker& a) { crew_->trust(a.worker); }
  void perform(const todo::survey_workers& a);
  void perform(const todo::look_at_owner& a);
  void perform(const todo::make_report& a);
  void perform(const todo::press& a);
  void perform(const todo::expire_task& a);
  void perform(const todo::give_up_task& a);
  void perform(const todo::retry_task& a);
  void perform(const todo::fail_task& a);
  void perform(const todo::quarantine_task& a);
  void perform(const todo::cancel_all& a);
  void perform(const todo::recycle_over& a);
  void perform(const todo::announce& a);

  // Claims, counts, publishes. False: it had settled.
  bool settle(task& t, outcome as, std::exception_ptr error);
  void count_and_publish(task& t, outcome as);
  // Tasks that run on another task's stack, or in their submitter: no worker of the crew knows them.
  [[nodiscard]] std::vector<task_ref<>> helped();
  [[nodiscard]] std::optional<worker_id> helper_of(const task& t);
  void settle_what_is_left();
  // The holder lets go of a task that has settled.
  void let_go(task& t);
  void leave(task& t);        // the same, but the caller keeps the reference
  void release_key(task& t);  // it is over
  void submit_with_lock(task_ref<> t);
  void tell_of_limits(task& t, base::time_point first);
  void make_known(task& t);
  void end_limits(task& t);
  void throw_unless_started() const;  // with the intake's lock
  // False: it did not settle, and the loop has the reference now.
  bool end_attempt(task& t, std::exception_ptr error, policy::failure why);
  [[nodiscard]] bool idle();
  [[nodiscard]] std::size_t submitted() const;
  [[nodiscard]] std::size_t total(std::atomic<std::size_t> tally::* which, std::memory_order order) const;
  void forget(task_id id, base::time_point now);
  // Before a held task settles, so that nobody finds it counted twice.
  void end_wait(known_task& known);
  // True: it was queued, and is now the caller's.
  bool unqueue(task& t);
  bool take_unbegun(task& t);          // the same, or a worker had it and had not begun it
  task* take_own(std::uint32_t slot);  // what was given to the worker in this slot alone
  bool take_to_help(task& t);          // the same, to be run now
  task* take_ahead_of(const task& t);
  bool wait_for_callback(task& t, std::optional<base::time_point> until);
  // Something changed for the workers that wait for a callback: they look again. With the intake's lock.
  void nudge_callback_waiters();
  void run_here(task& t, std::uint32_t slot);
  [[nodiscard]] const retry_options& retry_of(const task& t) const;

  // --- failing.cpp
  void ask_user(const happened::attempt_failed& about, const std::exception_ptr& error);
  bool timed_out_for_now(known_task& known, const std::exception_ptr& error);
  [[nodiscard]] std::string suspect_of(const task& t, const std::exception_ptr& error) const;
  void enter_guarded(task& t);
  void leave_guarded(task& t, policy::call_end how);
  void tell_safeguards(task& t, outcome as);
  void keep_letter(task& t);
  // While a task is being admitted.
  class guarded_entry {
  public:
    guarded_entry(engine& home, task& t);
    ~guarded_entry();
    guarded_entry(const guarded_entry&) = delete;

  private:
    engine& home_;
    task_ref<> task_{};  // none where the pool has no safeguards
    int exceptions_;
  };

  template <class Error>
  [[nodiscard]] std::exception_ptr make(const task& t, const std::string& text) const {
    return std::make_exception_ptr(Error(text, subject_of(t)));
  }
  // Counts a worker as one that waits for its own pool, while it lives; throws would_deadlock where then
  // nobody is left to work. With the intake's lock.
  class blocked_worker {
  public:
    blocked_worker(engine& home, const std::string& waits_for);
    ~blocked_worker() { --home_.blocked_workers_; }
    blocked_worker(const blocked_worker&) = delete;

  private:
    engine& home_;
  };
  [[nodiscard]] std::string chain_to(task& t, std::uint32_t slot);

  settings settings_;  // plan.min and plan.max as resize has set them: guarded by the intake's lock
  std::shared_ptr<const base::clock> time_;
  std::shared_ptr<callbacks> callbacks_;
  const std::shared_ptr<log_desk> log_desk_;
  watcher watcher_;
  const std::unique_ptr<safeguards> safeguards_;  // null where no option asks for it
  intake intake_;
  far_limits far_limits_;
  bool started_ = false;  // once at least; guarded by the intake's lock
  std::vector<std::weak_ptr<detail::close_watcher>> close_watchers_{};  // guarded by the intake's lock
  std::size_t prune_watchers_at_ = 16;                                  // guarded by the intake's lock
  int blocked_workers_ = 0;                                             // guarded by the intake's lock
  policy::growth_signal growth_{};  // what the plan listens for; guarded by the intake's lock
  // What workers wait for that a callback must settle; each keeps it alive. Guarded by the intake's lock.
  std::vector<task*> callback_waiters_{};

  // The loop's own.
  plan plan_;
  std::unordered_map<task_id, known_task> known_;
  bool cancelling_all_ = false;
  bool backlog_wanted_ = false;       // hold::growth was asked for
  std::atomic<bool> may_keep_;        // written by the loop alone
  bool forced_ = false;               // the stop's deadline passed with tasks unsettled
  std::size_t cancelled_before_ = 0;  // how many were, when all were cancelled
  base::time_point now_{};            // of this round of act: one time for a decision and its consequences
  std::vector<worker_id> killed_{};   // because the pool stops; each once

  std::unique_ptr<crew> crew_;
  std::mutex starting_;  // held by who starts the pool; before all other locks
  // Written with the intake's lock, and when a life is over with notes_mutex_ (release, which pairs with
  // state).
  std::atomic<pool_state> state_{pool_state::not_started};

  mutable std::mutex notes_mutex_;
  std::thread thread_;                                       // guarded by notes_mutex_
  std::shared_ptr<life> life_;                               // guarded by notes_mutex_
  std::vector<note> notes_;                                  // guarded by notes_mutex_
  base::time_point sleeps_until_ = base::time_point::min();  // guarded by notes_mutex_; min: awake
  base::time_point look_at_ = base::never;                   // the intake, then; guarded by notes_mutex_
  std::string last_start_failure_;                           // guarded by notes_mutex_
  std::condition_variable changed_;                          // with notes_mutex_: a life's, idle
  std::unordered_map<std::uint64_t, std::optional<recycle_report>>
      recyclings_;                    // by call, with its end when that came; guarded by notes_mutex_
  std::uint64_t last_recycling_ = 0;  // guarded by notes_mutex_
  std::size_t times_idle_ = 0;        // how often that was seen; guarded by notes_mutex_

  mutable std::mutex tallies_mutex_;
  std::vector<std::unique_ptr<tally>> tallies_;  // guarded by tallies_mutex_
  std::vector<tally*> unused_tallies_;           // guarded by tallies_mutex_
  tally shared_;                                 // for threads without one, by fetch_add
  // A waiter raises it, then looks whether the pool is idle; who settles looks the other way round, with a
  // seq_cst fence between: one of them sees the other. The same for who stops the pool.
  std::atomic<int> idle_waiters_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> degraded_{false};
  std::atomic<int> wanted_{0};  // workers; written by the loop
  std::atomic<std::size_t> rejected_{0}, retried_{0}, late_{0}, dropped_{0}, waiting_{0}, workers_started_{0},
      workers_died_{0}, workers_recycled_{0}, workers_ended_{0}, quarantined_{0};

  std::mutex listeners_mutex_;
  std::vector<std::shared_ptr<listener>> listeners_;  // guarded by listeners_mutex_
  std::uint64_t last_subscription_ = 0;               // guarded by listeners_mutex_
  std::atomic<std::uint64_t> heard_{0};  // a bit for each kind of event that somebody hears; relaxed
  std::atomic<bool> failure_told_{false}, degraded_told_{false}, chooser_told_{false};  // on standard error

  // Who of this pool's workers waits for which task, for would_deadlock; and which tasks run beside the crew.
  std::mutex waits_mutex_;
  struct helped_task {
    task_ref<> ref;
    std::uint32_t slot;
  };
  std::vector<helped_task> helped_;                      // guarded by waits_mutex_
  std::unordered_map<std::uint32_t, task_ref<>> waits_;  // by slot; guarded by waits_mutex_
};

// From a start to the end of the stop after it. Guarded by notes_mutex_.
struct engine::life {
  bool ready = false;         // the first workers were
  bool drained_told = false;  // nothing is admitted any more, so once is enough
  bool finished = false;      // nothing of it is left
  bool concluded = false;     // and the last event was sent
  stop_report report{};       // since it is finished
};

// What a life has left behind, for nobody. It goes when no lock is held: with it go closures of tasks.
struct engine::leftovers {
  std::vector<note> notes{};
  std::unordered_map<task_id, known_task> known{};
};

// Where this thread is: in a worker of which engine, running which task. Set by run and run_here.
struct inside {
  engine* home = nullptr;
  std::uint32_t slot = 0;
  int depth = 0;  // tasks on this stack
  const inside* outer = nullptr;
  const task* running = nullptr;
  detail::voice* voice = nullptr;
};
inline constinit thread_local const inside* here_now = nullptr;
inline const inside* here() { return here_now; }

// The trace that t belongs to; null: none.
inline const trace_context* trace_of(const task& t) {
  return !t.names().trace.empty() ? &t.names().trace : nullptr;
}

// The slot number of threads that are no worker but run a task themselves (caller_runs).
inline constexpr std::uint32_t no_slot = task::no_worker;
// None for no_slot.
std::optional<unsigned> worker_of(std::uint32_t slot);

// Logs a line for the task that this thread runs in a pool of threads. False: it runs none.
bool log_here(log_level level, std::string_view text);

// For people: its number, and the id that its submitter gave it.
std::string name_of(const task& t);

}  // namespace muster::engine
