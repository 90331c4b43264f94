// SPDX-License-Identifier: MIT
#include "process/trace.hpp"

#include <signal.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

#include "base/printable.hpp"

namespace muster::process {
namespace {

// One line of /proc/<pid>/maps: "from-to rwxp offset device inode   path".
struct mapping {
  std::uint64_t from = 0, to = 0, offset = 0;
  module::mapped_file file;
};

std::string_view next_field(std::string_view& rest) {
  const std::size_t begin = std::min(rest.find_first_not_of(' '), rest.size());
  rest.remove_prefix(begin);
  const std::string_view field = rest.substr(0, rest.find(' '));
  rest.remove_prefix(field.size());
  return field;
}

bool number(std::string_view text, int base, std::uint64_t& to) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::optional<mapping> parse(std::string_view line) {
  mapping found;
  const std::string_view range = next_field(line);
  const std::size_t dash = range.find('-');
  if (dash == std::string_view::npos || !number(range.substr(0, dash), 16, found.from) ||
      !number(range.substr(dash + 1), 16, found.to))
    return std::nullopt;
  next_field(line);  // access
  if (!number(next_field(line), 16, found.offset)) return std::nullopt;
  next_field(line);  // device
  if (!number(next_field(line), 10, found.file.inode)) return std::nullopt;
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  found.file.path = line;
  return found;
}

std::vector<mapping> parse_maps(std::string_view text) {
  std::vector<mapping> all;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    if (auto one = parse(text.substr(0, end))) all.push_back(std::move(*one));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return all;
}

}  // namespace

bool words_read::is_stack_overflow() const {
  // Large frames are probed from their far end, so the fault may lie well below the pointer.
  constexpr std::uint64_t below = 1 << 20, above = 4096;
  return signal == SIGSEGV && code > 0 && stack_pointer != 0 && fault_address + below >= stack_pointer &&
         fault_address <= stack_pointer + above;
}

bool has_answered(const ipc::last_words& from) {
  return from.stage.load(std::memory_order_acquire) == static_cast<std::uint32_t>(ipc::words_stage::whole);
}

std::optional<words_read> read_words(const ipc::last_words& from, bool& nonsense) {
  nonsense = false;
  const std::uint32_t stage = from.stage.load(std::memory_order_acquire);
  if (stage == static_cast<std::uint32_t>(ipc::words_stage::none)) return std::nullopt;
  // Everything but the text of the maps, which is copied once its length is known to fit.
  struct {
    std::uint32_t kind;
    std::int32_t signal, code, sender;
    std::uint32_t thread;
    std::uint64_t fault_address, stack_pointer;
    std::uint32_t frame_count, map_bytes;
  } head{};
  const volatile ipc::last_words& shared = from;
  head = {shared.kind,          shared.signal,        shared.code,        shared.sender,   shared.thread,
          shared.fault_address, shared.stack_pointer, shared.frame_count, shared.map_bytes};
  const auto kind = static_cast<ipc::words_kind>(head.kind);
  if (stage > static_cast<std::uint32_t>(ipc::words_stage::whole) || head.frame_count == 0 ||
      head.frame_count > ipc::most_frames || head.map_bytes > ipc::most_map_bytes ||
      (kind != ipc::words_kind::crash && kind != ipc::words_kind::hang)) {
    nonsense = true;
    return std::nullopt;
  }
  words_read copy{.kind = kind,
                  .signal = head.signal,
                  .code = head.code,
                  .sender = head.sender,
                  .fault_address = head.fault_address,
                  .stack_pointer = head.stack_pointer};
  copy.frames.resize(head.frame_count);
  for (std::uint32_t i = 0; i < head.frame_count; ++i) copy.frames[i] = shared.frames[i];
  copy.maps.assign(from.maps, head.map_bytes);
  return copy;
}

std::vector<stack_frame> backtrace_of(const words_read& words, module::symbols& names) {
  const std::vector<mapping> maps = parse_maps(words.maps);
  std::vector<stack_frame> frames;
  for (std::size_t i = 0; i < words.frames.size(); ++i) {
    stack_frame frame{.address = words.frames[i]};
    // The first is where it was; the others are where calls return to.
    const std::uint64_t inside = i == 0 || frame.address == 0 ? frame.address : frame.address - 1;
    const auto where = std::find_if(maps.begin(), maps.end(),
                                    [&](const mapping& m) { return inside >= m.from && inside < m.to; });
    if (where != maps.end()) {
      const std::uint64_t offset = frame.address - where->from + where->offset;
      const module::code_place& place = names.at(where->file, offset, i != 0);
      frame.module = base::printable(where->file.path);
      frame.offset = place.address != 0 ? place.address : offset;
      frame.function = place.function;
      frame.source = place.source;
    }
    frames.push_back(std::move(frame));
  }
  return frames;
}

}  // namespace muster::process
