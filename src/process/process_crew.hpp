// SPDX-License-Identifier: MIT
#pragma once

// Workers that are processes. A submitter places its task straight into a worker's ring when one has room;
// the engine's loop thread takes the replies, settles the tasks, and refills the rings. How a call crosses is
// told in docs/internals/process-protocol.md, where workers come from in docs/internals/zygote.md.
//
// Two rules keep it simple. One lock, the crew's, guards all workers; it is never held while user code runs,
// and taken before the intake's. And the loop thread alone starts workers and lets go of them, so only what
// it shares with submitters, placing and taking back, needs the lock.

#include <atomic>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <muster/options.hpp>

#include "base/file_descriptor.hpp"
#include "base/socket.hpp"
#include "base/standard_error.hpp"
#include "engine/crew.hpp"
#include "engine/engine.hpp"
#include "ipc/arena.hpp"
#include "ipc/board.hpp"
#include "ipc/loop_bell.hpp"
#include "ipc/messages.hpp"
#include "ipc/region.hpp"
#include "module/function_key.hpp"
#include "module/symbols.hpp"
#include "policy/choose.hpp"
#include "policy/throttle.hpp"
#include "process/worker_process.hpp"
#include "process/zygote_link.hpp"

namespace muster::process {

using engine::worker_id;

// How long we wait for what a worker does in microseconds when it can. Read when a crew is made; tests change
// it before, on the same thread.
struct patience {
  // A worker takes its next call when it is rung for. One that has not after so long is stopped, starved or
  // ruined; its calls have not begun, so ending it loses nothing.
  duration claim = std::chrono::seconds(10);
  // Until a worker that is to be killed for being late has said where it is.
  duration answer = std::chrono::milliseconds(100);
};
inline patience usual_patience;

class process_crew final : public engine::crew {
public:
  // Throws not_ready when the memory or descriptors for it cannot be had, or init names no function.
  explicit process_crew(const process_options& options);
  ~process_crew() override = default;

  // Names functions for calls of this pool. Any thread.
  [[nodiscard]] module::module_table& names() { return names_; }

  // Whose blocks workers keep. Once, before the engine starts.
  void lend_from(std::shared_ptr<ipc::arena> memory) { arena_ = std::move(memory); }

  // For the next recycle: what its new workers are born with. `canary` may be null. One call at a time;
  // forgets all editions but this one and the one in force. Throws invalid_options when a function has no
  // name.
  engine::edition add_edition(const process_options& options, void (*canary)());
  [[nodiscard]] engine::edition in_force();

  void attach(engine::engine& owner) override {
    owner_ = &owner;
    chooses_.dice = base::random(owner.chosen().plan.seed);
  }
  void choose(engine::edition settings) override { chosen_ = settings; }
  void keep(engine::edition in_force) override;
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
  void wait(base::time_point until) override;
  std::vector<std::uint64_t> finish() override;
  void begin_again() override;

