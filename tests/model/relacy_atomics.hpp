// SPDX-License-Identifier: MIT
// The policy through which the rings run under relacy: every access to a shared word becomes a point where
// another thread may go on, weak orders return old values, and accesses that nothing orders are reported as
// races. The futex wakes for no reason now and then, and a wake that was lost shows as a deadlock. A thread
// can be made to stop for good at any step, and bugs can be seeded, to show that the models would find them.
// One thread, one program: relacy runs its threads as fibers.
#pragma once

#pragma GCC system_header  // relacy is old, and its macros and templates are not ours to warn about

#include <array>
#include <atomic>
#include <cassert>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <span>
#include <streambuf>
#include <string>
#include <variant>

#include <relacy/relacy.hpp>

// relacy takes the place of these words for the code behind it; we call it by name instead.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef errno
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst
#undef $

// relacy replaces operator new and the plain operator delete; without these the sized ones would go past it.
inline void operator delete(void* p, std::size_t) noexcept { operator delete(p); }
inline void operator delete[](void* p, std::size_t) noexcept { operator delete[](p); }

namespace model {

enum class bug {
  none,
  no_fence,        // a seq_cst fence does nothing
  weak_store,      // a release store is relaxed
  weak_load,       // an acquire load is relaxed
  torn_exchange,   // a compare-exchange is a look and a later store
  weak_exchange,   // an exchange, also one that compares, is relaxed
  bump_overtakes,  // the owner's asleep=0 lands after its bump of the bell, as a relaxed bump would allow
  own,             // one that the model itself seeds
  own_too,         // another one
};

inline const char* name_of(bug b) {
  switch (b) {
    case bug::none: return "no bug";
    case bug::no_fence: return "no fence";
    case bug::weak_store: return "weak store";
    case bug::weak_load: return "weak load";
    case bug::torn_exchange: return "torn compare-exchange";
    case bug::weak_exchange: return "weak exchange";
    case bug::bump_overtakes: return "bump overtakes";
    case bug::own: return "bug of the model's own";
    case bug::own_too: return "another bug of the model's own";
  }
  return "?";
}

inline bug seeded = bug::none;

// Thrown in the thread that stops; the thread's function catches it and returns.
struct stopped_for_good {};

// Which thread stops (-1: none) after how many more steps. A model sets both in before(), from rl::rand.
inline int stopping_thread = -1;
inline unsigned steps_left = 0;

inline void step() {
  if (static_cast<int>(rl::thread_index()) != stopping_thread) return;
  if (steps_left == 0) throw stopped_for_good{};
  --steps_left;
}

// A model that never gets where it is interesting proves nothing: it marks the places, and check wants to see
// all.
inline unsigned reached = 0;
inline void reach(unsigned place) { reached |= 1u << place; }

constexpr rl::memory_order order_of(std::memory_order order) {
  switch (order) {
    case std::memory_order_relaxed: return rl::mo_relaxed;
    case std::memory_order_consume: return rl::mo_consume;
    case std::memory_order_acquire: return rl::mo_acquire;
    case std::memory_order_release: return rl::mo_release;
    case std::memory_order_acq_rel: return rl::mo_acq_rel;
    default: return rl::mo_seq_cst;
  }
}

template <class T>
struct shared_word : rl::atomic<T> {
  shared_word() : rl::atomic<T>(T{}) {}
};

struct relacy_atomics {
  template <class T>
  using atomic = shared_word<T>;

