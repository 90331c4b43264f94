// SPDX-License-Identifier: MIT
#pragma once

// The tasks that wait for a worker: one first-in first-out list a priority, and who of their heads is next.
// The lists run through the tasks themselves, so queueing allocates nothing.
//
// With ageing a waiting task gains one point of priority every *step*. "Priority plus points" orders two
// tasks the same at any time, so a task has a fixed *place*: the time it was queued, less its priority times
// the step. The smallest place is next. Within a lane that is its head, so only heads are compared, in a
// heap: O(log p) with p priorities in use, and nothing where there is one. Without ageing the place is the
// priority alone.
//
// Removing from the middle is O(1) once the lane is found. Not thread-safe: the engine's intake holds the
// lock.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <muster/task.hpp>

namespace muster::queue {

using detail::task;

// By number: in the order they were submitted.
struct older {
  bool operator()(const task* a, const task* b) const { return a->id < b->id; }
};

class lanes {
public:
  // `step`: in milliseconds; none: no ageing.
  explicit lanes(std::optional<std::int64_t> step = std::nullopt) : step_(step) {}

  static std::uint32_t stamp_of(std::int64_t now) {
    return std::max(static_cast<std::uint32_t>(now), std::uint32_t{1});
  }
  // From now on t's wait counts. `now`: in milliseconds, from 1 on; it never falls. What was never stamped
  // counts from the first stamp there was.
  void stamp(task& t, std::int64_t now) {
    if (first_stamp_ == 0) first_stamp_ = now;
    latest_stamp_ = now;
    t.queued_at = stamp_of(now);
  }

  // t was given its time elsewhere, like `stamp` would have done it then.
  void note_stamp(const task& t) {
    const auto ahead = static_cast<std::int32_t>(t.queued_at - static_cast<std::uint32_t>(latest_stamp_));
    if (ahead > 0) latest_stamp_ += ahead;
    if (first_stamp_ == 0) first_stamp_ = latest_stamp_;
  }

  void push_back(task& t) {
    lane& to = lane_of(t.priority);
    t.previous = to.last;
    t.next = nullptr;
    (to.last != nullptr ? to.last->next : to.first) = &t;
    to.last = &t;
    came(to);
  }

  // Before its equals: for tasks that come back.
  void push_front(task& t) {
    lane& to = lane_of(t.priority);
    t.next = to.first;
    t.previous = nullptr;
    (to.first != nullptr ? to.first->previous : to.last) = &t;
    to.first = &t;
    came(to);
  }

  // Between its equals, by its number: for tasks that were kept elsewhere. Allocates.
  void insert(task& t) {
    lane& to = lane_of(t.priority);
    to.late.insert(&t);
    came(to);
  }

  // Who is next, or null.
  [[nodiscard]] task* top() const { return heap_.empty() ? nullptr : heap_.front()->head(); }

  task* pop() {
    if (heap_.empty()) return nullptr;
    lane& from = *heap_.front();
    task* t = from.head();
    take_out(from, *t);
    return t;
  }

  // t must be in here.
  void remove(task& t) { take_out(lane_of(t.priority), t); }

  // The oldest task of the lowest priority, or null.
  [[nodiscard]] task* least() const {
    for (auto at = lanes_.rbegin(); at != lanes_.rend(); ++at)
      if (at->second.count > 0) return at->second.head();
    return nullptr;
  }

  // The smaller, the sooner. Only for comparing.
  [[nodiscard]] std::int64_t place_of(const task& t) const {
    if (!step_) return -std::int64_t{t.priority};
    return queued_at(t) - std::int64_t{t.priority} * *step_;
  }

  template <class F>
  void for_each(F f) const {
    for (const auto& [priority, in] : lanes_) {
      for (const task* t = in.first; t != nullptr; t = t->next) f(*t);
      for (const task* t : in.late) f(*t);
    }
  }
  // f(priority, count), the highest first.
  template <class F>
  void for_each_lane(F f) const {
    for (const auto& [priority, in] : lanes_)
      if (in.count > 0) f(priority, in.count);
  }

