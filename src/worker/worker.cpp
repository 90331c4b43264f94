// SPDX-License-Identifier: MIT
#include "worker/worker.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
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
#include "base/trace_here.hpp"
#include "ipc/board.hpp"
#include "ipc/call_about.hpp"
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
#include "policy/keep_alive.hpp"
#include "worker/faults.hpp"
#include "worker/last_words.hpp"
#include "worker/mail.hpp"
#include "worker/output_capture.hpp"
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

class call_loop final : detail::voice {
public:
  call_loop(ipc::worker_channels channels, memory mapped)
      : channels_(std::move(channels)),
        memory_(std::move(mapped)),
        functions_(memory_.modules()),
        calls_(memory_.requests.view<ipc::request_region>(), memory_.replies.view<ipc::reply_memory>().rings),
        replies_(memory_.requests.view<ipc::request_region>(),
                 memory_.replies.view<ipc::reply_memory>().rings),
        bell_(memory_.board.view<ipc::board>()),
        stops_(calls_),
        mail_(channels_.descriptors.control.get()),
        speech_(channels_.descriptors.control.get(), channels_.descriptors.bell.get(),
                memory_.board.view<ipc::board>(), memory_.replies.view<ipc::reply_memory>().progress) {}

  int run() {
    prepare_last_words(memory_.replies.view<ipc::reply_memory>().words, channels_.descriptors.bell.get());
    begin_listening(signs_);
    if (channels_.init_call.size() == sizeof(orders_))
      std::memcpy(&orders_, channels_.init_call.data(), sizeof(orders_));
    if (orders_.keep_alive != 0)
      keep_alive_ = policy::keep_alive(std::chrono::nanoseconds(orders_.keep_alive_every));
    faults::reach(fault_step::before_init);
    if (!initialise()) return 1;
    faults::reach(fault_step::after_init);
    if (faults::reach(fault_step::telling_ready)) tell({.kind = ipc::control_kind::ready});
    faults::reach(fault_step::told_ready);
    while (!calls_.stopping() && !is_leaving()) {
      faults::reach(fault_step::looking);
      if (const auto call = calls_.next()) {
        execute(*call);
      } else {
        std::fflush(stdout);  // what tasks print appears though the buffer is not full
        answer_ping();
        faults::reach(fault_step::falling_asleep);
        rest();
        faults::reach(fault_step::woken);
      }
    }
    faults::reach(fault_step::leaving);
    if (is_leaving()) tell({.kind = ipc::control_kind::leaving}, why_leaving());
    run_hook("close", orders_.close);
    if (!calls_.is_stopping_quietly()) give_last_signal();
    return 0;
  }

private:
  void tell(const ipc::control_message& message, std::string_view text = {},
            std::span<const int> descriptors = {}) {
    // The owner is gone when this fails, and we are about to be.
    (void)base::send_message(channels_.descriptors.control.get(), ipc::encode(message, text), descriptors);
  }

  // Sleeps, but for the keep-alive hook.
  void rest() {
    if (orders_.keep_alive == 0) return calls_.sleep();
    const auto now = std::chrono::steady_clock::now();
    const auto due = keep_alive_.idle(now);
    calls_.sleep(std::max<std::chrono::nanoseconds>(*due - now, std::chrono::nanoseconds(0)));
    if (!calls_.anything() && keep_alive_.is_due(std::chrono::steady_clock::now()))
      run_hook("keep-alive", orders_.keep_alive);
  }

  // A function of the user's beside the tasks; what it throws is told and goes no further.
  void run_hook(const char* which, std::uint64_t key) {
    if (key == 0) return;
    std::string what;
    try {
      const auto address = functions_.address_of({key});
      if (!address) throw std::runtime_error(address.error());
      return reinterpret_cast<void (*)()>(const_cast<void*>(*address))();
    } catch (const std::exception& e) {
      what = e.what();
    } catch (...) {
      what = "something that is no std::exception";
    }
    std::fprintf(stderr, "muster: worker %u: its %s hook threw: %s\n", channels_.slot, which, what.c_str());
  }

  void answer_ping() {
    const std::uint32_t number = calls_.ping();
    if (number == 0) return;
    if (const std::string wrong = check_health(); !wrong.empty() && !std::exchange(told_unwell_, true))
      tell({.kind = ipc::control_kind::unwell}, wrong);
    calls_.answered(number);
    signs_.pong.store(number, std::memory_order_release);
  }

