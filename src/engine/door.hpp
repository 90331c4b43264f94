// SPDX-License-Identifier: MIT
#pragma once

// The way past the intake's lock: one atomic word, with a chain of tasks, the latest first, and how many more
// may follow. Any thread may pass a task through it; whoever has the lock takes the chain whole and says how
// many may follow then. With no place it is shut. It lets tasks of one priority through.
//
// It belongs to the intake. Under the model check `Atomics` and `Task` are others: see
// tests/model/door_model.cpp and ranks_model.cpp.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/atomics.hpp"

namespace muster::engine {

// But for `no` a task has passed. `late`: its priority has just become another than is let through.
enum class passage : std::uint8_t { no, yes, late };

// `Remembered`: of how many of the latest tasks it knows where they are.
template <class Task, class Atomics = base::machine_atomics, std::size_t Remembered = 128>
class basic_door {
public:
  static constexpr std::uint64_t most_places = 0xffff;

  // Without the lock, all of these.

  // Gives it a number, larger than those of all that were numbered before.
  void number(Task& t) {
    if (t.id == 0) t.set_id(Atomics::fetch_add(numbers_, std::uint64_t{1}, std::memory_order_relaxed) + 1);
  }
  // So many of them, for others than tasks that pass: those behind the one that it returns.
  std::uint64_t draw_numbers(std::uint64_t count) {
    return Atomics::fetch_add(numbers_, count, std::memory_order_relaxed);
  }
  [[nodiscard]] std::uint64_t newest_number() const {
    return Atomics::load(numbers_, std::memory_order_relaxed);
  }
  // After yes and late the task is no longer the caller's. Who changes the priority that is let through looks
  // into the door afterwards, and who has passed it looks at the priority: one of them sees the other, for
  // all of that is sequentially consistent.
  passage pass(Task& t) {
    const auto address = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&t));
    const int priority = t.priority;
    if ((address >> address_bits) != 0) return passage::no;
    if (Atomics::load(lets_through_, std::memory_order_relaxed) != priority) return passage::no;
    std::uint64_t seen = Atomics::load(word_, std::memory_order_relaxed);
    for (;;) {
      const std::uint64_t places = places_in(seen);
      if (places == 0) return passage::no;
      number(t);
      Atomics::store(latest_[t.id % Remembered], &t, std::memory_order_relaxed);
      t.next = chain_in(seen);
      const std::uint64_t wanted = (places - 1) << address_bits | address;
      if (Atomics::compare_exchange(word_, seen, wanted, std::memory_order_seq_cst)) break;
    }
    return lets_through() == priority ? passage::yes : passage::late;
  }
  [[nodiscard]] int lets_through() const { return Atomics::load(lets_through_, std::memory_order_seq_cst); }
  // Sequentially consistent, as is every change of how many there are.
  [[nodiscard]] bool has_places_beyond(std::uint64_t count) const {
    return places_in(Atomics::load(word_, std::memory_order_seq_cst)) > count;
  }
  // A hint.
  [[nodiscard]] bool is_empty() const {
    return chain_in(Atomics::load(word_, std::memory_order_relaxed)) == nullptr;
  }

  // With the lock, all of these.

  // The chain, the oldest first, or null. `places` says how many may follow, when so many have come.
  template <class Places>
  Task* take(Places places) {
    std::uint64_t seen = Atomics::load(word_, std::memory_order_seq_cst);  // see pass
    std::uint64_t given = 0;
    do {
      given = std::min<std::uint64_t>(places(places_ - places_in(seen)), most_places);
      if (chain_in(seen) == nullptr && given == places_) return nullptr;
    } while (!Atomics::compare_exchange(word_, seen, given << address_bits, std::memory_order_seq_cst));
    if (const Task* const newest = chain_in(seen)) ask_for(newest->id, places_ - places_in(seen));
    places_ = given;
    return turned_round(chain_in(seen));
  }
  // How many were given when it was last taken.
  [[nodiscard]] std::uint64_t places() const { return places_; }
  // Take the chain afterwards.
  void let_through(int priority) {
    Atomics::store(lets_through_, std::int32_t{priority}, std::memory_order_seq_cst);
  }

private:
  // The word: places in the upper bits, an address in the lower.
  static constexpr int address_bits = 48;
  static std::uint64_t places_in(std::uint64_t word) { return word >> address_bits; }
  static Task* chain_in(std::uint64_t word) {
    return reinterpret_cast<Task*>(
        static_cast<std::uintptr_t>(word & ((std::uint64_t{1} << address_bits) - 1)));
  }

  // For all of them at once, before they are followed: their memory is in the cache of who submitted them.
  void ask_for(std::uint64_t newest, std::uint64_t count) const {
    for (std::uint64_t back = 1; back < std::min<std::uint64_t>(count, Remembered); ++back)
      __builtin_prefetch(Atomics::load(latest_[(newest - back) % Remembered], std::memory_order_relaxed), 1);
  }
  static Task* turned_round(Task* latest) {
    Task* oldest = nullptr;
    while (latest != nullptr) {
      Task* const before = latest->next;
      latest->next = oldest;
      oldest = latest;
      latest = before;
    }
    return oldest;
  }

  // Pushed to by submitters (seq_cst, on which the plan's look for a backlog relies too); taken whole, and
  // given its places, with the lock (seq_cst, see has_places_beyond).
  alignas(64) typename Atomics::template atomic<std::uint64_t> word_{};
  typename Atomics::template atomic<std::uint64_t> numbers_{};  // relaxed: only its own order counts
  std::uint64_t places_ = 0;                                    // guarded by the lock
  // Read for every task and hardly ever written, so not in the line of the word.
  alignas(64) typename Atomics::template atomic<std::int32_t> lets_through_{};
  // Where the latest tasks are, by number. Relaxed, and never followed.
  alignas(64) std::array<typename Atomics::template atomic<Task*>, Remembered> latest_{};
};

}  // namespace muster::engine
