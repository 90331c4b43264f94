// SPDX-License-Identifier: MIT
// What map_unordered reads: the keys of settled tasks, in the order in which they settled.
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>

#include <muster/map.hpp>

#include "engine/engine.hpp"

namespace muster::detail {

struct completion_queue::state {
  std::mutex mutex;
  std::condition_variable arrived;
  std::deque<std::size_t> keys;                 // guarded by mutex
  std::map<std::size_t, task_ref<>> unsettled;  // guarded by mutex
  std::shared_ptr<chain_bell> bell{};           // guarded by mutex
};

namespace {
struct arrival : continuation {
  std::shared_ptr<completion_queue> queue;
  void (*report)(completion_queue&, std::size_t key) = nullptr;
  std::size_t key = 0;
};
}  // namespace

completion_queue::completion_queue() : state_(std::make_unique<state>()) {}
completion_queue::~completion_queue() = default;

void completion_queue::watch(task& t, std::size_t key) {
  {
    const std::lock_guard lock(state_->mutex);
    state_->unsettled.insert_or_assign(key, task_ref<>::share(t));
  }
  auto* node = new arrival;
  node->queue = shared_from_this();
  node->key = key;
  node->at_once = true;
  node->report = [](completion_queue& q, std::size_t settled) {
    task_ref<> gone;
    std::unique_lock lock(q.state_->mutex);
    const auto found = q.state_->unsettled.find(settled);
    gone = std::move(found->second);
    q.state_->unsettled.erase(found);
    q.state_->keys.push_back(settled);
    q.state_->arrived.notify_one();
    const auto bell = q.state_->bell;
    lock.unlock();
    if (bell) bell->ring();
  };
  node->run = [](continuation* c, task&) noexcept {
    const std::unique_ptr<arrival> self(static_cast<arrival*>(c));
    self->report(*self->queue, self->key);
  };
  attach(t, node);
}

bool completion_queue::ready() {
  const std::lock_guard lock(state_->mutex);
  return !state_->keys.empty();
}

void completion_queue::ring(std::shared_ptr<chain_bell> bell) {
  const std::lock_guard lock(state_->mutex);
  state_->bell = std::move(bell);
}

void chain_bell::ring() {
  const std::lock_guard lock(mutex_);
  ++rung_;
  changed_.notify_all();
}

std::uint64_t chain_bell::rung() {
  const std::lock_guard lock(mutex_);
  return rung_;
}

bool chain_bell::is_quiet() {
  const std::lock_guard lock(mutex_);
  return unsettled_.empty();
}

void chain_bell::wait_beyond(std::uint64_t seen) {
  std::unique_lock lock(mutex_);
  wait(lock, std::nullopt, [&] { return rung_ != seen; });
}

std::size_t completion_queue::pop() {
  std::unique_lock lock(state_->mutex);
  const auto* here = engine::here();
  while (here != nullptr && state_->keys.empty() && state_->unsettled.begin()->second->home == here->home) {
    const task_ref<> oldest = state_->unsettled.begin()->second;
    lock.unlock();
    wait_until(*oldest, std::nullopt);  // helps
    lock.lock();
  }
  state_->arrived.wait(lock, [this] { return !state_->keys.empty(); });
  const std::size_t key = state_->keys.front();
  state_->keys.pop_front();
  return key;
}

}  // namespace muster::detail
