// SPDX-License-Identifier: MIT
//
// The chunks of one stream between its task and its reader; included by <muster/stream.hpp>. Bounded: the
// task waits, or (a worker process) is told how many were taken. Any thread; shared by the reader, the task
// and the pool.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

#include <muster/task.hpp>

namespace muster::detail {

template <class Pool>
class pool_calls;

class chunk_line : public std::enable_shared_from_this<chunk_line> {
public:
  struct chunk {
    bytes encoded{};                // of a worker process
    std::shared_ptr<void> value{};  // of a thread
  };

  /// At most `ahead` are unread.
  explicit chunk_line(std::size_t ahead) : ahead_(ahead) {}
  [[nodiscard]] std::size_t ahead() const noexcept { return ahead_; }

  /// The reader's. Blocks until there is one; none: t has settled and all were read. Throws would_deadlock
  /// inside a task of t's pool.
  std::optional<chunk> take(task& t);
  /// The reader is gone: what comes is dropped, and who waits in put_or_wait does no longer.
  void close();
  /// Once the task was accepted: the line ends when it settles.
  void follow(task& t);

  /// A thread's: false where there is no room now.
  [[nodiscard]] bool has_room();
  /// Waits for room. False: nobody wants it.
  bool put_or_wait(std::shared_ptr<void> value, const std::stop_token& stop);
  /// A worker process's: false where the worker knew that there is no room.
  bool put(bytes encoded);

private:
  struct end_mark;
  void end();

  const std::size_t ahead_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<chunk> waiting_;  // guarded by mutex_, as is all below
  std::uint64_t put_ = 0;      // what came, dropped or not
  std::uint64_t taken_ = 0;    // what is not unread any more
  std::uint64_t told_ = 0;     // of those the task was told
  bool is_closed_ = false;
  bool has_ended_ = false;
};

}  // namespace muster::detail