  void wake() override;
  void call_back() override;
  void queued(std::unique_lock<std::mutex>& intake_lock) override;
  [[nodiscard]] int free_workers() const override { return idle_workers_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::vector<worker_id> everyone() override;
  [[nodiscard]] bool give(detail::task& t, worker_id to) override;
  void describe(stats& into) override;
  void chunks_taken(detail::task& t, std::uint64_t count) override;
  [[nodiscard]] std::unique_ptr<engine::answer_reader> reader_for(detail::task& t) override;
  void join() override;
  [[nodiscard]] bool can_kill() const override { return true; }

private:
  friend class answer_reader;
  using worker_ref = std::shared_ptr<worker_process>;
  // The crew's lock. Letting go of it pumps, if somebody wanted to and found it taken.
  class locked {
  public:
    explicit locked(process_crew& crew) : crew_(crew), lock_(crew.mutex_) {}
    ~locked() {
      lock_.unlock();
      if (crew_.pump_wanted_.load()) crew_.pump();
    }
    locked(const locked&) = delete;

  private:
    process_crew& crew_;
    std::unique_lock<std::mutex> lock_;
  };
  enum class source : std::uint8_t { wake, zygote, control, error_output, bell, task_output };

  // What a worker answered, taken out of its ring and not yet told to anybody.
  struct answer_taken {
    detail::task* task;
    ipc::reply_status status;
    detail::bytes payload;
    std::vector<base::file_descriptor> handles;
    std::unique_ptr<task_output> output;
    worker_id worker;
    bool has_memory_limit = false;
    bool names_blocks = false;
  };
  // Progress that was read and not yet told.
  struct progress_read {
    detail::task_ref<> task;
    double fraction;
    std::string text;
  };

  // --- dispatch.cpp: the way of a task
  void pump();  // fills rings, by this thread or whoever holds the lock
  void fill();  // with the lock
  [[nodiscard]] std::size_t most_each(const worker_process& w) const;  // with the lock
  void ring(std::vector<worker_ref>& to_wake);                         // with the lock: who got calls
  // The user's chooser places them. With the lock, which it lets go meanwhile.
  void fill_as_told(std::unique_lock<std::mutex>& lock);
  [[nodiscard]] bool anything_waits();
  [[nodiscard]] std::size_t may_begin() const;     // with the lock
  bool place(worker_process& w, detail::task& t);  // with the lock; false: it could not be sent
  [[nodiscard]] static bool is_for_later(const worker_process& w, int code);
  bool send_parcel(worker_process& w, std::uint64_t position, std::span<const std::byte> payload,
                   std::string& problem);
  [[nodiscard]] std::optional<std::size_t> waits_for(const detail::task& t) const;  // with the lock; a slot
  [[nodiscard]] static bool stays(const worker_process::placed& call);              // with the lock
  void place_own();                                                                 // with the lock
  std::vector<detail::task*> empty_own(worker_process& w);                          // with the lock
  void abandon_own(std::vector<detail::task*>& own);                                // not with it
  void recall_for(const detail::task& next);                                        // with the lock
  void steal();                                                                     // with the lock
  detail::task* take_back(worker_process& w, std::uint64_t position);               // with the lock
  void note_running(worker_process& w);                                             // with the lock
  void note_load(worker_process& w);                                                // with the lock
  void note_busy(worker_process& w);                                                // with the lock
  void note_free(worker_process& w);                                                // with the lock
  void note_served(worker_process& w, std::size_t answered);                        // with the lock

  // --- blocks.cpp: the memory that is lent to calls; all with the lock
  [[nodiscard]] static std::shared_ptr<const detail::worker_token> bound_to(const detail::task& t);
  [[nodiscard]] std::optional<std::size_t> slot_of(const detail::worker_token& token) const;
  [[nodiscard]] bool is_kept(const detail::memory_block& block) const;
  [[nodiscard]] std::vector<std::byte> with_blocks(const std::vector<detail::block_ref>* lent,
                                                   const detail::memory_block* arguments,
                                                   std::size_t argument_bytes,
                                                   std::span<const std::byte> payload) const;
  // False: why is in `problem`.
  bool make_exclusive(worker_process& w, std::span<detail::block_ref> blocks, std::string& problem);
  // The same; where nothing is there, its socket is full, and it has to read first.
  bool show(worker_process& w, std::uint64_t position, std::span<const detail::block_ref> blocks,
            std::string& problem);
  [[nodiscard]] std::optional<std::size_t> seer_of(const detail::crossing_call& call) const;
  detail::block_ref block_for(worker_process& w, const detail::bytes& arguments);
  bool show_arguments(worker_process& w, std::uint64_t position, detail::memory_block* block,
                      std::string& problem);
  bool send_kept(worker_process& w, std::uint64_t position, const ipc::kept_block& about,
                 const detail::memory_block* block, std::string& problem);
  bool send_block(worker_process& w, const ipc::control_message& message, std::string_view text,
                  std::span<const int> files, std::string& problem);

  // --- replies.cpp
  // Who takes replies: the loop takes all, a thread that waits for one only what needs nothing of the loop's.
  enum class taker : std::uint8_t { loop, waiter };
  bool drain(worker_process& w);                      // takes all replies; true: there were some
  static constexpr std::size_t most_at_a_time = 256;  // taken, before those that they answer are told
  // With the lock: up to so many of them, and the worker gets what it may have in their place. False: the
  // next one is left to the loop.
  bool take_answers(worker_process& w, taker by, std::vector<answer_taken>& answers,
                    std::optional<ipc::violation>& broken, std::vector<worker_ref>& to_wake);
  // With the lock. `none`: there is no whole reply; `broken` says where that is a violation.
  enum class took : std::uint8_t { one, none, left };
  took take_answer(worker_process& w, taker by, answer_taken& into, std::optional<ipc::violation>& broken);
  [[nodiscard]] static bool needs_loop(worker_process& w, const ipc::reply& r);  // with the lock
  std::optional<ipc::violation> take_chunk(worker_process& w, const ipc::reply& r, answer_taken& into);
  std::optional<ipc::violation> take_parcel(worker_process& w, const ipc::reply& r, answer_taken& into);
  std::optional<ipc::violation> take_mail(worker_process& w, const ipc::reply& r, answer_taken& into);
  void tell(answer_taken& answer);
  [[nodiscard]] death near_death(worker_id id, const error_subject& subject);
  void violated(worker_process& w, const std::string& what);

  // --- answer_reader.cpp: a thread that waits for an answer takes it itself
  [[nodiscard]] bool may_be_read() const;
  bool sit_down(worker_process& w,
                answer_reader& who);  // with the lock; false: there is one, or there shall be none
  void get_up(worker_process& w, answer_reader& who);
  bool read_answers(worker_process& w, answer_reader& who);
  static void one_less(std::atomic<int>& count);
  static void wait_for_none(std::atomic<int>& count);

  // --- looks.cpp: whether workers are well
  // Reads files, so not under the lock.
  struct seen_from_outside {
    worker_ref worker;
    bool may_have_grown;  // it did something since the last look
    char state;
    std::uint64_t ticks;
    std::optional<std::size_t> memory;
  };
  [[nodiscard]] std::vector<seen_from_outside> look_from_outside();
  std::string look_at(const seen_from_outside& seen, base::time_point now);  // with the lock; what is wrong
  bool on_unwell(worker_process& w, const std::string& why);   // with the lock; false: it may not say that
  bool on_leaving(worker_process& w, const std::string& why);  // the same

  // --- process_crew.cpp and deaths.cpp: the life of a worker
  bool connect(std::string& problem);
  [[nodiscard]] worker_settings named(const process_options& options, void (*canary)());
  std::expected<worker_ref, std::string> make(worker_id id, spawn_request& request);
  // `not_yet`: prepared, so that `from_now` cannot fail later. `edge`: told of once, for nobody reads it
  // empty.
  enum class watched : std::uint8_t { always, edge, not_yet, from_now };
  // False: it could not, and errno says why.
  [[nodiscard]] bool watch(int descriptor, source what, worker_id whose, watched how = watched::always);
  // Fills snapshot_ with those that live, and finds those that do not take their calls. Returns until when to
  // sleep.
  base::time_point look_at_workers(base::time_point until);
  // Tells of workers that have more memory than they should after what they served. Returns until when to
  // sleep.
  base::time_point look_at_memory(base::time_point until);
  base::time_point send_what_is_wanted(base::time_point until);
  // Looks how much of the processors the workers have used, and holds tasks back or lets them go. Returns
  // until when to sleep.
  base::time_point look_at_processors(base::time_point until);
  void on_event(source what, std::uint32_t slot, std::uint32_t generation);
  void on_zygote();
  void on_started(started& news);
  void on_ended(std::uint32_t slot, std::uint32_t generation, const ended* status, std::string problem);
  void on_lost();
  void on_control(worker_process& w);  // with the lock
  // With the lock; what it says is a violation where that is told.
  std::optional<std::string> on_message(worker_process& w, base::received_message& got,
                                        std::span<const std::byte> bytes);
  std::optional<std::string> on_handles(worker_process& w, std::uint64_t position,
                                        std::vector<base::file_descriptor> handles);
  // With the lock: sends those that are wanted. False: the socket is full now.
  bool send_handles(worker_process& w);
  void break_off(worker_process& w, std::string what);  // with the lock: it broke the protocol
  void note_broken(worker_process& w, int code);        // with the lock: its socket failed
  std::optional<std::string> on_line(worker_process& w, const ipc::control_message& message,
                                     std::string_view body);
  void take_progress(worker_process& w);  // with the lock
  void note_progress(worker_process& w, std::uint64_t position, double fraction, std::string text);
  void deliver();  // what tasks said; not under a lock
  void tell_of_broken();

  // --- output.cpp: what tasks print. The loop only.
  bool open_output(worker_process& w, std::uint64_t position, std::vector<base::file_descriptor>& ends);
  void read_output(worker_process& w);
  void read_output(worker_process& w, worker_process::printed& printed);
  std::unique_ptr<task_output> finish_output(worker_process& w, std::uint64_t position);
  void keep_output(detail::task& t, worker_id on, std::unique_ptr<task_output> printed);
  void read_error_output(worker_process& w);
  bool ask_where_it_is(worker_process& w);  // false: it cannot say
  base::time_point end_those_asked();       // who answered, or did not in time; until when the others may
  bool doom(worker_process& w, death_cause why);  // with the lock: it is to be killed; false: it was already
  void take_back_all(worker_process& w);          // with the lock: what it has not begun
  void end(worker_process& w);                    // SIGKILL
  [[nodiscard]] death report(worker_process& w, const ended* status) const;  // with the lock
  [[nodiscard]] static std::string limit_met(const limit_options& limits, const death& how,
                                             const ended& status);
  void explain(worker_process& w, death& how);  // where it was
  std::shared_ptr<const death> settle_lost(worker_process& w, death how);
  [[nodiscard]] worker_ref find(std::uint32_t slot, std::uint32_t generation);

  const process_options options_;  // what recycle may change is in the editions
  const std::size_t at_once_;      // calls that a worker runs at the same time
  const patience patience_ = usual_patience;
  module::symbols symbols_;  // loop only
  engine::engine* owner_ = nullptr;
  ipc::region board_memory_;
  ipc::board& board_;
  module::module_table names_;
  engine::edition chosen_ = 0;    // loop only
  engine::edition in_force_ = 0;  // guarded by mutex_, as are these
  engine::edition last_edition_ = 0;
  std::map<engine::edition, std::shared_ptr<const worker_settings>> editions_;
  ipc::loop_bell_waiter bell_;  // loop only
  base::file_descriptor epoll_, wake_;
  std::optional<zygote_link> link_;  // loop only
  bool link_lost_ = false;           // loop only

  std::mutex mutex_;
  std::vector<worker_ref> workers_;  // by slot; guarded by mutex_; null where there never was one
  policy::chooser_memory chooses_;   // guarded by mutex_
  chooser chooser_;                  // the user's; guarded by mutex_, called by one thread at a time without
  bool asking_ = false;              // that thread is about it; guarded by mutex_
  bool asked_meanwhile_ = false;     // something has changed since it began; guarded by mutex_
  int lowest_placed_ =
      std::numeric_limits<int>::max();    // no placed task has a lower priority; guarded by mutex_
  std::size_t busy_ = 0, peak_busy_ = 0;  // workers with calls; guarded by mutex_, as are these
  std::size_t served_before_ = 0;         // by workers that were replaced
  duration busy_before_{};                // the same
  std::atomic<int> idle_workers_{0};      // those that are free (is_free); written with the lock
  std::atomic<bool> pump_wanted_{false};  // seq_cst: who fails to get the lock leaves the work to its holder
  // Tasks that could not be sent, to be failed once the lock is let go; guarded by mutex_.
  std::vector<std::pair<detail::task*, std::exception_ptr>> refused_;
  std::shared_ptr<ipc::arena> arena_;  // constant once tasks come
  // Tokens of workers that nobody saw end: loop only.
  std::vector<std::shared_ptr<const detail::worker_token>> never_seen_dead_;
  std::atomic<bool> held_back_{false};  // no task begins; written by the loop, which pumps when it falls
  std::optional<policy::throttle> throttle_;  // loop only, and what follows
  base::time_point processors_due_ = base::time_point::min();
  duration cpu_used_before_{};                            // by workers that are gone
  std::atomic<duration::rep> cpu_used_{0};                // by all; written by the loop (relaxed)
  base::standard_error standard_error_;                   // where theirs goes on to; the loop's own
  std::string limit_means_;                               // guarded by mutex_
  std::vector<std::pair<worker_ref, const char*>> deaf_;  // loop only: see look_at_workers; and why
  // Guarded by mutex_. A submitter that gives an idle worker a call wakes a loop that sleeps for longer than
  // it takes to see whether the call was begun. The loop therefore sleeps for no longer while calls are
  // given, and so is woken at most once in that time.
  base::time_point sleeps_until_ = base::time_point::min();
  bool gave_calls_ = false;
  std::vector<worker_ref> snapshot_;  // loop only: reused by wait
  int rounds_without_events_ = 0;     // loop only: since it looked at its descriptors
  // Loop only: what tasks said, to be delivered once the lock is let go; lines up to a bound.
  std::vector<log_line> lines_;
  std::uint64_t lines_dropped_ = 0;
  std::vector<progress_read> progress_;
  // Sockets that failed, by the name of the error; guarded by mutex_. And whether there are any: relaxed.
  std::vector<std::pair<std::string, worker_id>> broken_;
  std::atomic<bool> any_broken_{false};
  bool calls_under_way_ = false;  // loop only: when that was filled
  std::atomic<int> readers_{0};   // threads that read answers, or would
  std::atomic<int> telling_{0};   // of these: those that have answers in hand which are not told yet
};

}  // namespace muster::process
