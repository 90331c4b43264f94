// SPDX-License-Identifier: MIT
#include "worker/worker.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <latch>
#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "base/socket.hpp"
#include "ipc/board.hpp"
#include "ipc/last_words.hpp"
#include "ipc/messages.hpp"
#include "ipc/region.hpp"
#include "ipc/request_ring.hpp"
#include "module/exported_module.hpp"
#include "module/function_key.hpp"
#include "worker/ending.hpp"
#include "worker/faults.hpp"
#include "worker/handover.hpp"
#include "worker/hooks.hpp"
#include "worker/inbox.hpp"
#include "worker/last_words.hpp"
#include "worker/mail.hpp"
#include "worker/outbox.hpp"
#include "worker/runner.hpp"
#include "worker/said_by_tasks.hpp"
#include "worker/speech.hpp"
#include "worker/stop_watch.hpp"

namespace muster::worker {

namespace {

// The regions that the owner made. A worker that cannot map them cannot do anything.
struct memory {
  ipc::region board, requests, replies;

  static std::expected<memory, std::string> map(const ipc::worker_descriptors& d) {
    auto board = ipc::region::map(d.board.get(), sizeof(ipc::board), ipc::access::read_only);
    auto requests = ipc::region::map(d.requests.get(), sizeof(ipc::request_region), ipc::access::read_only);
    auto replies = ipc::region::map(d.replies.get(), sizeof(ipc::reply_memory), ipc::access::read_write);
    for (const auto* r : {&board, &requests, &replies})
      if (!*r) return std::unexpected(std::string(r->error().call) + ": " + r->error().code.message());
    return memory{std::move(*board), std::move(*requests), std::move(*replies)};
  }
  [[nodiscard]] std::span<const module::module_identity> modules() const {
    static_assert(ipc::module_rows_bytes == module::max_modules * sizeof(module::module_identity));
    return {reinterpret_cast<const module::module_identity*>(board.view<ipc::board>().module_rows),
            module::max_modules};
  }
};

ipc::loop_orders orders_of(const ipc::worker_channels& channels) {
  ipc::loop_orders orders;
  if (channels.init_call.size() == sizeof(orders))
    std::memcpy(&orders, channels.init_call.data(), sizeof(orders));
  orders.at_once = std::clamp<std::uint32_t>(orders.at_once, 1, ipc::most_at_once);
  return orders;
}

// A worker process as long as it lives. Its main thread runs calls; where several run at once, so do threads
// that are started for it, and the main one waits for them at the end.
class worker_life {
public:
  worker_life(ipc::worker_channels channels, memory mapped, detail::thunk_function every_call)
      : channels_(std::move(channels)),
        memory_(std::move(mapped)),
        orders_(orders_of(channels_)),
        functions_(memory_.modules()),
        hooks_(orders_, functions_, control(), channels_.slot),
        calls_(requests(), replies().rings),
        stops_(calls_),
        inbox_(orders_, calls_, functions_, hooks_, requests(), replies(), control(), every_call),
        outbox_(are_several(), requests(), replies().rings, board(), control(), bell()) {
    for (std::size_t i = 0; i < orders_.at_once; ++i)
      runners_.push_back(std::make_unique<runner>(inbox_, outbox_, stops_, calls_, control(), bell(), board(),
                                                  replies().progress[i]));
  }

