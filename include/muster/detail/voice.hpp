// SPDX-License-Identifier: MIT
//
// What a task says while it runs, on its way to the owner; included by <muster/context.hpp>. A pool has one
// for threads and one for worker processes. Called by the task's thread or threads that it made.
#pragma once

#include <memory>
#include <string_view>

#include <muster/log.hpp>

namespace muster {

class writer;

namespace detail {

/// How a chunk of a stream is kept in this process, or written to be sent to another.
struct chunk_kind {
  std::shared_ptr<void> (*keep)(void* chunk);  // moved into memory of its own
  void (*encode)(writer& out, const void* chunk);
};

class voice {
public:
  virtual void log(log_level level, std::string_view text) noexcept = 0;
  virtual void progress(double fraction, std::string_view text) noexcept = 0;
  /// False: nobody wants it.
  virtual bool yield(void* chunk, const chunk_kind& kind) = 0;

protected:
  ~voice() = default;
};

}  // namespace detail
}  // namespace muster
