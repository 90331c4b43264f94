// SPDX-License-Identifier: MIT
//
// Prints the calls and answers that lie between an owner and one of its workers: `show_frames <pid of a
// worker>`, or `show_frames <requests> <replies>` for copies of its descriptors 5 and 6, taken earlier
// (`cp /proc/<pid>/fd/5 requests`). What each field means is told in docs/internals/process-protocol.md. It
// only reads; of a worker that lives, what it prints may have changed meanwhile.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "ipc/birth.hpp"
#include "ipc/last_words.hpp"
#include "ipc/layout.hpp"
#include "ipc/messages.hpp"

namespace {

using namespace muster::ipc;

// The memory in the file, read-only, for as long as this program runs; null, and a line on standard error,
// when it is none of that kind.
template <class T>
const T* view_of(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  const off_t size = file < 0 ? -1 : ::lseek(file, 0, SEEK_END);
  if (size != static_cast<off_t>((sizeof(T) + 4'095) / 4'096 * 4'096) &&
      size != static_cast<off_t>(sizeof(T))) {
    std::fprintf(
        stderr, "show_frames: %s is not the memory of a worker of this version: it has %lld bytes, not %zu\n",
        path.c_str(), static_cast<long long>(size), sizeof(T));
    return nullptr;
  }
  void* const address = ::mmap(nullptr, sizeof(T), PROT_READ, MAP_SHARED, file, 0);
  ::close(file);
  return address == MAP_FAILED ? nullptr : static_cast<const T*>(address);
}

const char* name(claim_state state) {
  switch (state) {
    case claim_state::ready: return "ready";
    case claim_state::claimed: return "claimed";
    case claim_state::taken_back: return "taken back";
  }
  return "in no state";
}
const char* name_of_status(std::uint32_t word) {
  if (!is_status_word(word)) return "no status";
  switch (status_of(word)) {
    case reply_status::value: return "a value";
    case reply_status::exception: return "an exception";
    case reply_status::refused: return "a refusal";
    case reply_status::chunk: return "a chunk";
  }
  return "no status";
}

// The size, where it lies, and the first bytes where that is the slot.
template <std::size_t Size>
std::string payload_of(std::uint64_t size, std::uint32_t by,
                       const machine_atomics::bytes<Size>& inline_bytes) {
  constexpr std::array places = {"in the slot", "in the byte ring", "in a file"};
  std::string text = std::to_string(size) + " bytes " + (by < places.size() ? places[by] : "nowhere");
  if (by != static_cast<std::uint32_t>(carrier::slot) || size == 0) return text;
  text += ":";
  std::array<std::byte, 16> first{};
  const auto shown = static_cast<std::size_t>(std::min<std::uint64_t>({size, first.size(), Size}));
  inline_bytes.read(0, std::span(first).first(shown));
  char hex[4];
  for (std::size_t i = 0; i < shown; ++i) {
    std::snprintf(hex, sizeof hex, " %02x", static_cast<unsigned>(first[i]));
    text += hex;
  }
  return size > shown ? text + " ..." : text;
}

void show(const request_region& requests, const reply_region& replies) {
  for (std::size_t i = 0; i < slot_count; ++i) {
    const std::uint64_t claim = replies.claims[i].load(std::memory_order_acquire);
    if (claim == 0) continue;
    const request_slot& slot = requests.slots[i];
    const bool is_cancelled = slot.cancel.load(std::memory_order_acquire) == claim_position(claim) + 1;
    std::printf("call %llu, %s%s: task %llu, attempt %u, function %016llx, called by %016llx, flags %u, %s\n",
                static_cast<unsigned long long>(claim_position(claim)),
                name(static_cast<claim_state>(claim & 3)), is_cancelled ? ", cancelled" : "",
                static_cast<unsigned long long>(slot.task.get()), slot.attempt.get(),
                static_cast<unsigned long long>(slot.target.get()),
                static_cast<unsigned long long>(slot.thunk.get()), slot.flags.get(),
                payload_of(slot.size.get(), slot.carrier.get(), slot.inline_bytes).c_str());
  }
  const std::uint64_t taken = requests.replies_taken.load(std::memory_order_acquire);
  for (std::size_t i = 0; i < slot_count; ++i) {
    const reply_slot& slot = replies.slots[i];
    const std::uint64_t published = slot.published.load(std::memory_order_acquire);
    if (published == 0) continue;
    std::printf("answer %llu, %s: to call %llu, %s, %s\n", static_cast<unsigned long long>(published - 1),
                published <= taken ? "taken" : "not taken",
                static_cast<unsigned long long>(slot.position.get()), name_of_status(slot.status.get()),
                payload_of(slot.size.get(), slot.carrier.get(), slot.inline_bytes).c_str());
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2 && argc != 3) {
    std::fprintf(stderr,
                 "show_frames <pid of a worker> | <copy of its descriptor 5> <copy of its descriptor 6>\n");
    return 2;
  }
  const auto descriptor = [&](int order) {
    return std::string("/proc/") + argv[1] + "/fd/" + std::to_string(first_worker_descriptor + order);
  };
  const auto* requests = view_of<request_region>(argc == 3 ? argv[1] : descriptor(2));
  const auto* replies = view_of<reply_memory>(argc == 3 ? argv[2] : descriptor(3));
  if (requests == nullptr || replies == nullptr) return 1;
  show(*requests, replies->rings);
}