  // The user's check; what is wrong, empty: nothing.
  std::string check_health() {
    if (orders_.check == 0) return {};
    try {
      const auto address = functions_.address_of({orders_.check});
      if (!address) return "its health check cannot be called: " + address.error();
      const bool is_well = reinterpret_cast<bool (*)()>(const_cast<void*>(*address))();
      return is_well ? std::string() : "its health check was not ok";
    } catch (const std::exception& e) {
      return std::string("its health check threw: ") + e.what();
    } catch (...) {
      return "its health check threw something that is no std::exception";
    }
  }

  // A handler of the user's for the signal by which workers are ended may clean up here too; it may also end
  // us.
  void give_last_signal() const {
    struct sigaction now = {};
    const int signal = orders_.last_signal;
    if (signal == 0 || ::sigaction(signal, nullptr, &now) != 0) return;
    const bool is_handled =
        (now.sa_flags & SA_SIGINFO) != 0 || (now.sa_handler != SIG_DFL && now.sa_handler != SIG_IGN);
    if (is_handled) (void)::raise(signal);
  }

  bool initialise() {
    return run_first("init function", orders_.init) && run_first("canary", orders_.canary);
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
    keep_alive_.worked();
    faults::reach(fault_step::claimed);
    result_.clear();
    std::vector<std::byte> parcel;
    std::span<const std::byte> arguments;
    if (call.payload == ipc::carrier::parcel) {
      auto received = receive_parcel(call);
      if (!received) return refuse(call.position, received.error());
      parcel = std::move(*received);
      arguments = parcel;
    } else {
      arguments = calls_.payload(call);
    }
    ipc::call_about told;
    if ((call.header.flags & ipc::has_about) != 0) {
      auto taken = ipc::take_about(arguments);
      if (!taken) return refuse(call.position, "what is to be known about the call is not whole");
      told = std::move(*taken);
    }
    std::vector<base::file_descriptor> handles;
    if ((call.header.flags & (ipc::has_handles | ipc::is_captured)) != 0) {
      auto received = mail_.ask_handles(call.position);
      if (!received) return refuse(call.position, received.error());
      handles = std::move(*received);
    }
    const auto thunk = functions_.address_of({call.header.thunk});
    const auto target = functions_.address_of({call.header.target});
    if (!thunk || !target) return refuse(call.position, thunk ? target.error() : thunk.error());
    if ((call.header.flags & ipc::is_captured) != 0 && !capture_.begin(handles))
      return refuse(call.position, "what it prints cannot be kept: no descriptor is left");

    reader in(arguments, handles);
    const bool watched = (call.header.flags & ipc::wants_stop) != 0;
    const trace_context trace{std::move(told.traceparent), std::move(told.tracestate)};
    speech_.begin(call.position, call.header.flags);
    yields_ = {.position = call.position, .ahead = ipc::ahead_of(call.header.flags)};
    context about(call.header.task, static_cast<int>(call.header.attempt),
                  watched ? stops_.begin(call.position) : std::stop_token(), told.id, this, told.label,
                  trace.empty() ? nullptr : &trace);
    detail::call_site site{*target, in, result_, about.stop(), &about};
    faults::reach(fault_step::calling);
    const base::within_trace within(trace.empty() ? nullptr : &trace);
    const auto status = perform(reinterpret_cast<detail::thunk_function>(const_cast<void*>(*thunk)), site);
    faults::reach(fault_step::returned);
    if (watched) stops_.end();
    capture_.end();
    if (!send_handles(call.position)) return;
    reply(call.position, status, result_.bytes(), result_.handles().size());
    result_.handles().clear();
  }

  ipc::reply_status perform(detail::thunk_function thunk, detail::call_site& site) {
    present_ = {thunk, &site};
    try {
      module::traced_call([](void* p) { static_cast<one_call*>(p)->thunk(*static_cast<one_call*>(p)->site); },
                          &present_);
      return ipc::reply_status::value;
    } catch (...) {
      result_.clear();
      module::encode_current_exception(result_, module::describe_trace());
      return ipc::reply_status::exception;
    }
  }

