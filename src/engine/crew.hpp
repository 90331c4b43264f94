// SPDX-License-Identifier: MIT
#pragma once

// The seam: what the engine needs of workers of any kind. Behind it stand threads, processes, or a
// simulation; the engine never names one of them. A crew takes tasks from the engine's intake itself and
// reports to the engine how they ended, so tasks pass the engine's loop by. What it must do when the plan
// says so is in the first half.

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include <muster/stats.hpp>
#include <muster/task.hpp>

#include "engine/plan.hpp"

namespace muster::engine {

class engine;

// What became of a task that was to be taken away from its worker.
enum class revoked : std::uint8_t {
  taken_back,  // it had not begun, and never will there: the caller holds it now
  told,        // it runs; its stop token was asked to stop, where it has one
  gone,        // it is not with any worker of this crew
};

// Reads what one worker answers, in the place of the loop, for a thread that waits for one of the answers: so
// that thread alone has to wake. Belongs to that thread; it stops reading when it is destroyed.
class answer_reader {
public:
  virtual ~answer_reader() = default;
  // Sleeps while the task's outcome is what was `seen` and the worker says nothing. False: `until` came
  // first. May return for no reason.
  virtual bool sleep(std::uint32_t seen, std::optional<base::time_point> until) = 0;
  // Takes what is there; tasks settle by it. False: it is of no use here any more.
  virtual bool read() noexcept = 0;
};

class crew {
public:
  virtual ~crew() = default;

  // --- the engine's loop only

  // Called once, before anything else.
  virtual void attach(engine& owner) = 0;
  // Right before start: with which settings it is born. For crews whose workers can have others than the
  // first.
  virtual void choose(edition /*settings*/) {}
  // A recycle is over, and these settings are in force: no others are chosen any more, but those of a recycle
  // that is still to come.
  virtual void keep(edition /*in_force*/) {}
  // Brings a worker up; later engine::worker_ready, or worker_ended where it did not come up. Does not block.
  virtual void start(worker_id worker) = 0;
  // Right after start: engine::worker_worn is to be told once it has served so many tasks, and again after
  // twice as many. For crews whose workers can be worn by tasks.
  virtual void report_after(worker_id /*worker*/, std::uint64_t /*tasks*/) {}
  // It gets no more tasks and ends after those it has; later engine::worker_ended.
  virtual void retire(worker_id worker) = 0;
  // Ends it now, whatever it does; later worker_ended. Crews that cannot do it ignore it.
  virtual void kill(worker_id worker, death_cause why) = 0;
  // A signal for a worker that shall end: for itself (`why` is stopped) or for the task it has begun. Each
  // signal once; what it has not begun goes back. Crews that cannot do it ignore it.
  virtual void signal(worker_id /*worker*/, int /*number*/, death_cause /*why*/) {}
  // Looks at the health of every worker that is up.
  virtual void look(std::vector<happened::worker_looked_at>& /*seen*/) {}
  // It gets no more tasks, and what it has not begun goes back, until it is trusted.
  virtual void doubt(worker_id /*worker*/) {}
  virtual void trust(worker_id /*worker*/) {}
  // Takes a placed task back; or, with `tell`, tells a running one to stop and says on which worker.
  virtual revoked revoke(detail::task& t, bool tell, worker_id& on) = 0;
  // Every task that is with a worker.
  virtual void held(std::vector<detail::task_ref<>>& into) = 0;
  // Does this worker have this task right now?
  [[nodiscard]] virtual bool holds(worker_id worker, const detail::task& t) = 0;
  // Workers with nothing to do, and since when.
  virtual void survey(std::vector<happened::surveyed::idle_worker>& idle) = 0;
  // Sleeps until then, or until wake(), or until it has something to tell the engine, which it does before
  // returning.
  virtual void wait(base::time_point until) = 0;
  // After the plan is finished: lets go of everything. Tasks that cannot be ended are returned by id. May be
  // called again, to see whether they are still there.
  virtual std::vector<std::uint64_t> finish() = 0;
  // After a finish that returned nothing: forgets its workers, and is as it was made. Later `start` again.
  virtual void begin_again() = 0;
  // Waits for those, and for who reads answers. Called by the engine's destructor; they may report to the
  // engine meanwhile.
  virtual void join() {}

  // --- any thread

  virtual void wake() = 0;
  // So many chunks of the task's stream were taken. For crews whose workers wait to be told.
  virtual void chunks_taken(detail::task& /*t*/, std::uint64_t /*count*/) {}
  // What workers were handed and have not begun goes back; nothing begins until resumed. Not under a lock.
  virtual void call_back() {}
  // Tasks may begin again. With the intake's lock, which it may release.
  virtual void resumed(std::unique_lock<std::mutex>& intake_lock) { queued(intake_lock); }
  // A task that the task at hand of a worker has posted, where nobody has to hear of it and it need not be
  // queued: that worker may keep it for itself, to run it next. True: it is the crew's, and counted
  // (engine::count_kept). Called by that worker's thread, without a lock. For crews that run tasks in
  // threads.
  virtual bool keep_task(detail::task& /*t*/) { return false; }
  // They keep none from here on (engine::may_keep), and those that they have not begun go back to the queue.
  virtual void keep_no_tasks() {}
  // How many are kept and not begun. With the intake's lock.
  [[nodiscard]] virtual std::size_t kept() const { return 0; }
  // A task was queued. Called with the intake's lock, which it may release.
  virtual void queued(std::unique_lock<std::mutex>& intake_lock) = 0;
  // The worker in this slot is about to block: what it has taken and not begun goes back. With the intake's
  // lock.
  virtual void surrender(std::uint32_t /*slot*/) {}
  // How many workers are free for another task; 0 or less: none. With the intake's lock.
  [[nodiscard]] virtual int free_workers() const = 0;
  [[nodiscard]] bool saturated() const { return free_workers() <= 0; }
  // Workers that can be given a task of their own: those that are up or coming up.
  [[nodiscard]] virtual std::vector<worker_id> everyone() { return {}; }
  // Gives t, which is placed, to this worker alone; it runs it before what is queued. False: that worker is
  // not there any more, or told to end, and t is the caller's. What the worker does not begin any more is
  // abandoned (engine::abandon), or failed by its death.
  [[nodiscard]] virtual bool give(detail::task& /*t*/, worker_id /*to*/) { return false; }
  // The next task of its own of the worker in this slot, whose thread calls; null: none. It is the caller's.
  // With the intake's lock. For crews that run tasks in threads.
  virtual detail::task* take_own(std::uint32_t /*slot*/) { return nullptr; }
  // For a thread outside the pool that is about to sleep until t has settled; null: it just sleeps. Destroyed
  // before t. The crew waits for it in join.
  [[nodiscard]] virtual std::unique_ptr<answer_reader> reader_for(detail::task& /*t*/) { return nullptr; }
  // The workers' part of a snapshot.
  virtual void describe(stats& into) = 0;
  [[nodiscard]] virtual bool can_kill() const = 0;
};

}  // namespace muster::engine
