// SPDX-License-Identifier: MIT
#pragma once

// The newest of what a call that a worker runs said about its progress, in the memory that it shares with its
// owner: written over and over, so it never fills up and never waits. The worker writes under a lock of its
// own; the owner's loop reads, and believes nothing without a check. A reader that meets a writer skips,
// and is rung for again.

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

namespace muster::ipc {

inline constexpr std::size_t most_progress_bytes = 192;

struct progress_slot {
  // Worker: odd while it writes. Each of its stores is a release and each of the owner's loads an acquire: an
  // owner that has copied anything newer than the version it began with then finds another version.
  std::atomic<std::uint32_t> version;
  std::atomic<std::uint32_t> size;  // of the text; this and all below: worker
  std::atomic<std::uint64_t> position;
  std::atomic<std::uint64_t> fraction;  // the bits of a double
  std::array<std::atomic<std::uint64_t>, most_progress_bytes / 8> text;
};
static_assert(std::is_standard_layout_v<progress_slot> && sizeof(progress_slot) == 24 + most_progress_bytes);

inline void write_progress(progress_slot& to, std::uint64_t position, double fraction,
                           std::string_view text) {
  text = text.substr(0, most_progress_bytes);
  const std::uint32_t version = to.version.load(std::memory_order_relaxed);
  to.version.store(version + 1, std::memory_order_relaxed);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &fraction, sizeof bits);
  to.position.store(position, std::memory_order_release);
  to.fraction.store(bits, std::memory_order_release);
  to.size.store(static_cast<std::uint32_t>(text.size()), std::memory_order_release);
  for (std::size_t at = 0; at < text.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + at, std::min<std::size_t>(8, text.size() - at));
    to.text[at / 8].store(word, std::memory_order_release);
  }
  to.version.store(version + 2, std::memory_order_release);
}

struct seen_progress {
  std::uint64_t position = 0;
  double fraction = 0;
  std::string text;
};

// Whether there may be something newer than what was seen.
inline bool has_news(const progress_slot& from, std::uint32_t seen) {
  const std::uint32_t version = from.version.load(std::memory_order_acquire);
  return version != seen && version % 2 == 0;
}

// Something newer than the version `seen`, which is then raised. Sizes that cannot be are cut.
inline std::optional<seen_progress> read_progress(const progress_slot& from, std::uint32_t& seen) {
  const std::uint32_t version = from.version.load(std::memory_order_acquire);
  if (version == seen || version % 2 != 0) return std::nullopt;
  seen_progress copy;
  copy.position = from.position.load(std::memory_order_acquire);
  const std::uint64_t bits = from.fraction.load(std::memory_order_acquire);
  std::memcpy(&copy.fraction, &bits, sizeof bits);
  const std::size_t size =
      std::min<std::size_t>(from.size.load(std::memory_order_acquire), most_progress_bytes);
  std::array<std::uint64_t, most_progress_bytes / 8> words;
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = from.text[i].load(std::memory_order_acquire);
  if (from.version.load(std::memory_order_relaxed) != version) return std::nullopt;
  seen = version;
  copy.text.assign(reinterpret_cast<const char*>(words.data()), size);
  return copy;
}

}  // namespace muster::ipc
