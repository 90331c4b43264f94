// SPDX-License-Identifier: MIT
#pragma once

// The owner's side of one worker process: its memory, its rings, its descriptors, and everything we must know
// about it without asking it: which task is in which slot, when its head began, what it last wrote to
// standard error. Belongs to the process crew; guarded by the crew's lock, but for what says otherwise.

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <muster/bytes.hpp>
#include <muster/detail/memory_block.hpp>
#include <muster/error.hpp>
#include <muster/options.hpp>
#include <muster/task.hpp>

#include "base/clock.hpp"
#include "base/file_descriptor.hpp"
#include "base/text_tail.hpp"
#include "engine/plan.hpp"
#include "ipc/last_words.hpp"
#include "ipc/reader_bell.hpp"
#include "ipc/region.hpp"
#include "ipc/reply_ring.hpp"
#include "ipc/request_ring.hpp"
#include "process/health.hpp"
#include "process/memory_limit.hpp"

namespace muster::process {

// So much is kept of what a worker writes to standard error, and a task to each of its outputs.
inline constexpr std::size_t most_kept_output = 64 * 1024;

// The settings of a worker, and the names of what it runs before its first task; 0: nothing.
struct worker_settings {
  process_options options{};
  std::uint64_t init = 0, canary = 0, check = 0, close = 0, keep_alive = 0;  // the keys of functions
};

class answer_reader;

struct worker_process {
  worker_process(engine::worker_id id, ipc::region request_memory, ipc::region reply_memory);

  // A task that was handed to the worker. The crew holds its reference until it is answered or taken back.
  struct placed {
    detail::task* task = nullptr;
    bool begun = false;          // it became one of those that run, so its run time counts
    bool handles_asked = false;  // which a worker does once
    // What is lent to it: the worker may touch it until it has answered, whatever becomes of the task.
    std::unique_ptr<std::vector<detail::block_ref>> blocks{};
    detail::block_ref arguments{};  // the same of the block where they lie; null: in none
  };
  // What came for a reply ahead of it.
  struct arrived {
    std::deque<base::file_descriptor> parcels;  // one for each reply, in order
    std::vector<base::file_descriptor> handles;
  };

  [[nodiscard]] placed& at(std::uint64_t position) { return calls[position % ipc::slot_count]; }
  // What a call prints, while that is kept.
  struct printed {
    base::file_descriptor out{}, err{};
    base::text_tail out_tail{most_kept_output}, err_tail{most_kept_output};
  };

  [[nodiscard]] std::size_t in_flight() const { return sender.in_flight(); }
  // How many calls it may have, so that enough are there to keep it busy and no more pile up behind slow
  // ones.
  [[nodiscard]] std::size_t window() const { return std::min(burst + at_once - 1, ipc::slot_count); }
  // How many more calls it may get when it shall have at most `most`. Calls that were taken back leave gaps
  // in the ring, so room in the ring is another matter than calls in flight.
  [[nodiscard]] std::size_t room(std::size_t most) const {
    return !open() || is_clogged || never_chosen || killed_for || is_being_ended || has_had_its_task() ||
                   receiver.broken() || in_flight() >= most
               ? 0
               : std::min(most - in_flight(), sender.room());
  }
  // Where several calls run at once, one that runs for long leaves more and more gaps behind it. Before they
  // fill the ring it is set aside.
  void make_room() {
    if (at_once == 1) return;
    while (sender.gaps() > ipc::slot_count / 2 && sender.set_aside()) {}
  }
  [[nodiscard]] bool open() const { return state == worker_state::idle || state == worker_state::busy; }
  [[nodiscard]] const ipc::last_words& words() const { return replies.view<ipc::reply_memory>().words; }
  [[nodiscard]] const ipc::vital_signs& signs() const { return replies.view<ipc::reply_memory>().signs; }
  [[nodiscard]] const ipc::progress_slot& progress(std::size_t of) const {
    return replies.view<ipc::reply_memory>().progress[of];
  }
  // One of those that get a single task, and it is answered or under way.
  [[nodiscard]] bool has_had_its_task() const { return one_task && (served > 0 || in_flight() > 0); }
  // Another call would begin at once: it runs fewer than it may.
  [[nodiscard]] bool is_free() const {
    return open() && in_flight() < at_once && !never_chosen && !killed_for && !is_being_ended &&
           !has_had_its_task();
  }
  // A task of its own finds it, now or when it is up.
  [[nodiscard]] bool takes_its_own() const {
    return (open() || state == worker_state::starting || state == worker_state::unhealthy) && !killed_for &&
           !is_being_ended && !leaves;
  }
  // It has begun a call.
  [[nodiscard]] bool is_at_work() { return in_flight() > 0 && sender.seen_claimed(sender.first()); }
  // Calls f(position) for each call that may run now, oldest first: it claims them in this order. Returns the
  // position of the first that has to wait; sender.next() where none has to.
  template <class F>
  std::uint64_t each_running(F f) const {
    std::uint64_t at = sender.first();
    for (std::size_t left = at_once; left > 0 && at != sender.next(); --left) {
      const std::uint64_t behind = at_once == 1 ? at + 1 : sender.after(at);
      f(at);
      at = behind;
    }
    return at;
  }
  [[nodiscard]] bool has_progress() const {
    for (std::size_t i = 0; i < at_once; ++i)
      if (ipc::has_news(progress(i), progress_seen[i])) return true;
    return false;
  }
  [[nodiscard]] std::optional<std::size_t> reported_memory() const;
  void step(engine::worker_event event);
  // After answers: how many calls keep it busy for half a millisecond.
  void measure(std::size_t answered, base::time_point now);

