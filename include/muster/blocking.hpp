// SPDX-License-Identifier: MIT
#pragma once

/// For tasks on thread pools that wait for something outside the pool: a lock, a disk, a network.

namespace muster {

namespace engine {
class engine;
}

/// While it lives, the task that made it says that its thread does not compute but wait, and its pool may
/// have one more worker than workers.max (with several such tasks more, at most twice as many). So the
/// processors stay busy. The pool starts that worker only when a task waits for one, and lets one go again
/// afterwards.
///
///     auto page = [&] { const muster::blocking hint; return download(url); }();
///
/// It belongs to the thread that made it. One inside another says nothing new. Outside of a task, in a task
/// that runs on the thread of its submitter (when_full::caller_runs), and in a worker process it does
/// nothing: there, more workers are more processes, which workers.max is to bound.
class blocking {
public:
  blocking();
  ~blocking();
  blocking(const blocking&) = delete;
  blocking& operator=(const blocking&) = delete;

private:
  engine::engine* pool_ = nullptr;
};

}  // namespace muster
