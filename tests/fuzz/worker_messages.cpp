// SPDX-License-Identifier: MIT
// What an owner reads that a worker, or whoever has its descriptors, may have written. The first byte, a
// letter, says what the others are: a message on the control socket, an exception, memory that both share, a
// message of the zygote.
#include <fcntl.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>

#include <muster/error.hpp>

#include "fuzz/target.hpp"
#include "ipc/call_about.hpp"
#include "ipc/last_words.hpp"
#include "ipc/messages.hpp"
#include "ipc/progress_slot.hpp"
#include "module/exception_codec.hpp"
#include "module/symbols.hpp"
#include "process/spawn.hpp"
#include "process/trace.hpp"
#include "unit/ipc/rings.hpp"

namespace muster::fuzz {
namespace {

using bytes_view = std::span<const std::byte>;
using small_rings = ipc::test::ring_pair<ipc::test::small_sizes>;

// Memory that holds this, as far as it goes, and zeros after that.
void pour(bytes_view from, void* to, std::size_t size) {
  std::memset(to, 0, size);
  if (!from.empty()) std::memcpy(to, from.data(), std::min(from.size(), size));
}

void control_message(bytes_view bytes) {
  ipc::control_message message;
  std::string text;
  const bool is_one = ipc::decode(bytes, message, text);
  hold(is_one == (bytes.size() >= sizeof message), "a message is one when it is long enough");
  if (!is_one || bytes.size() > ipc::longest_control_message) return;
  hold(std::ranges::equal(ipc::encode(message, text), bytes), "a control message that is another");
  const auto word = static_cast<std::uint32_t>(message.position);
  if (ipc::is_status_word(word))
    hold(ipc::status_word(ipc::status_of(word), ipc::handles_of(word), ipc::has_spoken(word),
                          ipc::names_blocks(word)) == word,
         "the word of a status that is another");
}

std::vector<std::byte> thrown_again(const module::received_exception& received) {
  writer out;
  try {
    if (received.same_type) std::rethrow_exception(received.same_type);
    throw worker_error(received.type_name, received.text, received.backtrace);
  } catch (...) {
    module::encode_current_exception(out, received.backtrace);
  }
  return {out.bytes().begin(), out.bytes().end()};
}

// Passed on once it is what it will always be.
void exception(bytes_view bytes) {
  const auto first = module::decode_exception(bytes);
  if (!first) return hold(!first.error().empty(), "refused without a reason");
  hold(first->text.size() <= module::max_exception_text && first->type_name.size() <= module::max_type_name &&
           first->backtrace.size() <= module::max_backtrace,
       "an exception that weighs more than it may");
  const auto once = thrown_again(*first);
  const auto second = module::decode_exception(once);
  hold(second.has_value(), "an exception that cannot be passed on");
  hold(static_cast<bool>(first->same_type) == static_cast<bool>(second->same_type), "of another type");
  hold(first->same_type || (first->type_name == second->type_name && first->text == second->text),
       "an exception that is another when it is passed on: ", second->text);
  const auto third = module::decode_exception(thrown_again(*second));
  hold(third && third->text == second->text && third->type_name == second->type_name &&
           third->backtrace == second->backtrace,
       "an exception that changes each time it is passed on");
}

void call_about(bytes_view bytes) {
  bytes_view rest = bytes;
  const auto about = ipc::take_about(rest);
  if (!about || about->id.size() > ipc::longest_told_id) return;
  hold(std::ranges::equal(
           ipc::with_about(about->id, about->label, about->traceparent, about->tracestate, rest), bytes),
       "what is told of a call is another");
}

void progress(bytes_view bytes) {
  ipc::progress_slot slot;
  pour(bytes, &slot, sizeof slot);
  std::uint32_t seen = 0;
  const bool is_new = ipc::has_news(slot, seen);
  const auto read = ipc::read_progress(slot, seen);
  hold(is_new == read.has_value(), "news that are none");
  if (!read) return;
  hold(read->text.size() <= ipc::most_progress_bytes && !ipc::has_news(slot, seen), "it is still news");
  ipc::write_progress(slot, read->position, read->fraction, read->text);
  const auto again = ipc::read_progress(slot, seen);
  hold(again && again->text == read->text && again->position == read->position, "progress that is another");
}

void last_words(bytes_view bytes) {
  const auto words = std::make_unique<ipc::last_words>();
  pour(bytes, words.get(), sizeof *words);
  bool is_nonsense = false;
  const auto read = process::read_words(*words, is_nonsense);
  hold(!read || !is_nonsense, "words and nonsense");
  if (!read) return;
  hold(read->frames.size() <= ipc::most_frames && !read->frames.empty() &&
           read->maps.size() <= ipc::most_map_bytes,
       "more words than there is room for");
  module::symbols names;
  const auto frames = process::backtrace_of(*read, names);
  hold(frames.size() == read->frames.size(), "a frame was lost");
  for (std::size_t i = 0; i < frames.size(); ++i)
    hold(frames[i].address == read->frames[i], "a frame is another");
  static_cast<void>(read->is_stack_overflow());
}

// Every reply passes its checks, and after a violation there is nothing more.
void replies(bytes_view bytes) {
  small_rings rings;
  // What lies before the slots has no part in this.
  auto* const region = reinterpret_cast<std::byte*>(rings.replies.get());
  auto* const slots = reinterpret_cast<std::byte*>(&rings.replies->slots);
  pour(bytes, slots, sizeof *rings.replies - static_cast<std::size_t>(slots - region));
  for (int i = 0; i < 12; ++i) {
    const bool was_broken = rings.replies_in.broken();
    const std::uint64_t before = rings.replies_in.taken();
    std::vector<std::byte> payload;
    ipc::reply shown;
    const auto taken = rings.replies_in.take([&](const ipc::reply& r) -> std::optional<std::span<std::byte>> {
      hold(!was_broken && r.status <= 3, "a reply that was not checked");
      shown = r;
      if (r.position >= 8) return std::nullopt;
      payload.resize(r.payload == ipc::carrier::parcel ? 0 : r.size);
      payload.shrink_to_fit();
      return std::span<std::byte>(payload);
    });
    if (const auto* reply = std::get_if<ipc::reply>(&taken)) {
      hold(rings.replies_in.taken() == before + 1 && reply->position < 8 && reply->size == shown.size,
           "a reply that is another than was checked");
    } else if (const auto* wrong = std::get_if<ipc::violation>(&taken)) {
      hold(rings.replies_in.broken() && !wrong->what.empty(), "a violation that says nothing");
    } else {
      hold(!was_broken && !rings.replies_in.anything(), "nothing, and yet something");
      return;
    }
  }
}

// Whatever a worker writes over its claims, each call has one verdict, which stays.
void claims(bytes_view bytes) {
  small_rings rings;
  std::array<std::uint64_t, 4> positions{};
  for (std::size_t i = 0; i < positions.size(); ++i) {
    const auto made = rings.call(i);
    hold(made.has_value(), "an empty ring has no room");
    positions[i] = *made;
  }
  pour(bytes, &rings.replies->claims, sizeof rings.replies->claims);
  for (const std::uint64_t each : positions) {
    const bool begun = rings.calls_out.seen_claimed(each);
    if (rings.calls_out.take_back(each)) {
      hold(!begun, "a call was taken back that had begun");
    } else {
      hold(rings.calls_out.seen_claimed(each) && !rings.calls_out.take_back(each), "a verdict that changes");
      hold(rings.calls_out.finished(each), "a call that was begun cannot finish");
    }
    hold(!rings.calls_out.awaits_reply(each), "a call that is over awaits a reply");
  }
  hold(rings.calls_out.in_flight() == 0, "calls are left");
}

void order(bytes_view bytes) {
  const auto read = process::decode_order(bytes);
  if (!read) return hold(!read.error().text().empty(), "refused without a reason");
  const auto encoded = [](const process::order& one) {
    using bytes = std::expected<std::vector<std::byte>, base::os_error>;
    if (const auto* birth = std::get_if<process::spawn_order>(&one))
      return bytes(process::encode(birth->birth));
    if (const auto* kill = std::get_if<process::kill_order>(&one)) return bytes(process::encode(*kill));
    return bytes(process::encode(std::get<process::prepare_order>(one)));
  };
  const auto once = encoded(*read);
  if (!once) return;  // too long to be sent
  const auto again = process::decode_order(*once);
  hold(again && again->index() == read->index() && encoded(*again) == *once, "an order that is another");
}

void answer(bytes_view bytes) {
  base::file_descriptor pidfd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const auto read = process::decode_answer(bytes, std::move(pidfd));
  if (!read) return hold(!read.error().text().empty(), "refused without a reason");
  const auto once = std::visit(
      []<class T>(const T& one) {
        if constexpr (std::same_as<T, process::lost>)
          return std::vector<std::byte>();
        else
          return process::encode(one);
      },
      *read);
  hold(std::ranges::equal(once, bytes), "an answer that is another");
}

using reading = void (*)(bytes_view);
constexpr reading readings[] = {control_message, exception, call_about, progress, last_words,
                                replies,         claims,    order,      answer};

void worker_messages(std::string_view input) {
  if (input.empty()) return;
  const auto which = static_cast<unsigned char>(input.front() - 'a');
  readings[which % std::size(readings)](bytes_of(input.substr(1)));
}

const bool worker_messages_is_known = registered("worker_messages", worker_messages);

}  // namespace
}  // namespace muster::fuzz
