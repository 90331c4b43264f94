// SPDX-License-Identifier: MIT
#pragma once

/// The record of one task: what a pool, its workers and a future share. Users never name it.
///
/// One allocation holds everything: the links of the queue, the outcome, the function with its arguments, the
/// result. It is counted by reference: the pool holds one reference until the task has settled, a future
/// another.
///
/// Who may touch what:
///
/// - constant after submit: ops, id, priority, the marks, home, extras (the pointer)
/// - the holder only: next, previous; and it alone writes state, attempt and worker. The holder is the queue
///   (under its lock), then the worker or crew that took the task, then the engine's loop while it waits for
///   another attempt.
/// - any thread: outcome, references, continuations
///
/// Settling once: whoever sets `outcome_claimed` first may write the value or the error, then sets
/// `outcome_settled` (release), which pairs with the acquire in settled(). Everyone else is late and is
/// counted as such.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <typeinfo>
#include <utility>
#include <vector>

#include <muster/handle.hpp>
#include <muster/options.hpp>
#include <muster/trace.hpp>

namespace muster {
class context;
}

namespace muster::detail {

using time_point = std::chrono::steady_clock::time_point;
/// Without overflow: the longest time there is ends at the end of time.
inline time_point from_now(duration longest) {
  const auto now = std::chrono::steady_clock::now();
  return longest >= time_point::max() - now ? time_point::max() : now + longest;
}
struct task;
class progress_desk;  // engine/progress_desk.hpp
class chunk_line;     // muster/detail/chunk_line.hpp
struct memory_block;  // muster/buffer.hpp

/// Bytes owned by a task: an encoded call, later its encoded result. Short ones are stored in place, long
/// ones in memory of std::malloc or in a block that worker processes can be shown.
class bytes {
public:
  bytes() noexcept : in_place_{} {}
  explicit bytes(std::span<const std::byte> content) : bytes() { assign(content); }
  bytes(bytes&& other) noexcept : bytes() { steal(other); }
  bytes& operator=(bytes&& other) noexcept {
    if (this != &other) {
      reset();
      steal(other);
    }
    return *this;
  }
  bytes(const bytes&) = delete;
  bytes& operator=(const bytes&) = delete;
  ~bytes() { reset(); }