  engine::worker_id id;
  std::shared_ptr<const worker_settings> settings{};
  worker_state state = worker_state::starting;
  pid_t pid = 0;
  base::file_descriptor pidfd, control, error_output, bell;

  // Gone when the process surely is: see memory_block::seen_by.
  std::shared_ptr<detail::worker_token> token = std::make_shared<detail::worker_token>();
  std::vector<std::uint64_t> keeps{};  // the blocks of the pool's arena that it was sent, by their place
  std::vector<std::uint64_t> keeps_arguments{};  // and those of the memory for arguments
  std::vector<std::uint64_t> to_forget{};        // of these: it is to be told to unmap them

  ipc::region requests, replies;
  ipc::request_sender sender;
  ipc::reply_receiver receiver;
  // The thread that reads its answers instead of the loop, whose own this bell is; null: none does. And the
  // first of those in line, who would do it next. They are there as long as they are named here.
  ipc::reader_bell reader_bell;
  answer_reader* reader = nullptr;
  answer_reader* next_reader = nullptr;
  std::array<placed, ipc::slot_count> calls{};
  std::map<std::uint64_t, arrived> mail;  // by position
  // That it alone may run, and that are not in its ring: not yet, or not any more.
  std::deque<detail::task*> own{};
  // The position of the call whose descriptors it waits for.
  std::optional<std::uint64_t> handles_wanted{};
  // By position; loop only. There may be two: a worker begins its next call before we have seen its reply.
  std::map<std::uint64_t, printed> printing{};
  std::array<std::uint32_t, ipc::most_at_once> progress_seen{};  // loop only: the versions last read

  std::size_t at_once = 1;        // calls that it runs at the same time
  std::size_t burst = 1;          // see window
  duration per_call{};            // smoothed; 0: unknown
  base::time_point head_since{};  // when its oldest call could begin
  base::time_point next_since{};  // where several run at once: when the last that can begin could
  base::time_point idle_since{};
  bool counted_busy = false;      // among process_crew::busy_
  base::time_point busy_since{};  // when its first call could begin, while it has any
  duration busy_time{};           // before that
  base::time_point born{};
  bool fresh = false;        // it got calls and was not rung for yet
  bool counts_free = false;  // among the crew's idle_workers_
  std::size_t served = 0;
  std::optional<std::uint64_t> worn_after{};  // so many served are to be told
  bool worn_told = false;                     // once; the next time it is overdue
  // Loop only: when its memory is looked at again, if it has served since.
  base::time_point memory_due{};
  std::size_t memory_seen_at = 0;  // as many it had served
  duration cpu_used{};             // loop only: as last seen
  bool had_tasks = false;
  bool one_task = false;      // lifetime::per_task
  bool never_chosen = false;  // its weight is 0
  bool stopping_told = false;
  bool is_clogged = false;   // its socket was full of what it was lent: it has to answer first
  bool broken_told = false;  // that its control socket broke
  std::optional<base::time_point> silent_since{};  // it has closed its control socket, or is dying
  std::optional<death_cause> killed_for{};
  // The signals by which it shall end, before it is killed: why it got them, which (bit n - 1 is signal n)
  // since it was to be ended this time, and which ever. It is no longer when its task has ended after all.
  bool is_being_ended = false;
  death_cause signalled_for{};
  std::uint64_t signals_now = 0, signals_ever = 0;
  std::optional<base::time_point>
      answer_due{};                     // loop only: it was asked where it is, and is killed then or before
  int after_answer = 0;                 // loop only: the signal it gets then; 0: SIGKILL
  bool was_asked = false;               // loop only
  std::string no_answer{};              // loop only: why it did not say where it was
  std::string detail{};                 // of the death: what it violated, why it did not come up
  bool has_said_why = false;            // it told the reason of its end itself
  health vitals{};                      // loop only
  std::uint32_t last_ping = 0;          // loop only
  int failed_looks = 0;                 // in a row
  std::string ailment{};                // what the last failed look saw
  bool told_unwell = false;             // it said so; once is enough
  bool leaves = false;                  // it said that it ends after its present call
  std::size_t errors = 0;               // of those served
  std::optional<std::size_t> memory{};  // bytes of its own, when that was last looked at
  base::text_tail tail{most_kept_output};
  std::optional<memory_limit> limit{};
};

}  // namespace muster::process
