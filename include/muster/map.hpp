// SPDX-License-Identifier: MIT
#pragma once

/// The results of `pool.map` and `pool.map_unordered`: a range that is read once, by one thread at a time.
/// Its owner may move it, keep it longer than the pool, or drop it unread.
///
/// A range-for ends at the first element whose task failed, because reading that element throws. The loop
/// that goes on says where it catches:
///
///     auto photos = pool.map(shrink, paths, 200);
///     for (auto at = photos.begin(); at != photos.end(); ++at) {
///       try {
///         show(*at);
///       } catch (const std::exception& e) {
///         log(e.what());   // this element failed; ++at goes to the next
///       }
///     }
///
/// Elements are submitted a bounded number ahead of the reader. When the queue has no room for the next one
/// while others of the range are under way, it is offered again after the next result, whatever
/// queue_options::when_full says. When one cannot be submitted at all (the pool was stopped or is gone, the
/// input's iterator throws), everything that was accepted is read first; then comes one element that throws
/// the reason, and the range ends.
///
/// The input of a map may be another map, of another pool: that makes stages, in order or not, each with a
/// bounded number of elements under way:
///
///     auto pages = net.map_unordered(download, addresses);
///     auto texts = parsers.map(parse, std::move(pages));     // the elements are moved from stage to stage
///     for (report& r : cpu.map(digest, std::move(texts))) show(r);
///
/// Reading the last one moves the elements on, through all of them; while nobody reads, each stage goes on
/// with what it has, and no further. An element that fails in an earlier stage ends the later ones: what they
/// had accepted is read first, then one element throws that error, and what is under way in the earlier
/// stages is cancelled. Dropping the last range cancels them all.

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <muster/codec.hpp>
#include <muster/detail/follower.hpp>
#include <muster/future.hpp>
#include <muster/task.hpp>

