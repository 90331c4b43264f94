// SPDX-License-Identifier: MIT
#pragma once

/// Tasks that give results while they run. The task's function takes a yielder first and hands chunks to it;
/// the caller reads them in order, then the final result:
///
///     int list_files(muster::yielder<std::string>& yield, std::string directory);
///
///     auto files = pool.stream(list_files, "/usr");
///     while (auto file = files.next()) show(*file);
///     int count = files.get();
///
/// The task runs ahead of its reader by at most task_options::chunks_ahead chunks, then it waits in the
/// yielder. On a process pool a chunk is a value that can cross (see codec.hpp) without descriptors in it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include <muster/codec.hpp>
#include <muster/context.hpp>
#include <muster/detail/chunk_line.hpp>
#include <muster/future.hpp>

namespace muster {

/// The task's end of a stream, supplied by the pool. Used by the thread that runs the task.
template <class T>
class yielder {
public:
  /// For the pool.
  explicit yielder(context& about) noexcept : about_(about) {}
  yielder(const yielder&) = delete;
  yielder& operator=(const yielder&) = delete;

  /// Hands a chunk over. Blocks while as many as chunks_ahead are unread. False: nobody wants it or any
  /// other, because the task was cancelled, is past its time, or the reader is gone; then return. Throws
  /// encode_error where the chunk has no encoding.
  [[nodiscard]] bool operator()(T chunk) {
    detail::voice* const voice = about_.voice();
    return voice != nullptr && voice->yield(&chunk, kind);
  }
  /// What else the task may ask and say.
  [[nodiscard]] context& about() const noexcept { return about_; }

private:
  static void encode_chunk([[maybe_unused]] writer& out, [[maybe_unused]] const void* chunk) {
    if constexpr (crosses<T>) codec<T>::encode(out, *static_cast<const T*>(chunk));
  }
  static std::shared_ptr<void> keep_chunk(void* chunk) {
    return std::make_shared<T>(std::move(*static_cast<T*>(chunk)));
  }
  static constexpr detail::chunk_kind kind{&keep_chunk, &encode_chunk};

  context& about_;
};

/// The reader's end, returned by pool.stream: chunks of type T, then a result of type R. A handle that is
/// moved, not copied; one thread at a time may use it. Dropped before its task has settled, it cancels the
/// task. A stream that nobody reads does not hold up pool.stop beyond its deadline: the task is then
/// cancelled as any other is.
template <class T, class R>
class [[nodiscard]] stream {
public:
  stream() = default;
  stream(stream&&) noexcept = default;
  stream& operator=(stream&& other) noexcept {
    if (this != &other) {
      leave();
      result_ = std::move(other.result_);
      line_ = std::move(other.line_);
      discarded_ = other.discarded_;
    }
    return *this;
  }
  ~stream() { leave(); }

  /// False where it was made without a task, and after get or a move. Everything else then throws
  /// std::future_error with std::future_errc::no_state.
  [[nodiscard]] bool valid() const noexcept { return result_.valid(); }
  /// The task's number.
  [[nodiscard]] std::uint64_t task() const { return result_.task(); }

  /// Blocks until there is a chunk. None: the task has settled and all its chunks were read; get says how it
  /// ended. Throws would_deadlock inside a task of the same pool of threads, and decode_error for a chunk
  /// that a ruined worker sent; the next call goes on.
  [[nodiscard]] std::optional<T> next() {
    detail::task& from = future_access::task_of(checked());
    auto chunk = line_->take(from);
    if (!chunk) return std::nullopt;
    if (chunk->value) return std::move(*static_cast<T*>(chunk->value.get()));
    if constexpr (crosses<T>) {
      reader in(chunk->encoded.view());
      std::optional<T> value(codec<T>::decode(in));
      in.finish();
      return value;
    }
    return std::nullopt;
  }

  /// Reads and drops what is left, waits, then returns the result or throws what the task ended with. Once.
  R get() {
    detail::task& from = future_access::task_of(checked());
    while (line_->take(from)) ++discarded_;
    return std::move(result_).get();
  }
  /// How many chunks get has dropped.
  [[nodiscard]] std::size_t discarded() const noexcept { return discarded_; }

  /// As future::cancel. What the task has yielded before can still be read.
  void cancel() { result_.cancel(); }

private:
  template <class>
  friend class detail::pool_calls;
  stream(future<R> result, std::shared_ptr<detail::chunk_line> line)
      : result_(std::move(result)), line_(std::move(line)) {}

  future<R>& checked() {
    if (!result_.valid()) detail::throw_no_state();
    return result_;
  }
  void leave() noexcept {
    if (!result_.valid() || result_.ready()) return;
    line_->close();
    result_.cancel();
  }

  future<R> result_;
  std::shared_ptr<detail::chunk_line> line_;
  std::size_t discarded_ = 0;
};

}  // namespace muster