  void assign(std::span<const std::byte> content) {
    std::byte* to = resize(content.size());
    if (!content.empty()) std::memcpy(to, content.data(), content.size());
  }
  /// Room for `size` bytes, with whatever is in it. At most 4 GiB - 1.
  std::byte* resize(std::size_t size) {
    if (size <= sizeof(in_place_)) {
      reset();
      size_ = static_cast<std::uint32_t>(size);
      return in_place_;
    }
    auto* const memory = static_cast<std::byte*>(std::malloc(size));
    if (memory == nullptr) throw std::bad_alloc();
    adopt(memory, size);
    return memory;
  }
  /// Takes over `size` bytes, more than fit in place, of memory from std::malloc.
  void adopt(std::byte* memory, std::size_t size) noexcept {
    reset();
    heap_ = memory;
    size_ = static_cast<std::uint32_t>(size);
  }
  /// Shares a block with so many bytes, more than fit in place, that begin at `at`.
  void share(std::shared_ptr<memory_block> block, const std::byte* at, std::size_t size) noexcept {
    reset();
    std::construct_at(&shared_, shared{std::move(block), at});
    size_ = static_cast<std::uint32_t>(size);
    is_shared_ = true;
  }
  [[nodiscard]] std::span<const std::byte> view() const noexcept {
    return {is_shared_ ? shared_.at : size_ > sizeof(in_place_) ? heap_ : in_place_, size_};
  }
  /// Where they lie; null: in no block.
  [[nodiscard]] const std::shared_ptr<memory_block>* block() const noexcept {
    return is_shared_ ? &shared_.block : nullptr;
  }

private:
  struct shared {
    std::shared_ptr<memory_block> block;
    const std::byte* at;
  };
  void reset() noexcept {
    if (is_shared_)
      std::destroy_at(&shared_);
    else if (size_ > sizeof(in_place_))
      std::free(heap_);
    is_shared_ = false;
    size_ = 0;
  }
  void steal(bytes& other) noexcept {
    if (other.is_shared_) {
      std::construct_at(&shared_, std::move(other.shared_));
      std::destroy_at(&other.shared_);
    } else if (other.size_ > sizeof(in_place_)) {
      heap_ = other.heap_;
    } else {
      std::memcpy(in_place_, other.in_place_, sizeof(in_place_));
    }
    size_ = std::exchange(other.size_, 0U);
    is_shared_ = std::exchange(other.is_shared_, false);
  }
  union {
    std::byte in_place_[24];
    std::byte* heap_;
    shared shared_;
  };
  std::uint32_t size_ = 0;
  bool is_shared_ = false;
};

/// A call as it crosses to another process: the keys of its code there, and the encoded arguments.
struct crossing_call {
  std::uint64_t thunk = 0;
  std::uint64_t target = 0;
  bytes data{};  // arguments; once answered, the result
  /// The descriptors beside `data`; null: none. Those of the arguments go when the worker has them and the
  /// task cannot run again, at the latest when it settles. Written by the loop or the task's holder.
  std::unique_ptr<std::vector<unique_fd>> handles{};
  /// The memory that is lent to it; null: none ever was. Of a result what it names is among these. Emptied
  /// when the task settles without naming any. Written by the loop or the task's holder.
  std::unique_ptr<std::vector<std::shared_ptr<memory_block>>> blocks{};
};

/// How a run in this process ended: the task was claimed and its value is stored; it came too late and its
/// value is dropped; it threw.
enum class ran : std::uint8_t { stored, late, threw };

/// What a pool does with a task's type, which it does not know.
struct task_ops {
  /// Runs it in this thread; `error` is set when it threw. The caller publishes.
  /// `again` means that it may have to run once more, so arguments are copied, not moved. Null where it
  /// cannot.
  ran (*run)(task&, context&, bool again, std::exception_ptr& error) = nullptr;
  /// Moves the result into `*static_cast<std::optional<T>*>(out)`; may throw decode_error.
  void (*take)(task&, void* out) = nullptr;
  /// The call to send to another process. Null where it cannot.
  crossing_call& (*call)(task&) = nullptr;
  void (*destroy)(task*) noexcept = nullptr;
  /// A new task of the same function with the same arguments, which this one gives up: it has settled, and
  /// nobody runs it. Null where it cannot.
  task* (*again)(task&) = nullptr;
  const std::type_info* result = nullptr;
};

enum class task_state : std::uint8_t { queued, placed, running, waiting, settled };

/// Something to run when a task has settled; runs once, on the executor of the task's pool, and frees itself.
/// With `at_once` it runs where the task settles instead: only for our own few instructions that never block.
struct continuation {
  continuation* next = nullptr;
  void (*run)(continuation*, task&) noexcept = nullptr;
  bool at_once = false;
};

/// What a task needs of its pool. Every function may be called from any thread.
class task_home {
public:
  virtual void cancel(task&) = 0;
  virtual void dispatch(continuation*, task&) = 0;
  /// So many chunks of the task's stream were taken.
  virtual void chunks_taken(task&, std::uint64_t) = 0;

protected:
  ~task_home() = default;
};

/// How a task passed a circuit breaker: in which of its periods, and whether on trial. Period 0: it did not.
struct breaker_ticket {
  std::uint64_t period = 0;
  bool probe = false;
};

/// Where a task is among those whose limits are far away: see engine/far_limits.hpp, whose lock guards it.
struct far_limit {
  std::int64_t bucket = 0;
  bool is_in = false;
  task* next = nullptr;
  task* previous = nullptr;
};

/// Memory for tasks that one thread makes and another one ends. Any thread may call.
void* allocate_task(std::size_t bytes);
void free_task(void* p, std::size_t bytes) noexcept;

/// What tells a task from others.
struct task_names {
  std::string id{};
  std::string label{};
  trace_context trace{};
  std::string key{};  // constant after submit
};
extern const task_names no_names;

/// For task::reported. `began` is relaxed: written where an attempt begins, which can be while the task
/// settles by a deadline; 0: never began. The next three are written before the task is published, the others
/// by the holder.
struct task_times {
  std::atomic<time_point::rep> began{0};
  time_point ended{};
  std::uint32_t ran_on = 0;
  std::uint16_t attempts = 0;
  bool report = false;                      // future::report was asked for
  bool wait_is_noted = false;               // its wait was counted
  time_point submitted{}, attempt_began{};  // where it is measured
};

/// Only tasks that use them pay for these. What is seldom used is kept elsewhere: the thread that submits and
/// the one that runs pass these between their caches.
struct task_extras {
  static void* operator new(std::size_t bytes) { return allocate_task(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { free_task(p, bytes); }

  std::optional<duration> queue_timeout{};
  std::optional<duration> run_timeout{};
  std::optional<time_point> start_by{};  // both: constant after submit
  std::optional<time_point> settle_by{};
  far_limit far{};
  std::stop_source stop{std::nostopstate};  // set where the function takes a stop token
  std::stop_token outer_stop{};
  struct cancel_task {
    task* target;
    void operator()() const;
  };
  std::optional<std::stop_callback<cancel_task>> on_outer_stop{};
  std::unique_ptr<retry_options> retry{};  // instead of the pool's
  std::unique_ptr<task_names> named{};
  std::unique_ptr<task_times> times{};  // for task::reported, which goes with it
  // For task::captured: written before the task is published, by who settles it.
  muster::capture capture = muster::capture::off;
  std::unique_ptr<task_output> output{};
  std::shared_ptr<progress_desk> progress{};  // for task::tells_progress
  std::shared_ptr<chunk_line> chunks{};       // of a stream
  std::optional<std::uint32_t> only_on{};     // of a broadcast: the slot of the one worker that may run it
  bool shares_error = false;                  // others than its future read it
  std::size_t bytes = 0;                      // constant after submit
  bool holds_key = false;  // it is not parked with its key, and over for it; guarded by the intake's lock
  // Of the breakers of the pool and of the label. Guarded by safeguards' lock.
  breaker_ticket pool_ticket{}, label_ticket{};
};

struct task {
  static void* operator new(std::size_t bytes) { return allocate_task(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { free_task(p, bytes); }
  static void* operator new(std::size_t bytes, std::align_val_t to) { return ::operator new(bytes, to); }
  static void operator delete(void* p, std::size_t bytes, std::align_val_t to) noexcept {
    ::operator delete(p, bytes, to);
  }

  // Bits of outcome: how the task ends, and who is to hear of it; then its marks, which do not change after
  // submit; those from outcome_nudged up count how often waiters were told to look again.
  static constexpr std::uint32_t outcome_claimed = 1, outcome_settled = 2, outcome_waited_for = 4,
                                 outcome_continued = 8, outcome_nudged = 1U << 12U;
  // The marks: it has no future; its function takes a stop token; the plan knows it; its times are taken, for
  // future::report or because it is measured; it is the result of `then`, which no queue and no worker ever
  // has; descriptors go with it; what it prints is kept; somebody wants its progress.
  static constexpr std::uint32_t is_post = 1U << 4U, wants_stop = 1U << 5U, watched = 1U << 6U,
                                 reported = 1U << 7U, is_continuation = 1U << 8U, has_handles = 1U << 9U,
                                 captured = 1U << 10U, tells_progress = 1U << 11U;

  explicit task(const task_ops& operations) : ops(&operations) {}
  task(const task&) = delete;
  task& operator=(const task&) = delete;

  [[nodiscard]] bool settled() const noexcept {
    return (outcome.load(std::memory_order_acquire) & outcome_settled) != 0;
  }
  [[nodiscard]] const task_names& names() const noexcept {
    return extras && extras->named ? *extras->named : no_names;
  }
  // These three make what is not there.
  task_extras& own_extras() {
    if (!extras) extras = std::make_unique<task_extras>();
    return *extras;
  }
  task_names& own_names() {
    auto& named = own_extras().named;
    if (!named) named = std::make_unique<task_names>();
    return *named;
  }
  task_times& own_times() {
    auto& times = own_extras().times;
    if (!times) times = std::make_unique<task_times>();
    mark(reported);
    return *times;
  }
  /// True for exactly one caller: it may write the outcome and must then call publish.
  bool claim() noexcept {
    return (outcome.fetch_or(outcome_claimed, std::memory_order_acq_rel) & outcome_claimed) == 0;
  }

  /// It has one of these marks.
  [[nodiscard]] bool is(std::uint32_t marks) const noexcept {
    return (outcome.load(std::memory_order_relaxed) & marks) != 0;
  }
  /// Before it is submitted.
  void mark(std::uint32_t marks) noexcept {
    outcome.store(outcome.load(std::memory_order_relaxed) | marks, std::memory_order_relaxed);
  }

  void set_id(std::uint64_t number) noexcept { id = number & ((std::uint64_t{1} << 48U) - 1); }

  // All of these: written by the holder, a hint to others.
  [[nodiscard]] task_state state() const noexcept {
    return static_cast<task_state>(stage_.load(std::memory_order_relaxed) & state_mask);
  }
  void set_state(task_state to) noexcept {
    const std::uint32_t attempts = stage_.load(std::memory_order_relaxed) & ~state_mask;
    stage_.store(static_cast<std::uint16_t>(attempts | static_cast<std::uint32_t>(to)),
                 std::memory_order_relaxed);
  }
  /// How often it has begun. At most 8,191; no options allow more than 1,000 attempts.
  [[nodiscard]] int attempt() const noexcept { return stage_.load(std::memory_order_relaxed) >> state_bits; }
  void count_attempt() noexcept { add_to_stage(1U << state_bits); }
  void take_back_attempt() noexcept { add_to_stage(~0U << state_bits); }
  /// The slot of the worker that has it, or had it last.
  [[nodiscard]] std::uint32_t worker() const noexcept {
    const std::uint16_t slot = worker_.load(std::memory_order_relaxed);
    return slot == nobody ? no_worker : slot;
  }
  void set_worker(std::uint32_t slot) noexcept {
    worker_.store(static_cast<std::uint16_t>(slot), std::memory_order_relaxed);
  }
  /// The slot of threads that are no worker.
  static constexpr std::uint32_t no_worker = ~std::uint32_t{0};

  // The first cache line has what each task needs that is submitted, runs and succeeds; all 80 bytes, with 48
  // of the function, make two lines.
  const task_ops* ops;
  task* next = nullptr;
  task* previous = nullptr;  // of a continuation: the task it goes on from, which it keeps
  task_home* home = nullptr;
  std::unique_ptr<task_extras> extras{};
  std::uint64_t id : 48 = 0;  // enough for 3 years of 3 million tasks a second
  std::atomic<std::uint16_t> references{1};
  std::atomic<std::uint32_t> outcome{0};  // also the word that waiters sleep on
  std::int32_t priority = 0;
  std::uint32_t queued_at = 0;  // since when it waits, see queue/lanes.hpp; written before it is queued

private:
  static constexpr unsigned state_bits = 3;
  static constexpr std::uint32_t state_mask = (1U << state_bits) - 1;
  static constexpr std::uint16_t nobody = 0xffff;
  void add_to_stage(std::uint32_t what) noexcept {
    stage_.store(static_cast<std::uint16_t>(stage_.load(std::memory_order_relaxed) + what),
                 std::memory_order_relaxed);
  }
  std::atomic<std::uint16_t> stage_{0};  // the state, and how many attempts
  std::atomic<std::uint16_t> worker_{0};

public:
  std::exception_ptr error{};  // written by the claimer before publish; moved on, so that its reader ends it
  std::atomic<continuation*> continuations{nullptr};  // pushed by then/co_await, taken whole at publish
};
static_assert(sizeof(task) == 80 || sizeof(void*) != 8);

inline void acquire(task& t) noexcept { t.references.fetch_add(1, std::memory_order_relaxed); }
inline void release(task& t) noexcept {
  if (t.references.fetch_sub(1, std::memory_order_acq_rel) == 1) t.ops->destroy(&t);
}

/// Holds one reference to a task.
template <class Task = task>
class task_ref {
public:
  task_ref() = default;
  /// Takes over the reference that the caller holds.
  static task_ref adopt(Task* t) { return task_ref(t); }
  static task_ref share(Task& t) {
    acquire(t);
    return task_ref(&t);
  }
  task_ref(task_ref&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  task_ref(const task_ref& other) noexcept : task_(other.task_) {
    if (task_ != nullptr) acquire(*task_);
  }
  task_ref& operator=(task_ref other) noexcept {
    std::swap(task_, other.task_);
    return *this;
  }
  ~task_ref() {
    if (task_ != nullptr) detail::release(*task_);
  }
  Task* operator->() const noexcept { return task_; }
  Task& operator*() const noexcept { return *task_; }
  [[nodiscard]] Task* get() const noexcept { return task_; }
  Task* release() noexcept { return std::exchange(task_, nullptr); }
  explicit operator bool() const noexcept { return task_ != nullptr; }

private:
  explicit task_ref(Task* t) : task_(t) {}
  Task* task_ = nullptr;
};

/// After claim and after the outcome was written: makes it visible, wakes waiters, hands over continuations.
void publish(task& t) noexcept;
/// claim, error, publish. False: somebody was first.
bool settle_with_error(task& t, std::exception_ptr error) noexcept;
/// Runs `c` when t has settled, at once where it has.
void attach(task& t, continuation* c);
/// Blocks until t has settled; in a worker of the task's own pool it helps, or throws would_deadlock.
/// False: `until` came first.
bool wait_until(task& t, std::optional<time_point> until);
/// The same without helping, for threads that have no part in its pool.
bool wait_outside(task& t, std::optional<time_point> until);
/// What t's outcome is now, and a promise to those who change it that somebody sleeps on it.
inline std::uint32_t look_before_sleep(task& t) noexcept {
  return t.outcome.fetch_or(task::outcome_waited_for, std::memory_order_acq_rel) | task::outcome_waited_for;
}
/// Sleeps while t's outcome is what was `seen`. False: `until` came first. May return for no reason.
bool sleep_while(task& t, std::uint32_t seen, std::optional<time_point> until);
/// Wakes those who wait for t, so that they look again.
void nudge(task& t) noexcept;
/// Asks t's pool to cancel it; does nothing when it has settled.
void cancel(task& t);
/// Throws std::future_error for a future that is not valid.
[[noreturn]] void throw_no_state();

/// A task whose result of type T is made in this process and kept in place.
template <class T>
struct value_task : task {
  using task::task;
  ~value_task() {
    if (has_value) std::destroy_at(std::launder(reinterpret_cast<T*>(storage)));
  }
  template <class... Args>
  void emplace(Args&&... args) {
    ::new (static_cast<void*>(storage)) T(std::forward<Args>(args)...);
    has_value = true;
  }
  static void take(task& t, void* out) {
    auto& self = static_cast<value_task&>(t);
    static_cast<std::optional<T>*>(out)->emplace(
        std::move(*std::launder(reinterpret_cast<T*>(self.storage))));
  }
  bool has_value = false;
  alignas(T) std::byte storage[sizeof(T)];
};
template <>
struct value_task<void> : task {
  using task::task;
  static void take(task&, void*) {}
};

}  // namespace muster::detail
