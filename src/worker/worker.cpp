// SPDX-License-Identifier: MIT
#include "worker/worker.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <deque>
#include <exception>
#include <string>
#include <vector>

#include <muster/bytes.hpp>
#include <muster/call.hpp>
#include <muster/context.hpp>

#include "base/socket.hpp"
#include "ipc/board.hpp"
#include "ipc/last_words.hpp"
#include "ipc/loop_bell.hpp"
#include "ipc/messages.hpp"
#include "ipc/parcel.hpp"
#include "ipc/region.hpp"
#include "ipc/reply_ring.hpp"
#include "ipc/request_ring.hpp"
#include "module/exception_codec.hpp"
#include "module/function_key.hpp"
#include "module/throw_trace.hpp"
#include "worker/last_words.hpp"
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
    requests->touch(ipc::request_hot_bytes, ipc::access::read_only);
    replies->touch(ipc::reply_hot_bytes, ipc::access::read_write);
    return memory{std::move(*board), std::move(*requests), std::move(*replies)};
  }
  [[nodiscard]] std::span<const module::module_identity> modules() const {
    static_assert(ipc::module_rows_bytes == module::max_modules * sizeof(module::module_identity));
    return {reinterpret_cast<const module::module_identity*>(board.view<ipc::board>().module_rows),
            module::max_modules};
  }
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class call_loop {
public:
  call_loop(ipc::worker_channels channels, memory mapped)
      : channels_(std::move(channels)),
        memory_(std::move(mapped)),
        functions_(memory_.modules()),
        calls_(memory_.requests.view<ipc::request_region>(), memory_.replies.view<ipc::reply_memory>().rings),
        replies_(memory_.requests.view<ipc::request_region>(),
                 memory_.replies.view<ipc::reply_memory>().rings),
        bell_(memory_.board.view<ipc::board>()),
        stops_(calls_) {}

  int run() {
    prepare_last_words(memory_.replies.view<ipc::reply_memory>().words, channels_.descriptors.bell.get());
    if (!initialise()) return 1;
    tell({.kind = ipc::control_kind::ready});
    while (!calls_.stopping()) {
      if (const auto call = calls_.next()) {
        execute(*call);
      } else {
        std::fflush(stdout);  // what tasks print appears though the buffer is not full
        calls_.sleep();
      }
    }
    return 0;
  }

private:
  void tell(const ipc::control_message& message, std::string_view text = {},
            std::span<const int> descriptors = {}) {
    // The owner is gone when this fails, and we are about to be.
    (void)base::send_message(channels_.descriptors.control.get(), ipc::encode(message, text), descriptors);
  }

  bool initialise() {
    ipc::first_calls first;
    if (channels_.init_call.size() == sizeof(first))
      std::memcpy(&first, channels_.init_call.data(), sizeof(first));
    return run_first("init function", first.init) && run_first("canary", first.canary);
  }

  // A function of the user's; what it throws is the reason why this worker does not come up.
  bool run_first(const std::string& what, std::uint64_t key) {
    if (key == 0) return true;
    try {
      const auto address = functions_.address_of({key});
      if (!address) throw std::runtime_error(address.error());
      reinterpret_cast<void (*)()>(const_cast<void*>(*address))();
      return true;
    } catch (const std::exception& e) {
      tell({.kind = ipc::control_kind::init_failed}, "its " + what + " threw: " + e.what());
    } catch (...) {
      tell({.kind = ipc::control_kind::init_failed},
           "its " + what + " threw something that is no std::exception");
    }
    return false;
  }

  void execute(const ipc::request_receiver::call& call) {
    result_.clear();
    std::vector<std::byte> parcel;
    std::span<const std::byte> arguments;
    if (call.payload == ipc::carrier::parcel) {
      auto received = receive_parcel(call);
      if (!received) return reply(call.position, ipc::reply_status::refused, bytes_of(received.error()));
      parcel = std::move(*received);
      arguments = parcel;
    } else {
      arguments = calls_.payload(call);
    }
    const auto thunk = functions_.address_of({call.header.thunk});
    const auto target = functions_.address_of({call.header.target});
    if (!thunk || !target)
      return reply(call.position, ipc::reply_status::refused,
                   bytes_of(thunk ? target.error() : thunk.error()));

    reader in(arguments);
    const bool watched = (call.header.flags & ipc::wants_stop) != 0;
    context about(call.header.task, static_cast<int>(call.header.attempt),
                  watched ? stops_.begin(call.position) : std::stop_token());
    detail::call_site site{*target, in, result_, about.stop(), &about};
    present_ = {reinterpret_cast<detail::thunk_function>(const_cast<void*>(*thunk)), &site};
    auto status = ipc::reply_status::value;
    try {
      module::traced_call([](void* p) { static_cast<one_call*>(p)->thunk(*static_cast<one_call*>(p)->site); },
                          &present_);
    } catch (...) {
      result_.clear();
      module::encode_current_exception(result_, module::describe_trace());
      status = ipc::reply_status::exception;
    }
    if (watched) stops_.end();
    reply(call.position, status, result_.bytes());
  }

  void reply(std::uint64_t position, ipc::reply_status status, std::span<const std::byte> payload) {
    std::optional<ipc::carrier> by;
    while (!(by = replies_.prepare(position, static_cast<std::uint32_t>(status), payload)))
      replies_.wait_for_room(std::chrono::seconds(1));
    if (*by == ipc::carrier::parcel) {
      const auto file = ipc::write_parcel(payload);
      if (!file) {
        const std::string why = std::string("the result of ") + std::to_string(payload.size()) +
                                " bytes could not be sent: " + file.error().call + ": " +
                                file.error().code.message();
        return reply(position, ipc::reply_status::refused, bytes_of(why));
      }
      const int descriptor = file->get();
      tell({.kind = ipc::control_kind::parcel, .position = position}, {}, {&descriptor, 1});
    }
    replies_.publish();
    if (!bell_.should_ring()) return;
    const std::uint64_t one = 1;
    (void)!::write(channels_.descriptors.bell.get(), &one, sizeof(one));
  }

  // Parcels come in the order of their positions; those of calls that were taken back are dropped.
  std::expected<std::vector<std::byte>, std::string> receive_parcel(const ipc::request_receiver::call& call) {
    for (;;) {
      std::byte buffer[ipc::longest_control_message];
      auto got = base::receive_message(channels_.descriptors.control.get(), buffer, 1);
      if (!got) return std::unexpected("the arguments did not arrive: " + got.error().text());
      if (got->end()) ::_exit(1);  // the owner is gone
      ipc::control_message message;
      std::string text;
      if (!ipc::decode({buffer, got->size}, message, text) || message.kind != ipc::control_kind::parcel ||
          message.position != call.position || got->descriptors.empty())
        continue;
      auto content = ipc::read_parcel(got->descriptors[0].get(), call.size);
      if (!content)
        return std::unexpected(std::string("the arguments could not be read: ") + content.error().call +
                               ": " + content.error().code.message());
      return std::move(*content);
    }
  }

  struct one_call {
    detail::thunk_function thunk = nullptr;
    detail::call_site* site = nullptr;
  };

  ipc::worker_channels channels_;
  memory memory_;
  module::resolver functions_;
  ipc::request_receiver calls_;
  ipc::reply_sender replies_;
  ipc::loop_bell_ringer bell_;
  stop_watch stops_;
  writer result_;
  one_call present_;
};

}  // namespace

int run(ipc::worker_channels channels) {
  auto mapped = memory::map(channels.descriptors);
  if (!mapped) {
    (void)base::send_message(channels.descriptors.control.get(),
                             ipc::encode({.kind = ipc::control_kind::init_failed}, mapped.error()));
    return 1;
  }
  call_loop loop(std::move(channels), std::move(*mapped));
  return loop.run();
}

}  // namespace muster::worker
