// SPDX-License-Identifier: MIT
#pragma once

// Where the threads of a worker that run calls get them. One of them at a time is at the inbox: it claims the
// next call and fetches all that comes with it, or sleeps until there is one. So calls are claimed in order,
// what lies in the socket is read in that order too, and whoever has got a call runs it on its own.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <muster/call.hpp>

#include "base/file_descriptor.hpp"
#include "ipc/call_about.hpp"
#include "ipc/last_words.hpp"
#include "ipc/messages.hpp"
#include "ipc/request_ring.hpp"
#include "module/function_key.hpp"
#include "policy/keep_alive.hpp"
#include "worker/hooks.hpp"
#include "worker/mail.hpp"
#include "worker/runners_lock.hpp"

namespace muster::worker {

// A call that has begun, with all that belongs to it.
struct arrived_call {
  ipc::request_receiver::call call;
  std::vector<std::byte> parcel;
  ipc::block_ref argument_block;         // where they lie; null: elsewhere
  std::span<const std::byte> arguments;  // good until its reply is published
  std::optional<ipc::call_about> told;
  std::vector<base::file_descriptor> handles;
  std::vector<ipc::block_ref> blocks;  // the memory that is lent to it
  const void* thunk = nullptr;
  const void* target = nullptr;
  std::string refusal;  // why it cannot be called; empty: it can

  // It is over: nothing of it is kept.
  void let_go() {
    std::vector<std::byte>().swap(parcel);
    argument_block.reset();
    told.reset();
    handles.clear();
    blocks.clear();
    refusal.clear();
  }
};

class inbox {
public:
  // All of it stays for the life of the process.
  // `every_call`: the thunk of all of them; null: each names its own.
  inbox(const ipc::loop_orders& orders, ipc::request_receiver& calls, module::resolver& functions,
        hooks& users, const ipc::request_region& requests, ipc::reply_memory& replies, int socket,
        detail::thunk_function every_call)
      : are_several_(orders.at_once > 1),
        spin_(orders.spin),
        lock_(are_several_),
        calls_(calls),
        requests_(requests),
        replies_(replies),
        functions_(functions),
        hooks_(users),
        mail_(socket),
        every_call_(reinterpret_cast<const void*>(every_call)) {}

  // The next call, which has begun then; waits for it. False: there are no more, the worker shall end.
  bool next(arrived_call& into);
  // It has been answered.
  void done() {
    if (are_several_) under_way_.fetch_sub(1, std::memory_order_relaxed);
  }

private:
  void fetch(arrived_call& into);
  std::expected<std::vector<std::byte>, std::string> receive_parcel(const ipc::request_receiver::call& call);
  std::expected<void, std::string> take_blocks(arrived_call& into);
  void answer_ping();
  void rest();

  const bool are_several_;
  const std::chrono::nanoseconds spin_;  // before it sleeps; 0: not at all
  runners_lock lock_;                    // guards all that follows but under_way_
  ipc::request_receiver& calls_;
  const ipc::request_region& requests_;
  ipc::reply_memory& replies_;
  module::resolver& functions_;
  hooks& hooks_;
  mail mail_;
  const void* const every_call_;
  policy::keep_alive keep_alive_{hooks_.keep_alive_every()};
  // Calls that were claimed and not answered; rises under the lock only. Not counted for a thread alone,
  // which has none when it is here.
  std::atomic<int> under_way_{0};
};

}  // namespace muster::worker
