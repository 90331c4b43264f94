// SPDX-License-Identifier: MIT
// The bell between one worker and a thread of the owner that waits for one of its answers and so reads its
// replies, instead of the loop: then two threads wake for a call and not three. The reader's end belongs to
// the one thread that reads; the ringer's end to whoever publishes the worker's replies. While there is a
// reader the worker rings nobody else, so a reader that goes looks once more.
#pragma once

#include "ipc/layout.hpp"

#include <cstdint>

namespace muster::ipc {

// The order of steps of a reader, who looks at the reply ring wherever it says so:
//
//     sit()
//     loop: seen = before_sleep(); look; if nothing was found: sleep on bell() while it is `seen`;
//     after_sleep();
//           take what is there
//     leave(); look: what is there now nobody was rung for
//
// Both ends use a seq_cst fence, between their store and their look: either the look finds the reply, or the
// worker finds what the reader has stored.
template <class Atomics, class Sizes = standard_sizes>
class basic_reader_bell {
public:
  using request_region = basic_request_region<Atomics, Sizes>;
  using reply_region = basic_reply_region<Atomics, Sizes>;

  basic_reader_bell(request_region& requests, const reply_region& replies)
      : requests_(requests), replies_(replies) {}

  // From here on the worker rings this reader or nobody.
  void sit() { say(awake); }

  [[nodiscard]] std::uint32_t before_sleep() {
    const std::uint32_t seen = Atomics::load(replies_.reader_bell, std::memory_order_acquire);
    say(asleep);
    Atomics::fence_seq_cst();
    return seen;
  }
  void after_sleep() { say(awake); }

  void leave() {
    Atomics::store(requests_.reader, std::uint64_t{0}, std::memory_order_relaxed);
    Atomics::fence_seq_cst();
  }

  // The word to sleep on.
  [[nodiscard]] const auto& bell() const { return replies_.reader_bell; }

private:
  enum state : std::uint64_t { awake = 0, asleep = 1 };

  // A number of its own for each sleep, so that the worker rings once for each.
  void say(state now) {
    number_ += 2;
    Atomics::store(requests_.reader, number_ | now, std::memory_order_relaxed);
  }

  request_region& requests_;
  const reply_region& replies_;
  std::uint64_t number_ = 0;
};

template <class Atomics, class Sizes = standard_sizes>
class basic_reader_bell_ringer {
public:
  using request_region = basic_request_region<Atomics, Sizes>;
  using reply_region = basic_reply_region<Atomics, Sizes>;

  basic_reader_bell_ringer(const request_region& requests, reply_region& replies)
      : requests_(requests), replies_(replies) {}

  enum class answer : std::uint8_t {
    nobody_reads,  // ring the loop, where it sleeps
    is_awake,      // somebody does, and looks again before sleeping or leaving
    wake_it,       // the bell has changed: call wake
  };

  // After one or more replies were published, and a seq_cst fence.
  [[nodiscard]] answer ring() {
    const std::uint64_t reader = Atomics::load(requests_.reader, std::memory_order_relaxed);
    if (reader == 0) return answer::nobody_reads;
    if (reader % 2 == 0 || reader == last_) return answer::is_awake;
    last_ = reader;
    Atomics::fetch_add(replies_.reader_bell, std::uint32_t{1}, std::memory_order_release);
    return answer::wake_it;
  }
  void wake() { Atomics::wake(replies_.reader_bell); }

private:
  const request_region& requests_;
  reply_region& replies_;
  std::uint64_t last_ = 0;
};

using reader_bell = basic_reader_bell<machine_atomics>;
using reader_bell_ringer = basic_reader_bell_ringer<machine_atomics>;

}  // namespace muster::ipc
