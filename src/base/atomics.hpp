// SPDX-License-Identifier: MIT
// The door to atomic words. Code without locks is a template over a policy like this one; the model check
// passes another policy and so explores the very code that ships. The policy has no state and no owner; any
// thread may call it.
#pragma once

#include <atomic>

namespace muster::base {

struct machine_atomics {
  // A word that several threads, or two processes, may use at the same time.
  template <class T>
  using atomic = std::atomic<T>;

  template <class T>
  static T load(const atomic<T>& word, std::memory_order order) {
    return word.load(order);
  }
  template <class T>
  static void store(atomic<T>& word, T value, std::memory_order order) {
    word.store(value, order);
  }
  template <class T>
  static T exchange(atomic<T>& word, T value, std::memory_order order) {
    return word.exchange(value, order);
  }
  template <class T>
  static T fetch_add(atomic<T>& word, T value, std::memory_order order) {
    return word.fetch_add(value, order);
  }
  // One strong try. On failure `expected` holds what was found, read with acquire.
  template <class T>
  static bool compare_exchange(atomic<T>& word, T& expected, T desired, std::memory_order order) {
    return word.compare_exchange_strong(expected, desired, order, std::memory_order_acquire);
  }
};

}  // namespace muster::base