namespace muster {

template <class R>
class map_range;

namespace detail {

struct map_access;
class chain_bell;

/// Which of several tasks have settled, in the order in which they did.
class completion_queue : public std::enable_shared_from_this<completion_queue> {
public:
  completion_queue();
  ~completion_queue();
  /// pop will give `key` once, when t has settled.
  void watch(task& t, std::size_t key);
  /// Blocks until there is one. In a worker of the tasks' own pool it helps, as future::wait does.
  std::size_t pop();
  /// Whether it would not block.
  [[nodiscard]] bool ready();
  /// Rings it after each key that comes: who hears that a task has settled may find that its key has not.
  void ring(std::shared_ptr<chain_bell> bell);

private:
  struct state;
  std::unique_ptr<state> state_;
};

/// Whether a pool lives: shared by the pool and the ranges that submit to it, which hold its destructor off
/// while they do.
class pool_life {
public:
  /// False: it is gone. True: it stays until `leave`.
  bool enter() noexcept {
    if ((word_.fetch_add(1, std::memory_order_acquire) & gone) == 0) return true;
    leave();
    return false;
  }
  void leave() noexcept {
    if (word_.fetch_sub(1, std::memory_order_release) == gone + 1) word_.notify_all();
  }
  /// By the pool, once it accepts no tasks any more: waits for those inside.
  void end() noexcept {
    std::uint32_t now = word_.fetch_or(gone, std::memory_order_acq_rel) | gone;
    for (; now != gone; now = word_.load(std::memory_order_acquire)) word_.wait(now);
  }

private:
  static constexpr std::uint32_t gone = 1U << 31U;
  // How many are inside, and `gone`. Any thread; `leave` releases what `end` acquires.
  std::atomic<std::uint32_t> word_{0};
};

/// Rung for each task that settles in a map of maps, whichever stage it is of.
class chain_bell final : public follower {
public:
  [[nodiscard]] std::uint64_t rung();
  void ring();
  /// Nothing is under way that could ring.
  [[nodiscard]] bool is_quiet();
  /// Blocks until it was rung more often than that. In a worker of one of the pools it helps.
  void wait_beyond(std::uint64_t seen);

private:
  void settled(task_ref<>) override { ++rung_; }
  std::uint64_t rung_ = 0;  // guarded by mutex_
};

/// Submits the elements of a map one after the other.
template <class R>
class map_source {
public:
  /// False: `next` would wait for an element of another map. Moves that one on.
  virtual bool ready() { return true; }
  /// Where it reads from another map, that tells this bell of its tasks from now on. False: it does not.
  virtual bool ring(const std::shared_ptr<chain_bell>&) { return false; }
  map_source() = default;
  map_source(const map_source&) = delete;
  virtual ~map_source() = default;
  /// The task of the next element. None: there is no more, or, where `refused` was set, no room for it now;
  /// it is then offered again by the next call. Throws what submit throws.
  virtual std::optional<future<R>> next(std::exception_ptr& refused) = 0;
  /// Appends the tasks of some of the next elements, at most so many, without looking whether there is room
  /// for others or whether there are any: that `next` says.
  virtual void next_together(std::size_t /*most*/, std::vector<future<R>>& /*into*/) {}
};

/// The task behind a future that has failed without one.
template <class R>
struct failed_task final : value_task<R> {
  static inline const task_ops operations{
      .run = nullptr,
      .take = &value_task<R>::take,
      .call = nullptr,
      .destroy = [](task* t) noexcept { delete static_cast<failed_task*>(t); },
  };
  failed_task() : value_task<R>(operations) {}
};
template <class R>
future<R> failed_future(std::exception_ptr error) {
  auto made = task_ref<>::adopt(new failed_task<R>);
  settle_with_error(*made, std::move(error));
  return future_access::make<R>(std::move(made));
}

/// What a map_range holds: the results one after the other.
template <class R>
class map_reader {
public:
  map_reader() = default;
  map_reader(const map_reader&) = delete;
  virtual ~map_reader() = default;
  /// Of a map of a map this may wait, for the first element or the end of the other.
  [[nodiscard]] virtual bool done() = 0;
  virtual R& current() = 0;
  virtual void advance() = 0;
  virtual std::vector<future<R>> futures() = 0;
  /// Neither done() nor current() would wait.
  [[nodiscard]] virtual bool ready() = 0;
  /// See map_source::ring: this map is the other.
  virtual void ring(const std::shared_ptr<chain_bell>& bell) = 0;
};

/// The tasks under way, the element that is being read, and why there are no more.
template <class R>
class map_state final : public map_reader<R> {
public:
  map_state(std::unique_ptr<map_source<R>> source, std::size_t window, bool as_done)
      : source_(std::move(source)), window_(window) {
    if (as_done) completed_ = std::make_shared<completion_queue>();
    const auto bell = std::make_shared<chain_bell>();
    if (source_->ring(bell)) bell_ = bell;
    if (bell_ && completed_) completed_->ring(bell_);
    fill();
    if (live_ == 0 && failure_ && !bell_)
      std::rethrow_exception(failure_);  // not even the first was accepted
  }
  ~map_state() override {
    for (auto& f : under_way_)
      if (f.valid()) f.cancel();
  }

  bool done() override {
    if (bell_ && !taken_) await([this] { return live_ > 0 || exhausted_; });
    return live_ == 0 && !taken_ && !failure_;
  }

  R& current() override {
    if (!taken_) take();
    if (error_) std::rethrow_exception(error_);
    return *value_;
  }

  bool ready() override {
    if (taken_) return true;
    fill();
    return has_next();
  }
  void ring(const std::shared_ptr<chain_bell>& bell) override {
    bell_ = bell;
    if (completed_) completed_->ring(bell);
    if (source_) (void)source_->ring(bell);
    for (auto& f : under_way_)
      if (f.valid()) bell_->follow(future_access::task_of(f));
  }

  void advance() override {
    if (!taken_ && bell_) await([this] { return has_next(); });
    if (!taken_ && live_ > 0)
      next_result().wait();
    else if (!taken_)
      failure_ = nullptr;
    drop_present();
    fill();
  }

  /// The task whose result `current` gives, or gave last; 0: it was none.
  [[nodiscard]] std::uint64_t last_task() const { return last_task_; }

