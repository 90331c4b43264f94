// SPDX-License-Identifier: MIT
#pragma once

/// Results as a stream, in the order in which tasks are done: for work that comes in all the time, and whose
/// results somebody takes as they come.
///
///     muster::results<photo> done(100);                      // at most 100 are under way or unread
///     std::thread feeder([&] {
///       for (const std::string& path : paths) done.submit(pool, {.id = path}, shrink, path, 200);
///       done.close();
///     });
///     for (auto& r : done)                                   // ends after the last
///       if (r.ok()) show(r.id, *r.value); else log(r.id, r.what());
///
/// A task that fails is a record with an error, and the stream goes on. Tasks may come from several pools of
/// both kinds. Every task that was accepted is read exactly once.
///
/// Flow: while `ahead` tasks are under way or unread, submit waits for the reader, so a slow reader slows the
/// pools down instead of losing results or filling memory. So do not submit more than that from the thread
/// that reads, or use try_submit there.
///
/// The end: next gives none, and a loop ends, once nothing is under way and either `close` was called or all
/// pools that tasks came from take no more (pool.close, pool.stop). Until then next waits for what others
/// submit.
///
/// A stream that nobody reads holds up nobody who stops a pool. What had settled stays readable, also after
/// the pool is gone, and is counted in stop_report::unread; what a stop cancels arrives as a record with that
/// error; who waits in submit gets pool_stopped. What is unread when the stream is destroyed is dropped, and
/// what is under way is cancelled; `discard` does the same and says how many results were lost.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <muster/detail/result_line.hpp>
#include <muster/future.hpp>
#include <muster/options.hpp>
#include <muster/pool.hpp>

namespace muster {

/// How one task ended: a value or an error.
template <class R>
struct result {
  std::string id{};        ///< task_options::id.
  std::uint64_t task = 0;  ///< The task's number in its pool.
  std::optional<R> value{};
  std::exception_ptr error{};  ///< The task's own exception, or a muster::error.

  [[nodiscard]] bool ok() const noexcept { return !error; }
  explicit operator bool() const noexcept { return ok(); }
  /// The value; throws the error where there is one.
  R& get() {
    if (error) std::rethrow_exception(error);
    return *value;
  }
  /// The error's text; empty: there is none.
  [[nodiscard]] std::string what() const { return detail::text_of(error); }
};
template <>
struct result<void> {
  std::string id{};
  std::uint64_t task = 0;
  std::exception_ptr error{};

