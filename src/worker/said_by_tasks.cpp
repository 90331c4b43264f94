// SPDX-License-Identifier: MIT
#include "worker/said_by_tasks.hpp"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include <muster/this_worker.hpp>

namespace muster::worker {
namespace {

// Null outside a worker. Written before user code runs and in forked children, which have no part in the
// memory it points to; read by any thread.
std::atomic<ipc::vital_signs*> signs{nullptr};

struct farewell {
  std::atomic<bool> claimed{false};  // whoever makes it true writes the text
  std::atomic<bool> said{false};     // store-release after the text; pairs with is_leaving
  char text[1'000]{};
  std::size_t size = 0;
};
farewell leaving;

}  // namespace

void begin_listening(ipc::vital_signs& to) {
  signs.store(&to, std::memory_order_relaxed);
  ::pthread_atfork(nullptr, nullptr, [] { signs.store(nullptr, std::memory_order_relaxed); });
}

bool is_leaving() noexcept { return leaving.said.load(std::memory_order_acquire); }
std::string_view why_leaving() noexcept { return {leaving.text, leaving.size}; }

}  // namespace muster::worker

namespace muster::this_worker {

void heartbeat() noexcept {
  // Two threads may store the same number: it differs from the last one that was looked at all the same.
  if (auto* signs = worker::signs.load(std::memory_order_relaxed))
    signs->heartbeat.store(signs->heartbeat.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void report_memory(std::size_t bytes) noexcept {
  if (auto* signs = worker::signs.load(std::memory_order_relaxed))
    signs->memory.store(bytes + std::uint64_t{1}, std::memory_order_relaxed);
}

void end_after_task(std::string_view why) noexcept {
  worker::farewell& farewell = worker::leaving;
  if (worker::signs.load(std::memory_order_relaxed) == nullptr || farewell.claimed.exchange(true)) return;
  farewell.size = std::min(why.size(), sizeof farewell.text);
  std::memcpy(farewell.text, why.data(), farewell.size);
  farewell.said.store(true, std::memory_order_release);
}

}  // namespace muster::this_worker