  int run() {
    whole = this;
    prepare_last_words(replies().words, bell(), are_several() ? thread_in_question : nullptr);
    begin_listening(replies().signs);
    prepare_endings(control());
    prepare_handover(channels_, orders_);
    say_whose_speech();
    faults::reach(fault_step::before_init);
    if (!hooks_.initialise()) return 1;
    faults::reach(fault_step::after_init);
    if (!start_others()) return 1;
    if (faults::reach(fault_step::telling_ready)) tell_owner(control(), {.kind = ipc::control_kind::ready});
    faults::reach(fault_step::told_ready);
    begin_.count_down();
    serve(*runners_.front());
    for (std::thread& each : others_) each.join();
    faults::reach(fault_step::leaving);
    if (is_leaving()) tell_leaving();
    module::close_modules();
    hooks_.close();
    if (!calls_.is_stopping_quietly()) hooks_.give_last_signal();
    return 0;
  }

private:
  [[nodiscard]] bool are_several() const { return orders_.at_once > 1; }
  [[nodiscard]] int control() const { return channels_.descriptors.control.get(); }
  [[nodiscard]] int bell() const { return channels_.descriptors.bell.get(); }
  [[nodiscard]] const ipc::board& board() const { return memory_.board.view<ipc::board>(); }
  [[nodiscard]] const ipc::request_region& requests() const {
    return memory_.requests.view<ipc::request_region>();
  }
  [[nodiscard]] ipc::reply_memory& replies() { return memory_.replies.view<ipc::reply_memory>(); }

  // A thread of a task's own speaks about the one call that runs, or where there may be several, about none.
  void say_whose_speech() {
    if (are_several()) unknown_ = std::make_unique<speech>(control(), bell(), board(), replies().progress[0]);
    (unknown_ ? *unknown_ : runners_.front()->voice()).speak_for_all();
  }

  // False: the owner was told why this worker does not come up.
  bool start_others() {
    try {
      for (std::size_t i = 1; i < runners_.size(); ++i)
        others_.emplace_back([this, i] {
          prepare_last_words_of_this_thread();
          begin_.wait();
          serve(*runners_[i]);
        });
      return true;
    } catch (const std::system_error& e) {
      tell_owner(control(), {.kind = ipc::control_kind::init_failed},
                 "it could not start a thread for each of its workers.at_once = " +
                     std::to_string(runners_.size()) + " tasks: " + e.what());
    }
    for (std::thread& each : others_) each.detach();  // they wait for a beginning that never comes
    return false;
  }

  // One that is done while others run calls says at once that the worker leaves: the owner then takes back
  // what has not begun.
  void serve(runner& one) {
    if (are_several()) one.voice().speak_for_this_thread();
    one.run();
    if (are_several() && is_leaving()) tell_leaving();
  }

  void tell_leaving() {
    if (!told_leaving_.exchange(true))
      tell_owner(control(), {.kind = ipc::control_kind::leaving}, why_leaving());
  }

  // In a handler. Of the calls that run, one that was told to stop is what the owner asks about; where there
  // is none, the oldest.
  static int thread_in_question() {
    const runner* found = nullptr;
    bool is_told = false;
    for (const auto& each : whole->runners_) {
      const std::uint64_t position = each->position();
      if (position == ipc::no_position) continue;
      const bool told = whole->calls_.is_cancelled(position);
      if (found != nullptr && (is_told > told || (is_told == told && found->position() < position))) continue;
      found = each.get();
      is_told = told;
    }
    return found != nullptr ? found->thread() : whole->runners_.front()->thread();
  }

  static inline const worker_life* whole = nullptr;  // for handlers; written before they are installed

  ipc::worker_channels channels_;
  memory memory_;
  const ipc::loop_orders orders_;
  module::resolver functions_;
  hooks hooks_;
  ipc::request_receiver calls_;
  stop_watch stops_;
  inbox inbox_;
  outbox outbox_;
  std::vector<std::unique_ptr<runner>> runners_;  // the first is the main thread's
  std::unique_ptr<speech> unknown_;               // whose speaker is not known
  std::vector<std::thread> others_;
  std::latch begin_{1};
  std::atomic<bool> told_leaving_{false};
};

}  // namespace

int run(ipc::worker_channels channels) { return run(std::move(channels), nullptr); }

int run(ipc::worker_channels channels, detail::thunk_function every_call) {
  auto mapped = memory::map(channels.descriptors);
  if (!mapped) {
    tell_owner(channels.descriptors.control.get(), {.kind = ipc::control_kind::init_failed}, mapped.error());
    return 1;
  }
  // Never destroyed: threads that tasks made may still speak while the process exits.
  static auto* const self = new worker_life(std::move(channels), std::move(*mapped), every_call);
  return self->run();
}

}  // namespace muster::worker