  // Of the task that is next.
  [[nodiscard]] std::optional<int> top_priority() const {
    const task* next = top();
    return next == nullptr ? std::nullopt : std::optional<int>(next->priority);
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }

private:
  static constexpr std::size_t not_in_heap = static_cast<std::size_t>(-1);
  static constexpr std::size_t kept_empty = 8;  // lanes; more are given up when they are empty

  struct lane {
    task* first = nullptr;
    task* last = nullptr;
    std::set<task*, older> late{};
    std::size_t count = 0;
    std::int64_t place = 0;  // of its head; only kept while there are several lanes
    std::size_t heap_index = not_in_heap;
    int priority = 0;

    [[nodiscard]] task* head() const {
      if (late.empty()) return first;
      return first == nullptr || (*late.begin())->id < first->id ? *late.begin() : first;
    }
  };

  lane& lane_of(int priority) {
    if (lanes_.empty() || lanes_.begin()->first != priority) {
      lane& found = lanes_[priority];
      found.priority = priority;
      return found;
    }
    return lanes_.begin()->second;  // almost always: one priority in use
  }

  [[nodiscard]] std::int64_t queued_at(const task& t) const {
    if (t.queued_at == 0) return first_stamp_;
    return latest_stamp_ -
           static_cast<std::uint32_t>(static_cast<std::uint32_t>(latest_stamp_) - t.queued_at);
  }

  void came(lane& to) {
    ++size_;
    if (++to.count == 1) return enter_heap(to);
    renew(to);
  }

  void take_out(lane& from, task& t) {
    if (from.late.empty() || from.late.erase(&t) == 0) {
      (t.previous != nullptr ? t.previous->next : from.first) = t.next;
      (t.next != nullptr ? t.next->previous : from.last) = t.previous;
      t.next = t.previous = nullptr;
    }
    --size_;
    if (--from.count == 0) return leave_heap(from);
    renew(from);
  }

  // ------------------------------------------------------------------------------------ the heap of lanes

  // Of two lanes with the same place the lower priority has waited longer.
  [[nodiscard]] static bool sooner(const lane* a, const lane* b) {
    return a->place != b->place ? a->place < b->place : a->priority < b->priority;
  }
  void set(std::size_t index, lane* l) {
    heap_[index] = l;
    l->heap_index = index;
  }
  // Its head may be another than before.
  void renew(lane& l) {
    if (heap_.size() < 2 || !step_) return;
    l.place = place_of(*l.head());
    sift(l);
  }
  void sift(lane& l) {
    std::size_t at = l.heap_index;
    for (; at > 0 && sooner(&l, heap_[(at - 1) / 2]); at = (at - 1) / 2) set(at, heap_[(at - 1) / 2]);
    for (;;) {
      std::size_t child = 2 * at + 1;
      if (child >= heap_.size()) break;
      if (child + 1 < heap_.size() && sooner(heap_[child + 1], heap_[child])) ++child;
      if (!sooner(heap_[child], &l)) break;
      set(at, heap_[child]);
      at = child;
    }
    set(at, &l);
  }
  void enter_heap(lane& l) {
    if (heap_.size() == 1) heap_.front()->place = place_of(*heap_.front()->head());
    heap_.push_back(&l);
    l.heap_index = heap_.size() - 1;
    if (heap_.size() == 1) return;
    l.place = place_of(*l.head());
    sift(l);
  }
  void leave_heap(lane& l) {
    lane* const last = heap_.back();
    heap_.pop_back();
    if (last != &l) {
      set(l.heap_index, last);
      sift(*last);
    }
    l.heap_index = not_in_heap;
    if (lanes_.size() > kept_empty) lanes_.erase(l.priority);
  }

  std::optional<std::int64_t> step_;
  std::int64_t first_stamp_ = 0, latest_stamp_ = 0;  // 0: none yet
  std::map<int, lane, std::greater<>> lanes_;
  std::vector<lane*> heap_;  // of those that are not empty
  std::size_t size_ = 0;
};

}  // namespace muster::queue
