// SPDX-License-Identifier: MIT
#pragma once

// The tasks that wait for a worker: one first-in first-out list a priority, the highest served first. The
// lists run through the tasks themselves, so queueing allocates nothing and removing from the middle is O(1)
// once the lane is found, O(log p) with p priorities in use. Not thread-safe: the engine's intake holds the
// lock.

#include <cstddef>
#include <functional>
#include <map>
#include <optional>

#include <muster/task.hpp>

namespace muster::queue {

using detail::task;

class lanes {
public:
  void push_back(task& t) {
    lane& to = lane_of(t.priority);
    t.previous = to.last;
    t.next = nullptr;
    (to.last != nullptr ? to.last->next : to.first) = &t;
    to.last = &t;
    ++size_;
  }

  // Before its equals: for tasks that come back.
  void push_front(task& t) {
    lane& to = lane_of(t.priority);
    t.next = to.first;
    t.previous = nullptr;
    (to.first != nullptr ? to.first->previous : to.last) = &t;
    to.first = &t;
    ++size_;
  }

  // The first task of the highest priority, or null.
  task* pop() {
    if (size_ == 0) return nullptr;
    auto top = lanes_.begin();
    while (top->second.first == nullptr) top = lanes_.erase(top);
    task* t = top->second.first;
    unlink(top->second, *t);
    return t;
  }

  // t must be in here.
  void remove(task& t) { unlink(lane_of(t.priority), t); }

  template <class F>
  void for_each(F f) const {
    for (const auto& [priority, in] : lanes_)
      for (const task* t = in.first; t != nullptr; t = t->next) f(*t);
  }

  [[nodiscard]] std::optional<int> top_priority() const {
    for (const auto& [priority, in] : lanes_)
      if (in.first != nullptr) return priority;
    return std::nullopt;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

private:
  struct lane {
    task* first = nullptr;
    task* last = nullptr;
  };

  lane& lane_of(int priority) {
    if (lanes_.empty() || lanes_.begin()->first != priority) return lanes_[priority];
    return lanes_.begin()->second;  // almost always: one priority in use
  }

  void unlink(lane& from, task& t) {
    (t.previous != nullptr ? t.previous->next : from.first) = t.next;
    (t.next != nullptr ? t.next->previous : from.last) = t.previous;
    t.next = t.previous = nullptr;
    --size_;
  }

  std::map<int, lane, std::greater<>> lanes_;  // an empty lane is erased when pop meets it
  std::size_t size_ = 0;
};

}  // namespace muster::queue