  std::vector<future<R>> futures() override {
    drop_present();
    std::vector<future<R>> all;
    for (auto& f : under_way_)
      if (f.valid()) all.push_back(std::move(f));
    under_way_.clear();
    live_ = 0;
    // Those of map_unordered lie in any order; tasks are numbered as they are submitted.
    std::ranges::sort(all, {}, [](const future<R>& f) { return f.task(); });
    for (std::size_t settled = 0; !exhausted_;) {
      std::exception_ptr refused;
      if (auto f = submit_next(refused)) {
        all.push_back(std::move(*f));
      } else if (refused && settled < all.size()) {
        all[settled++].wait();
      } else if (refused) {
        fail(std::move(refused));
      }
    }
    if (failure_) all.push_back(failed_future<R>(std::exchange(failure_, nullptr)));
    return all;
  }

private:
  // The next element can be read, or it is known that there is none.
  bool has_next() {
    if (live_ == 0) return exhausted_;
    return completed_ ? completed_->ready() : under_way_.front().ready();
  }
  // Of a map of a map: reads on, in all stages, until `is_so` holds.
  template <class Done>
  void await(Done is_so) {
    for (;;) {
      const std::uint64_t seen = bell_->rung();
      fill();
      if (is_so()) return;
      bell_->wait_beyond(seen);
    }
  }

  // Each time costs a lock and maybe a wake, so not before there is room for many.
  void fill_together() {
    std::vector<future<R>> some;
    try {
      source_->next_together(window_ - live_, some);
    } catch (...) {
      fail(std::current_exception());  // the pool is gone
    }
    for (auto& f : some) add(std::move(f));
  }

  void fill() {
    if (!bell_ && !exhausted_ && window_ >= 4 * together) {
      if (window_ - live_ < together) return;
      fill_together();
    }
    bool once_more = bell_ != nullptr;
    while (!exhausted_ && live_ < window_ && source_->ready()) {
      std::exception_ptr refused;
      if (auto f = submit_next(refused)) {
        add(std::move(*f));
      } else if (refused) {
        // The earlier stages may be what fills the queue, or what filled it until a moment ago.
        if (live_ == 0 && (!bell_ || bell_->is_quiet())) {
          if (std::exchange(once_more, false)) continue;
          fail(std::move(refused));
        }
        return;
      }
    }
  }

  // None: there is no more (`exhausted_`), or no room (`refused`). Does not throw: what went wrong is kept.
  std::optional<future<R>> submit_next(std::exception_ptr& refused) noexcept {
    try {
      auto f = source_->next(refused);
      exhausted_ = !f && !refused;
      return f;
    } catch (...) {
      fail(std::current_exception());
      return std::nullopt;
    }
  }
  void fail(std::exception_ptr why) noexcept {
    failure_ = std::move(why);
    exhausted_ = true;
    if (bell_) source_.reset();  // cancels what the earlier stages have under way
  }

  // In the order of the input the tasks form a queue; otherwise each has a slot, by which it is told.
  void add(future<R> f) {
    std::size_t slot = under_way_.size();
    if (unused_.empty()) {
      under_way_.push_back(std::move(f));
    } else {
      slot = unused_.back();
      unused_.pop_back();
      under_way_[slot] = std::move(f);
    }
    ++live_;
    if (completed_) completed_->watch(future_access::task_of(under_way_[slot]), slot);
    if (bell_) bell_->follow(future_access::task_of(under_way_[slot]));
  }
  future<R> next_result() {
    const std::size_t slot = completed_ ? completed_->pop() : 0;
    future<R> f = std::move(under_way_[slot]);
    if (completed_)
      unused_.push_back(slot);
    else
      under_way_.pop_front();
    --live_;
    return f;
  }

  void take() {
    if (bell_) await([this] { return has_next(); });
    taken_ = true;
    last_task_ = 0;
    if (live_ == 0) {
      error_ = std::exchange(failure_, nullptr);
      return;
    }
    future<R> result = next_result();
    last_task_ = result.task();
    try {
      value_.emplace(result.get());
    } catch (...) {
      error_ = std::current_exception();
    }
  }
  void drop_present() {
    taken_ = false;
    value_.reset();
    error_ = nullptr;
  }

  static constexpr std::size_t together = 200;