  [[nodiscard]] bool ok() const noexcept { return !error; }
  explicit operator bool() const noexcept { return ok(); }
  void get() const {
    if (error) std::rethrow_exception(error);
  }
  [[nodiscard]] std::string what() const { return detail::text_of(error); }
};

/// The stream. Any thread may submit, any thread may read, also several at once; each record goes to one
/// reader. It is not moved: those who submit refer to it.
template <class R>
class results {
public:
  /// Range of `ahead`: 1 or more; throws invalid_options for 0.
  explicit results(std::size_t ahead = 1'000)
      : line_(std::make_shared<detail::result_line>(detail::checked_ahead(ahead))) {}
  results(const results&) = delete;
  results& operator=(const results&) = delete;
  ~results() { (void)line_->leave(); }

  /// Submits f(args...) to this pool; its result, which must be of type R, comes here. Returns the task's
  /// number. Blocks while there is no room here, then as pool.submit does. Throws what pool.submit throws,
  /// and pool_stopped after close.
  template <class Pool, class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  std::uint64_t submit(Pool& pool, F&& f, Args&&... args) {
    line_->reserve(detail::pool_access::home(pool));
    return add([&] { return pool.submit(std::forward<F>(f), std::forward<Args>(args)...); });
  }
  /// The same with options; `id` comes back in the record.
  template <class Pool, class F, class... Args>
  std::uint64_t submit(Pool& pool, const task_options& options, F&& f, Args&&... args) {
    line_->reserve(detail::pool_access::home(pool));
    return add([&] { return pool.submit(options, std::forward<F>(f), std::forward<Args>(args)...); });
  }
  /// submit where there is room here; false: there is none now, and nothing was done. The pool's own queue is
  /// waited for as its options say.
  template <class Pool, class F, class... Args>
    requires(!std::same_as<std::remove_cvref_t<F>, task_options>)
  bool try_submit(Pool& pool, F&& f, Args&&... args) {
    if (!line_->try_reserve(detail::pool_access::home(pool))) return false;
    add([&] { return pool.submit(std::forward<F>(f), std::forward<Args>(args)...); });
    return true;
  }
  template <class Pool, class F, class... Args>
  bool try_submit(Pool& pool, const task_options& options, F&& f, Args&&... args) {
    if (!line_->try_reserve(detail::pool_access::home(pool))) return false;
    add([&] { return pool.submit(options, std::forward<F>(f), std::forward<Args>(args)...); });
    return true;
  }

  /// Blocks until a task is done, and gives its record. None: the stream has ended, see above. Inside a task
  /// of a pool that has tasks here it helps, as future::wait does, and throws would_deadlock as that does.
  [[nodiscard]] std::optional<result<R>> next() { return record_of(line_->take(std::nullopt)); }
  /// The same for at most so long. None: nothing by then, or the stream has ended (see has_ended).
  [[nodiscard]] std::optional<result<R>> next_for(duration longest) {
    return record_of(line_->take(detail::from_now(longest)));
  }

  /// No more tasks: the stream ends after the last of those there are. Does not block. Idempotent.
  void close() { line_->close(); }
  /// Closes, cancels what is under way, and drops what was not read. Returns how many results were dropped;
  /// what was under way is not among them.
  std::size_t discard() { return line_->leave(); }

  /// Nothing comes any more, and all was read.
  [[nodiscard]] bool has_ended() const { return line_->has_ended(); }
  /// Tasks that have not settled.
  [[nodiscard]] std::size_t under_way() const { return line_->under_way(); }
  /// Results that wait to be read.
  [[nodiscard]] std::size_t unread() const { return line_->unread(); }

  /// To read it in a loop, once.
  class iterator {
  public:
    using value_type = result<R>;
    using difference_type = std::ptrdiff_t;
    using reference = result<R>&;
    using iterator_concept = std::input_iterator_tag;
    iterator() = default;
    result<R>& operator*() const { return *present_; }
    iterator& operator++() {
      present_ = of_->next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& at, std::default_sentinel_t) { return !at.present_; }

  private:
    friend class results;
    explicit iterator(results& of) : of_(&of), present_(of.next()) {}
    results* of_ = nullptr;
    mutable std::optional<result<R>> present_{};
  };
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() { return {}; }

private:
  // The task has a place here already, which goes back where it is not accepted.
  template <class Submit>
  std::uint64_t add(Submit submit) {
    using submitted = decltype(submit());
    static_assert(std::same_as<submitted, future<R>>,
                  "muster: the task's result is not what these results hold; convert it in the task.");
    if constexpr (std::same_as<submitted, future<R>>) {
      std::optional<future<R>> f;
      try {
        f.emplace(submit());
      } catch (...) {
        line_->give_back();
        throw;
      }
      const std::uint64_t number = f->task();
      line_->add(future_access::task_of(*f));
      return number;
    }
    return 0;
  }

  // A result of another process is decoded here, by its reader.
  static std::optional<result<R>> record_of(detail::task_ref<> t) {
    if (!t) return std::nullopt;
    std::optional<result<R>> made(std::in_place);
    made->task = t->id;
    if (t->extras) made->id = t->names().id;
    auto f = future_access::make<R>(std::move(t));
    try {
      if constexpr (std::is_void_v<R>)
        f.get();
      else
        made->value.emplace(f.get());
    } catch (...) {
      made->error = std::current_exception();
    }
    return made;
  }

  std::shared_ptr<detail::result_line> line_;
};

}  // namespace muster
