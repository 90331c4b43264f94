// SPDX-License-Identifier: MIT
// What a host writes: a stream that is cut into lines, lines that are messages, and values of JSON in them.
// Another reader of JSON must be of the same opinion about every line.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <tuple>

#include <nlohmann/json.hpp>

#include <muster/error.hpp>
#include <muster/json.hpp>

#include "fuzz/target.hpp"
#include "host/line_reader.hpp"
#include "host/messages.hpp"

namespace muster::fuzz {

enum class colour : signed char { red, green };
struct twig {
  int value = 0;
  std::vector<twig> next{};
};
// A member of each kind that has a form in JSON.
struct all_kinds {
  std::optional<bool> flag{};
  std::optional<signed char> small{};
  std::optional<std::uint64_t> large{};
  std::optional<double> real{};
  std::optional<float> half{};
  std::optional<std::string> text{};
  std::optional<std::filesystem::path> path{};
  std::optional<std::vector<std::string>> texts{};
  std::optional<std::map<std::string, double>> by_name{};
  std::optional<std::map<int, std::string>> by_number{};
  std::optional<std::set<int>> numbers{};
  std::optional<std::array<int, 3>> three{};
  std::optional<std::tuple<int, std::string>> both{};
  std::optional<std::vector<std::byte>> bytes{};
  std::optional<std::chrono::milliseconds> time{};
  std::optional<colour> paint{};
  std::optional<twig> tree{};
};

}  // namespace muster::fuzz

template <>
struct muster::fields<muster::fuzz::twig> {
  using twig = muster::fuzz::twig;
  static constexpr auto list = std::make_tuple(field("value", &twig::value), field("next", &twig::next));
};
template <>
struct muster::fields<muster::fuzz::all_kinds> {
  using all = muster::fuzz::all_kinds;
  static constexpr auto list =
      std::make_tuple(field("flag", &all::flag), field("small", &all::small), field("large", &all::large),
                      field("real", &all::real), field("half", &all::half), field("text", &all::text),
                      field("path", &all::path), field("texts", &all::texts), field("by_name", &all::by_name),
                      field("by_number", &all::by_number), field("numbers", &all::numbers),
                      field("three", &all::three), field("both", &all::both), field("bytes", &all::bytes),
                      field("time", &all::time), field("paint", &all::paint), field("tree", &all::tree));
};

