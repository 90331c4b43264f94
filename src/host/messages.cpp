// SPDX-License-Identifier: MIT
#include "host/messages.hpp"

#include <muster/error.hpp>

namespace muster::host {
namespace {

using detail::read_json;

std::size_t read_size(json_reader& in) { return read_json<std::size_t>(in); }

thrown read_thrown(json_reader& in) {
  thrown result{.type = "Error", .message = {}, .stack = {}};
  if (in.kind() == json_kind::string) {
    result.message = in.string();
    return result;
  }
  in.object([&](const std::string& key) {
    if (key == "type")
      result.type = in.string();
    else if (key == "message")
      result.message = in.string();
    else if (key == "stack")
      result.stack = in.string();
    else
      in.skip();
  });
  return result;
}

std::vector<message::announced> read_announced(json_reader& in) {
  std::vector<message::announced> all;
  std::size_t sum = 0;
  in.array([&] {
    message::announced& one = all.emplace_back();
    if (in.kind() == json_kind::object) {
      in.object([&](const std::string& key) {
        if (key == "lent")
          one.lent = read_size(in);
        else
          in.skip();
      });
      if (!one.lent) in.refuse("announces bytes without their number");
    } else {
      one.size = read_size(in);
    }
    if (one.size > most_attached - sum) in.refuse("announces more bytes than 1 GiB");
    sum += one.size;
    if (all.size() > most_attachments)
      in.refuse("announces more than " + std::to_string(most_attachments) + " pieces of bytes");
  });
  return all;
}

message read_ours(json_reader& in) {
  message result;
  std::optional<bool> ready;
  std::optional<std::uint64_t> id;
  bool has_value = false;
  bool is_progress = false;
  in.object([&](const std::string& key) {
    if (key == "id") {
      id = read_json<std::uint64_t>(in);
    } else if (key == "value") {
      result.value = in.skip();
      has_value = true;
    } else if (key == "error") {
      result.error = read_thrown(in);
    } else if (key == "bytes") {
      result.attachments = read_announced(in);
    } else if (key == "ready") {
      ready = in.boolean();
    } else if (key == "progress") {
      result.fraction = read_json<double>(in);
      is_progress = true;
    } else if (key == "text") {
      result.text = in.string();
    } else {
      in.skip();  // of a later edition
    }
  });
  if (ready) {
    result.kind = *ready ? message_kind::ready : message_kind::not_ready;
    return result;
  }
  if (!id) in.refuse("it has neither \"id\" nor \"ready\"");
  result.id = *id;
  if (is_progress) {
    result.kind = message_kind::progress;
    if (has_value || result.error) in.refuse("it is progress and an answer");
    if (!result.attachments.empty()) in.refuse("progress has no bytes");
  } else if (has_value == result.error.has_value()) {
    in.refuse(has_value ? "it has both \"value\" and \"error\"" : "it has neither \"value\" nor \"error\"");
  }
  return result;
}

// A value of [exit code, output], as `work` expects it; see host.hpp.
message read_bazel(json_reader& in) {
  message result;
  int exit_code = 0;
  std::string output;
  bool was_cancelled = false;
  in.object([&](const std::string& key) {
    if (key == "exitCode")
      exit_code = read_json<int>(in);
    else if (key == "output")
      output = in.string();
    else if (key == "requestId")
      result.id = read_json<std::uint64_t>(in);
    else if (key == "wasCancelled")
      was_cancelled = in.boolean();
    else
      in.skip();
  });
  if (was_cancelled) {
    result.error =
        thrown{.type = "cancelled", .message = "the program says that it was cancelled", .stack = {}};
    return result;
  }
  result.value = to_json(std::pair(exit_code, output)).text;
  return result;
}

void write_mapping(json_writer& out, const attachment& what) {
  const auto one = [&out](const char* before, std::uint64_t number) {
    out.raw(before);
    out.number(number);
  };
  const attachment::mapping& memory = *what.memory;
  one("{\"block\":", memory.block);
  one(",\"map\":", memory.size);
  one(",\"offset\":", memory.offset);
  one(",\"size\":", what.bytes.size());
  if (memory.forgotten != 0) one(",\"forget\":", memory.forgotten);
  if (memory.is_writable) out.raw(",\"writable\":true");
  if (memory.is_sent) out.raw(",\"sent\":true");
  out.raw("}");
}

}  // namespace

std::string call_line(std::uint64_t id, const std::string& module, const std::string& function,
                      std::string_view arguments, std::span<const attachment> beside) {
  json_writer out;
  out.value.text.reserve(arguments.size() + function.size() + module.size() + 64);
  out.raw("{\"id\":");
  out.number(id);
  out.raw(",\"call\":");
  out.string(function);
  if (!module.empty()) {
    out.raw(",\"module\":");
    out.string(module);
  }
  out.raw(",\"args\":");
  out.raw(arguments);
  if (!beside.empty()) {
    out.raw(",\"bytes\":");
    detail::write_list(out, '[', ']', beside, [&](const attachment& each) {
      if (each.memory)
        write_mapping(out, each);
      else
        out.number(each.bytes.size());
    });
  }
  out.raw("}\n");
  return std::move(out.value.text);
}

std::string bazel_line(std::uint64_t id, const std::vector<std::string>& arguments) {
  json_writer out;
  out.raw("{\"arguments\":");
  detail::write_json(out, arguments);
  out.raw(",\"inputs\":[],\"requestId\":");
  out.number(id);
  out.raw("}\n");
  return std::move(out.value.text);
}

std::string cancel_line(host_protocol protocol, std::uint64_t id) {
  const std::string number = std::to_string(id);
  return protocol == host_protocol::bazel ? "{\"cancel\":true,\"requestId\":" + number + "}\n"
                                          : "{\"cancel\":" + number + "}\n";
}

std::expected<message, std::string> read_line(host_protocol protocol, std::string_view line) try {
  json_reader in(line);
  if (in.kind() != json_kind::object) in.refuse_next("an object");
  message result = protocol == host_protocol::bazel ? read_bazel(in) : read_ours(in);
  in.finish();
  return result;
} catch (const decode_error& e) {
  return std::unexpected(std::string(e.what()));
}

}  // namespace muster::host