  // What the running call says.
  void log(log_level level, std::string_view text) noexcept override { speech_.log(level, text); }
  void progress(double fraction, std::string_view text) noexcept override {
    speech_.progress(fraction, text);
  }
  bool yield(void* chunk, const detail::chunk_kind& kind) override {
    if (yields_.ahead == 0) return false;  // nobody reads
    for (;;) {
      const std::uint32_t seen = calls_.cancel_bell();
      if (calls_.is_cancelled(yields_.position)) return false;
      if (yields_.sent - calls_.chunks_taken(yields_.position) < yields_.ahead) break;
      calls_.wait_for_cancel(seen);
    }
    writer encoded;
    kind.encode(encoded, chunk);
    if (!encoded.handles().empty()) throw encode_error("a chunk of a stream cannot hold descriptors");
    if (encoded.size() > ipc::payload_limit) throw encode_error("a chunk of a stream is larger than 1 GiB");
    ++yields_.sent;
    if (!send_reply(yields_.position, ipc::status_word(ipc::reply_status::chunk, 0, false), encoded.bytes()))
      throw encode_error("a chunk of " + std::to_string(encoded.size()) + " bytes could not be sent");
    return true;
  }

  // Those of the result go ahead of its reply. False: they cannot be sent, which the reply then says.
  bool send_handles(std::uint64_t position) {
    std::vector<int> numbers;
    for (const base::file_descriptor& each : result_.handles()) numbers.push_back(each.get());
    if (numbers.empty()) return true;
    const auto sent =
        base::send_message(channels_.descriptors.control.get(),
                           ipc::encode({.kind = ipc::control_kind::handles, .position = position}), numbers);
    if (!sent) refuse(position, "the descriptors of the result could not be sent: " + sent.error().text());
    return sent.has_value();
  }

  void refuse(std::uint64_t position, const std::string& why, std::size_t handles = 0) {
    reply(position, ipc::reply_status::refused, bytes_of(why), handles);
  }

  // `handles`: so many descriptors were sent ahead of it.
  void reply(std::uint64_t position, ipc::reply_status how, std::span<const std::byte> payload,
             std::size_t handles) {
    if (!faults::reach(fault_step::answering)) return;
    has_spoken_ = speech_.end() || has_spoken_;
    if (const auto sent = send_reply(position, ipc::status_word(how, handles, has_spoken_), payload); !sent)
      return refuse(position,
                    "the result of " + std::to_string(payload.size()) +
                        " bytes could not be sent: " + sent.error().call + ": " + sent.error().code.message(),
                    handles);
    has_spoken_ = false;
  }

  std::expected<void, ipc::system_failure> send_reply(std::uint64_t position, std::uint32_t status,
                                                      std::span<const std::byte> payload) {
    std::optional<ipc::carrier> by;
    while (!(by = replies_.prepare(position, status, payload)))
      replies_.wait_for_room(std::chrono::seconds(1));
    if (*by == ipc::carrier::parcel) {
      const auto file = ipc::write_parcel(payload);
      if (!file) return std::unexpected(file.error());
      const int descriptor = file->get();
      if (faults::reach(fault_step::sending_parcel))
        tell({.kind = ipc::control_kind::parcel, .position = position}, {}, {&descriptor, 1});
    }
    faults::reach(fault_step::written);
    replies_.publish();
    if (!faults::reach(fault_step::answered)) return {};
    if (bell_.should_ring()) {
      const std::uint64_t one = 1;
      (void)!::write(channels_.descriptors.bell.get(), &one, sizeof(one));
    }
    faults::reach(fault_step::rung);
    return {};
  }

  std::expected<std::vector<std::byte>, std::string> receive_parcel(const ipc::request_receiver::call& call) {
    const auto file = mail_.take(ipc::control_kind::parcel, call.position);
    if (!file) return std::unexpected(file.error());
    auto content = file->empty() ? std::unexpected(ipc::system_failure{
                                       "no parcel came", std::make_error_code(std::errc::no_message)})
                                 : ipc::read_parcel(file->front().get(), call.size);
    if (!content)
      return std::unexpected(std::string("the arguments could not be read: ") + content.error().call + ": " +
                             content.error().code.message());
    return std::move(*content);
  }

  struct stream_state {
    std::uint64_t position = 0;
    std::uint64_t ahead = 0;
    std::uint64_t sent = 0;
  };
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
  ipc::vital_signs& signs_ = memory_.replies.view<ipc::reply_memory>().signs;
  ipc::loop_orders orders_{};
  policy::keep_alive keep_alive_{};
  bool told_unwell_ = false;
  mail mail_;
  speech speech_;
  output_capture capture_;
  bool has_spoken_ = false;  // and the reply that says so was not published yet
  stream_state yields_;      // of the call that runs
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
  // Never destroyed: threads that tasks made may still speak while the process exits.
  static auto* const loop = new call_loop(std::move(channels), std::move(*mapped));
  return loop->run();
}

}  // namespace muster::worker