namespace muster::fuzz {
namespace {

// "… (at byte 19)", of a text that has so many.
void hold_names_a_place(std::string_view why, std::size_t size) {
  constexpr std::string_view mark = " (at byte ";
  const std::size_t at = why.rfind(mark);
  std::size_t place = size + 1;
  if (at != std::string_view::npos)
    std::from_chars(why.data() + at + mark.size(), why.data() + why.size(), place);
  hold(place <= size, "an error that names no place in its text: ", why);
}

bool is_json(std::string_view text) try {
  json_reader in(text);
  static_cast<void>(in.skip());
  in.finish();
  return true;
} catch (const decode_error& problem) {
  hold_names_a_place(problem.what(), text.size());
  return false;
}

// None where the two may differ: in halves of surrogate pairs, in marks of the byte order, in numbers that no
// double can hold, and in zero bytes, which end a text over there.
std::optional<bool> is_json_to_others(std::string_view text) {
  if (text.contains("\\ud") || text.contains("\\uD") || text.contains('\0') ||
      text.starts_with("\xef\xbb\xbf"))
    return std::nullopt;
  try {
    return !nlohmann::json::parse(text).is_discarded();
  } catch (const nlohmann::json::parse_error&) {
    return false;
  } catch (const nlohmann::json::out_of_range&) {
    return std::nullopt;
  }
}

template <class T>
void hold_survives(std::string_view text) {
  const json given{.text = std::string(text), .attachments = {{}, std::vector<std::byte>(3)}};
  std::optional<T> value;
  try {
    value.emplace(from_json<T>(given));
  } catch (const decode_error& problem) {
    return hold_names_a_place(problem.what(), text.size());
  }
  const json written = to_json(*value);
  hold(is_json(written.text), "what was written is no JSON: ", written.text);
  const json again = to_json(from_json<T>(written));
  hold(again.text == written.text && again.attachments == written.attachments, written.text, " came back as ",
       again.text);
}

std::string written_by_bazel(const host::message& said) {
  if (said.error) return "{\"wasCancelled\":true,\"requestId\":" + std::to_string(said.id) + "}";
  const auto [code, output] = from_json<std::pair<int, std::string>>({.text = said.value, .attachments = {}});
  json_writer out;
  out.raw("{\"requestId\":" + std::to_string(said.id) + ",\"exitCode\":" + std::to_string(code));
  out.raw(",\"output\":");
  out.string(output);
  out.raw("}");
  return out.value.text;
}

std::string written_by_a_host(const host::message& said) {
  using host::message_kind;
  json_writer out;
  out.raw("{\"id\":" + std::to_string(said.id) + ",\"text\":");
  out.string(said.text);
  if (said.kind == message_kind::ready || said.kind == message_kind::not_ready) {
    out.raw(said.kind == message_kind::ready ? ",\"ready\":true" : ",\"ready\":false");
  } else if (said.kind == message_kind::progress) {
    out.raw(",\"progress\":");
    out.number(said.fraction);
  } else if (!said.error) {
    out.raw(",\"value\":" + said.value);
  }
  if (said.error) {
    out.raw(",\"error\":{\"type\":");
    out.string(said.error->type);
    out.raw(",\"message\":");
    out.string(said.error->message);
    out.raw(",\"stack\":");
    out.string(said.error->stack);
    out.raw("}");
  }
  if (!said.attachments.empty()) {
    out.raw(",\"bytes\":");
    detail::write_list(out, '[', ']', said.attachments, [&](const host::message::announced& each) {
      out.raw(each.lent ? "{\"lent\":" : "");
      out.number(each.lent.value_or(each.size));
      out.raw(each.lent ? "}" : "");
    });
  }
  out.raw("}");
  return out.value.text;
}

bool is_same(const host::message& a, const host::message& b) {
  const auto told = [](const host::message& m) {
    return m.error ? m.error->type + '\0' + m.error->message + '\0' + m.error->stack : std::string();
  };
  // Only an answer has a number and a value.
  const bool numbered = a.kind == host::message_kind::answer || a.kind == host::message_kind::progress;
  return a.kind == b.kind && (!numbered || (a.id == b.id && a.value == b.value)) &&
         a.error.has_value() == b.error.has_value() && told(a) == told(b) && a.attachments == b.attachments &&
         a.fraction == b.fraction && a.text == b.text;
}

// What we write to a host, as it will read it.
void hold_call_is_json(const host::message& said) {
  if (is_json_to_others(said.value) != true) return;
  const std::string name = said.error ? said.error->message : said.text;
  const auto read = nlohmann::json::parse(host::call_line(said.id, said.text, name, said.value, {}));
  hold(read.at("call") == name && read.at("id") == said.id && read.value("module", "") == said.text &&
           read.at("args") == nlohmann::json::parse(said.value),
       "a call reads otherwise than it was written, with arguments ", said.value);
}

void hold_is_understood_or_refused(host_protocol protocol, std::string_view line) {
  const auto said = host::read_line(protocol, line);
  if (!said) return hold_names_a_place(said.error(), line.size());
  hold(is_json(line) && is_json(said->value), "a message that is no JSON: ", line);
  hold(said->attachments.size() <= host::most_attachments, "too many pieces");
  std::size_t sum = 0;
  for (const auto& each : said->attachments) sum += each.size;
  hold(sum <= host::most_attached, "more bytes than are allowed");
  const std::string again =
      protocol == host_protocol::bazel ? written_by_bazel(*said) : written_by_a_host(*said);
  const auto read = host::read_line(protocol, again);
  hold(read && is_same(*said, *read), line, " was read otherwise as ", again);
  hold_call_is_json(*said);
}

// False: the input has ended in the bytes.
bool take_bytes(host::line_reader& in, std::string_view& rest, std::size_t size) {
  const auto bytes = in.bytes(size);
  hold(bytes.has_value() == (size <= rest.size()), "bytes that came are not there, or others are");
  if (!bytes) return false;
  hold(std::string_view(reinterpret_cast<const char*>(bytes->data()), size) == rest.substr(0, size),
       "other bytes than came");
  rest.remove_prefix(size);
  return true;
}

void host_lines(std::string_view input) {
  constexpr std::size_t longest = 1'000;
  int ends[2];
  if (input.size() > 60'000 || ::pipe2(ends, O_CLOEXEC) != 0) return;  // a pipe holds it all
  const unique_fd from(ends[0]);
  const bool is_there = ::write(ends[1], input.data(), input.size()) == static_cast<ssize_t>(input.size());
  ::close(ends[1]);
  if (!is_there) return;
  host::line_reader in(from.get(), -1, longest);
  for (std::string_view rest = input;;) {
    const auto line = in.line();
    const std::size_t length = std::min(rest.find('\n'), rest.size());
    if (!line) {
      const auto expected = length > longest ? host::line_end::too_long
                            : rest.empty()   ? host::line_end::closed
                                             : host::line_end::cut_off;
      return hold(line.error() == expected && (length > longest || !rest.contains('\n')),
                  "the stream ends otherwise than it does");
    }
    hold(length <= longest && *line == take_line(rest), "a line that is another");
    const auto others = is_json_to_others(*line);
    hold(!others || *others == is_json(*line), "one reader takes it for JSON, the other does not: ", *line);
    hold_survives<all_kinds>(*line);
    hold_survives<json>(*line);
    hold_is_understood_or_refused(host_protocol::bazel, *line);
    hold_is_understood_or_refused(host_protocol::json_lines, *line);
    if (const auto said = host::read_line(host_protocol::json_lines, *line))
      for (const auto& each : said->attachments)
        if (!take_bytes(in, rest, each.size)) return;
  }
}

const bool host_lines_is_known = registered("host_lines", host_lines);

}  // namespace
}  // namespace muster::fuzz