  template <class T>
  static T load(const atomic<T>& word, std::memory_order order) {
    step();
    if (seeded == bug::weak_load) order = std::memory_order_relaxed;
    return word.load(order_of(order), RL_INFO);
  }
  template <class T>
  static void store(atomic<T>& word, T value, std::memory_order order) {
    step();
    if (seeded == bug::weak_store) order = std::memory_order_relaxed;
    if constexpr (std::is_same_v<T, std::uint32_t>) {
      // Only the owner, thread 0, rings, and the only word it sets to 0 is `asleep`.
      if (seeded == bug::bump_overtakes && rl::thread_index() == 0 && value == 0) {
        late_ = &word;
        return;
      }
    }
    word.store(value, order_of(order), RL_INFO);
  }
  template <class T>
  static T exchange(atomic<T>& word, T value, std::memory_order order) {
    step();
    if (seeded == bug::weak_exchange) order = std::memory_order_relaxed;
    return word.rmw(rl::rmw_type_t<rl::rmw_type_swap>(), value, order_of(order), RL_INFO);
  }
  template <class T>
  static T fetch_add(atomic<T>& word, T value, std::memory_order order) {
    step();
    const T old = word.rmw(rl::rmw_type_t<rl::rmw_type_add>(), value, order_of(order), RL_INFO);
    if (late_ != nullptr) std::exchange(late_, nullptr)->store(0, rl::mo_relaxed, RL_INFO);
    return old;
  }
  template <class T>
  static bool compare_exchange(atomic<T>& word, T& expected, T desired, std::memory_order order) {
    step();
    if (seeded == bug::torn_exchange) {
      const T found = word.load(rl::mo_acquire, RL_INFO);
      if (found != expected) {
        expected = found;
        return false;
      }
      word.store(desired, rl::mo_release, RL_INFO);
      return true;
    }
    const bool weak = seeded == bug::weak_exchange;
    return word.compare_exchange(rl::bool_t<false>(), expected, desired,
                                 weak ? rl::mo_relaxed : order_of(order),
                                 weak ? rl::mo_relaxed : rl::mo_acquire, RL_INFO);
  }

  static void fence_seq_cst() {
    step();
    if (seeded != bug::no_fence) rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
  }

  // The kernel compares and goes to sleep in one step, and it sees the newest value: it takes the same lock
  // as the wake that follows every change.
  static bool wait(const atomic<std::uint32_t>& shared, std::uint32_t expected,
                   std::optional<std::chrono::nanoseconds> timeout = std::nullopt) {
    step();
    auto& word = const_cast<atomic<std::uint32_t>&>(shared);
    rl::ctx().sched();
    if (word.debug_value() != expected) return true;
    return word.wait(rl::ctx(), timeout.has_value(), true, RL_INFO) != rl::unpark_reason_timeout;
  }
  static void wake(const atomic<std::uint32_t>& shared) {
    step();
    auto& word = const_cast<atomic<std::uint32_t>&>(shared);
    rl::ctx().sched();
    word.wake(rl::ctx(), 100, RL_INFO);
  }

  // Plain memory: relacy reports two accesses that nothing orders. A stop falls between any two of them.
  template <class T>
  class cell {
  public:
    cell() : value_(T{}) {}
    [[nodiscard]] T get() const {
      step();
      return value_(RL_INFO).load();
    }
    void set(T value) {
      step();
      value_(RL_INFO).store(value);
    }

  private:
    rl::var<T> value_;
  };

  template <std::size_t Size>
  class bytes {
  public:
    void write(std::size_t offset, std::span<const std::byte> from) {
      RL_ASSERT(offset <= Size && from.size() <= Size - offset);
      for (std::size_t i = 0; i < from.size(); ++i)
        data_[offset + i].set(static_cast<unsigned char>(from[i]));
    }
    void read(std::size_t offset, std::span<std::byte> to) const {
      RL_ASSERT(offset <= Size && to.size() <= Size - offset);
      for (std::size_t i = 0; i < to.size(); ++i) to[i] = static_cast<std::byte>(data_[offset + i].get());
    }

  private:
    cell<unsigned char> data_[Size];
  };

