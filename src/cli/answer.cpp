// SPDX-License-Identifier: MIT
#include "cli/answer.hpp"

#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "cli/json_base64.hpp"

namespace muster::cli {
namespace {

constexpr const char* command_failed = "command_failed";

json value_of(const program_result& result) {
  json value{
      {"exit_code", result.exit_code}, {"out", string_value(result.out)}, {"err", string_value(result.err)}};
  if (result.out_dropped > 0) value["out_dropped"] = result.out_dropped;
  if (result.err_dropped > 0) value["err_dropped"] = result.err_dropped;
  return value;
}

std::string last_line(std::string_view text) {
  while (text.ends_with('\n')) text.remove_suffix(1);
  const auto end = text.rfind('\n');
  return std::string(end == std::string_view::npos ? text : text.substr(end + 1));
}

// A string, or the bytes of one that is not UTF-8.
std::string bytes_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_object() || !value.contains("base64") || !value["base64"].is_string()) return {};
  const auto bytes = from_base64(value["base64"].get<std::string>()).value_or(std::vector<std::byte>{});
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// In the place of {"$bytes": n}. As deep as the library lets a result be.
void put_bytes(json& into, const std::vector<std::vector<std::byte>>& attachments) {
  if (into.is_object() && into.size() == 1 && into.contains("$bytes")) {
    into = json{{"base64", to_base64(attachments.at(into["$bytes"].get<std::size_t>()))}};
    return;
  }
  if (!into.is_structured()) return;
  for (json& each : into) put_bytes(each, attachments);
}

bool is_of_command(const json& value) {
  return value.is_object() && value.contains("exit_code") && value.contains("out") && value.contains("err");
}

std::string tagged(const std::string& text, const std::string& name) {
  std::string made;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    made += fmt::format("{}\t{}\n", name, std::string_view(text).substr(at, end - at));
    at = end + 1;
  }
  return made;
}

std::string dropped(const json& value, const char* what) {
  const auto found = value.find(what);
  if (found == value.end() || !found->is_number()) return {};
  return fmt::format("muster: {} bytes before this were not kept; --keep keeps more\n", found->dump());
}

}  // namespace

answer answer_of(future<std::vector<std::byte>>& done, const value_type& type) {
  try {
    auto value = decode_value(type, done.get());
    if (value) return *std::move(value);
    return std::unexpected(
        failure{.kind = std::string(name(error_code::decode_error)), .message = value.error()});
  } catch (...) {
    return std::unexpected(describe(std::current_exception()));
  }
}

answer answer_of(future<muster::json>& done) {
  try {
    const muster::json got = done.get();
    json value = json::parse(got.text);
    if (!got.attachments.empty()) put_bytes(value, got.attachments);
    return value;
  } catch (...) {
    return std::unexpected(describe(std::current_exception()));
  }
}

answer answer_of(future<program_result>& done) {
  try {
    const program_result result = done.get();
    json value = value_of(result);
    if (result.exit_code == 0) return value;
    failure why{.kind = command_failed};
    if (result.signal)
      why.signal = *result.signal;
    else
      why.exit_code = result.exit_code;
    why.message = result.signal ? fmt::format("ended by signal {}", *result.signal)
                                : fmt::format("exit code {}", result.exit_code);
    if (const std::string said = last_line(result.err); !said.empty()) why.message += ": " + said;
    why.output = std::move(value);
    return std::unexpected(std::move(why));
  } catch (...) {
    return std::unexpected(describe(std::current_exception()));
  }
}

bool was_stopped(const answer& got) {
  return !got && (got.error().kind == name(error_code::cancelled) ||
                  got.error().kind == name(error_code::pool_stopped));
}

answer answer_in(const nlohmann::ordered_json& result) {
  if (result.value("ok", nlohmann::ordered_json()) == true && result.contains("value"))
    return json(result["value"]);
  failure why;
  const auto found = result.find("error");
  if (found == result.end() || !found->is_object()) return std::unexpected(why);
  const auto text = [&](const char* member) {
    return found->contains(member) && (*found)[member].is_string() ? (*found)[member].get<std::string>() : "";
  };
  why.kind = text("kind");
  why.message = text("message");
  if (found->contains("out")) why.output = json(*found);
  return std::unexpected(std::move(why));
}

result_text raw_text(const answer& got, const std::string& name, bool tag) {
  result_text made;
  const json& value = got ? *got : got.error().output;
  if (is_of_command(value) || (!got && value.is_object() && value.contains("out"))) {
    made.out = bytes_of(value.value("out", json()));
    made.err = bytes_of(value.value("err", json()));
    if (tag) {
      made.out = tagged(made.out, name);
      made.err = tagged(made.err, name);
    }
    made.err = dropped(value, "out_dropped") + dropped(value, "err_dropped") + made.err;
  } else if (got && !value.is_null()) {
    made.out = (value.is_string() ? value.get<std::string>() : to_line(value)) + '\n';
    if (tag) made.out = tagged(made.out, name);
  }
  if (!got) made.err += fmt::format("muster: {}: {}\n", name, got.error().message);
  return made;
}

}  // namespace muster::cli