  std::unique_ptr<map_source<R>> source_;
  std::shared_ptr<completion_queue> completed_{};
  std::deque<future<R>> under_way_{};
  std::vector<std::size_t> unused_{};   // slots of under_way_, of map_unordered
  std::shared_ptr<chain_bell> bell_{};  // of a map of a map, or one that another reads from
  std::size_t window_;
  std::size_t live_ = 0;          // valid futures in under_way_
  bool exhausted_ = false;        // nothing more is submitted
  std::exception_ptr failure_{};  // why, where that was not the end of the input; read as the last element
  std::uint64_t last_task_ = 0;
  bool taken_ = false;  // the present element was read, into one of the two below
  std::optional<R> value_{};
  std::exception_ptr error_{};
};

template <class Pool>
class pool_calls;

/// For a map that reads from another.
struct map_access {
  template <class R>
  static map_reader<R>* state_of(map_range<R>& of) {
    return of.state_.get();
  }
};
/// What a map takes from its input: an element of a map that was moved in is moved on.
template <class Range>
struct input_of {
  using element = decltype(*std::begin(std::declval<Range&>()));
};
template <class R>
struct input_of<map_range<R>> {
  using element = R&&;
};
template <class Range>
inline constexpr bool is_map = false;
template <class R>
inline constexpr bool is_map<map_range<R>> = !std::is_void_v<R>;

}  // namespace detail

/// The results of a map: an input range.
template <class R>
class [[nodiscard]] map_range {
public:
  class iterator {
  public:
    using value_type = R;
    using difference_type = std::ptrdiff_t;
    using reference = R&;
    using iterator_concept = std::input_iterator_tag;
    iterator() = default;
    /// Waits for the result and gives it, or throws what its task ended with; again each time it is asked.
    R& operator*() const { return state_->current(); }
    /// To the next element; what the present one ended with is dropped, unread where it was not read.
    iterator& operator++() {
      state_->advance();
      return *this;
    }
    void operator++(int) { state_->advance(); }
    friend bool operator==(const iterator& at, std::default_sentinel_t) { return at.at_end(); }

  private:
    friend class map_range;
    friend struct detail::map_access;
    explicit iterator(detail::map_reader<R>* state) : state_(state) {}
    [[nodiscard]] bool at_end() const { return state_ == nullptr || state_->done(); }
    detail::map_reader<R>* state_ = nullptr;
  };

  /// An iterator goes with the range that it was made from, also when that is moved. What was moved from is
  /// an empty range.
  map_range(map_range&&) noexcept = default;
  /// Cancels what was held and not read, as the destructor does.
  map_range& operator=(map_range&& other) noexcept {
    auto taken = std::move(other.state_);  // first, so that a range may be assigned to itself
    state_.reset();
    state_ = std::move(taken);
    return *this;
  }
  ~map_range() = default;

  iterator begin() { return iterator(state_.get()); }
  std::default_sentinel_t end() { return {}; }
  /// Reads the rest into a vector; throws at the first failure.
  std::vector<R> to_vector() {
    std::vector<R> all;
    for (auto at = begin(); at != end(); ++at) all.push_back(std::move(*at));
    return all;
  }
  /// Submits what is left of the input and gives a future for each element that was not read, in the order of
  /// the input. The range is then at its end. Blocks while the queue has no room, until its own tasks have
  /// made some. The last future carries the reason where an element could not be submitted. Throws
  /// invalid_call where task_options::per_task made frames of them.
  std::vector<future<R>> futures() { return state_ ? state_->futures() : std::vector<future<R>>(); }

private:
  template <class>
  friend class detail::pool_calls;
  friend struct detail::map_access;
  explicit map_range(std::unique_ptr<detail::map_reader<R>> state) : state_(std::move(state)) {}

  std::unique_ptr<detail::map_reader<R>> state_;  // none: moved from
};

/// Stands for the results of a map that was refused when it was compiled, so that nothing is said beyond why.
template <>
class map_range<void> {
public:
  const detail::anything* begin() { return nullptr; }
  const detail::anything* end() { return nullptr; }
  detail::anything to_vector();
  detail::anything futures();
};

}  // namespace muster