  inline static rl::atomic<std::uint32_t>* late_ = nullptr;
};

// A plain member, for code that knows nothing of cells: relacy reports two accesses that nothing orders.
template <class T>
class plain {
public:
  plain() : value_(T{}) {}
  plain& operator=(T value) {
    value_(RL_INFO).store(value);
    return *this;
  }
  operator T() const { return value_(RL_INFO).load(); }

private:
  rl::var<T> value_;
};

// What the door asks of a task.
template <class T>
struct linked {
  plain<T*> next;
  plain<std::uint64_t> id;
  static constexpr int priority = 0;
  void set_id(std::uint64_t number) { id = number; }
};
struct task : linked<task> {};

// For std::lock_guard and its kind.
class mutex {
public:
  void lock() { mutex_.lock(RL_INFO); }
  void unlock() { mutex_.unlock(RL_INFO); }

private:
  rl::mutex mutex_;
};

// Wakes for no reason now and then, as the machine's does.
class condition {
public:
  void wait(mutex& held) {
    lockable of{held};
    condition_.wait(of, RL_INFO);
  }
  void notify_one() { condition_.notify_one(RL_INFO); }

private:
  struct lockable {
    mutex& held;
    void lock(rl::debug_info_param) { held.lock(); }
    void unlock(rl::debug_info_param) { held.unlock(); }
  };
  rl::condition_variable condition_;
};

// Rings that wrap after a few steps. A payload of two bytes goes into the slot, one of three or four into the
// ring, where two of them find room; a larger one needs a parcel.
template <std::size_t Slots>
struct tiny_sizes {
  static constexpr std::size_t slot_count = Slots;
  static constexpr std::size_t request_inline = 2;
  static constexpr std::size_t reply_inline = 2;
  static constexpr std::size_t byte_ring = 16;
};

// What position p carries, so that a reader can tell whether it saw what was written.
inline std::size_t payload_size(std::uint64_t position) { return position % 3 == 1 ? 3 : 2; }
inline std::byte payload_byte(std::uint64_t position, std::size_t i) {
  return static_cast<std::byte>(17 * (position + 1) + i);
}
inline std::array<std::byte, 3> payload_of(std::uint64_t position) {
  return {payload_byte(position, 0), payload_byte(position, 1), payload_byte(position, 2)};
}

// Swallows what relacy prints. It may not allocate: while a model runs, relacy has operator new under its
// control.
class silence : public std::streambuf {
protected:
  int_type overflow(int_type c) override { return traits_type::not_eof(c); }
  std::streamsize xsputn(const char*, std::streamsize count) override { return count; }
};

template <class Test>
bool finds_nothing(bug b, unsigned iterations, std::ostream& report, const char*& found) {
  seeded = b;
  stopping_thread = -1;
  relacy_atomics::late_ = nullptr;
  silence nowhere;
  std::ostream progress(&nowhere);
  rl::test_params params;
  params.iteration_count = iterations;
  params.search_type = rl::sched_random;
  params.execution_depth_limit = 4000;
  params.output_stream = &report;
  params.progress_stream = &progress;
  const bool nothing = rl::simulate<Test>(params);
  found = rl::test_result_str(params.test_result);
  return nothing;
}

// Runs a model as it is, which must find nothing and reach all its places, and with each of the seeded bugs,
// which must be found. Returns how many of these expectations failed.
template <class Test>
int check(const char* name, unsigned iterations, std::initializer_list<bug> bugs) {
  int failures = 0;
  const char* found = "";
  reached = 0;
  if (!finds_nothing<Test>(bug::none, iterations, std::cout, found)) {
    std::cout << name << ": FAILED\n";
    ++failures;
  } else if (reached != (1u << Test::places) - 1) {
    std::cout << name << ": FAILED to reach all its places: " << std::hex << reached << std::dec << '\n';
    ++failures;
  } else {
    std::cout << name << ": nothing found in " << iterations << " runs\n";
  }
  for (const bug b : bugs) {
    silence nowhere;
    std::ostream report(&nowhere);
    if (finds_nothing<Test>(b, iterations, report, found)) {
      std::cout << name << ": FAILED to find the seeded bug: " << name_of(b) << '\n';
      ++failures;
    } else {
      std::cout << name << ": finds the seeded bug: " << name_of(b) << " (" << found << ")\n";
    }
  }
  return failures;
}

}  // namespace model
