// SPDX-License-Identifier: MIT
#include "process/spawn.hpp"

#include <cerrno>
#include <optional>
#include <utility>

#include "process/wire.hpp"

namespace muster::process {
namespace {

enum class kind : unsigned char { spawn = 1, kill, prepare, started, start_failed, ended };

void put(writer& out, kind value) { out.number(static_cast<unsigned char>(value)); }

void put(writer& out, const std::vector<std::string>& values) {
  out.number(values.size());
  for (const std::string& value : values) out.text(value);
}

std::vector<std::string> get_texts(reader& in) {
  std::vector<std::string> values(in.count(sizeof(std::size_t)));
  for (std::string& value : values) value = in.text();
  return values;
}

void put(writer& out, const std::optional<std::uint64_t>& value) {
  out.number<unsigned char>(value.has_value());
  out.number(value.value_or(0));
}

std::optional<std::uint64_t> get_optional(reader& in) {
  const bool present = in.flag();
  const auto value = in.number<std::uint64_t>();
  return present ? std::optional(value) : std::nullopt;
}

void put(writer& out, const ipc::environment_rule& rule) {
  out.number<unsigned char>(rule.pass_all);
  put(out, rule.pass);
  out.number(rule.set.size());
  for (const auto& [name, value] : rule.set) {
    out.text(name);
    out.text(value);
  }
}

ipc::environment_rule get_environment(reader& in) {
  ipc::environment_rule rule;
  rule.pass_all = in.flag();
  rule.pass = get_texts(in);
  rule.set.resize(in.count(2 * sizeof(std::size_t)));
  for (auto& [name, value] : rule.set) {
    name = in.text();
    value = in.text();
  }
  return rule;
}

// What a worker has to know of a fault; for whom it is was decided by the owner.
void put(writer& out, const std::vector<fault>& faults) {
  out.number(faults.size());
  for (const fault& each : faults) {
    out.number(static_cast<unsigned char>(each.at));
    out.number(static_cast<unsigned char>(each.action));
    out.number(each.number);
    out.number(each.pause.count());
    out.number(each.nth);
  }
}

std::vector<fault> get_faults(reader& in) {
  std::vector<fault> faults(in.count(2 + sizeof(int) + sizeof(std::int64_t) + sizeof(std::uint32_t)));
  for (fault& each : faults) {
    each.at = static_cast<fault_step>(in.number<unsigned char>());
    each.action = static_cast<fault_action>(in.number<unsigned char>());
    each.number = in.number<int>();
    each.pause = std::chrono::nanoseconds(in.number<std::chrono::nanoseconds::rep>());
    each.nth = in.number<std::uint32_t>();
  }
  return faults;
}

ipc::worker_birth get_birth(reader& in) {
  ipc::worker_birth birth;
  birth.slot = in.number<std::uint32_t>();
  birth.generation = in.number<std::uint64_t>();
  birth.pool = in.text();
  birth.contained = in.flag();
  birth.environment = get_environment(in);
  const bool has_directory = in.flag();
  std::string directory = in.text();
  if (has_directory) birth.directory = std::move(directory);
  birth.arguments = get_texts(in);
  birth.limits.address_space_bytes = get_optional(in);
  birth.limits.data_bytes = get_optional(in);
  birth.limits.open_files = get_optional(in);
  birth.limits.file_bytes = get_optional(in);
  birth.limits.processes = get_optional(in);
  birth.limits.cpu_seconds = get_optional(in);
  birth.limits.core_dumps = in.flag();
  birth.nice = in.number<int>();
  if (const int cpu = in.number<int>(); cpu >= 0) birth.cpu = cpu;
  birth.cgroup_procs = in.text();
  birth.init_call = in.block();
  birth.faults = get_faults(in);
  return birth;
}

std::unexpected<base::os_error> malformed(const char* what) {
  return std::unexpected(base::os_error{.code = EBADMSG, .call = what});
}

}  // namespace

std::expected<std::vector<std::byte>, base::os_error> encode(const ipc::worker_birth& birth) {
  writer out;
  put(out, kind::spawn);
  out.number(birth.slot);
  out.number(birth.generation);
  out.text(birth.pool);
  out.number<unsigned char>(birth.contained);
  put(out, birth.environment);
  out.number<unsigned char>(birth.directory.has_value());
  out.text(birth.directory.value_or(""));
  put(out, birth.arguments);
  put(out, birth.limits.address_space_bytes);
  put(out, birth.limits.data_bytes);
  put(out, birth.limits.open_files);
  put(out, birth.limits.file_bytes);
  put(out, birth.limits.processes);
  put(out, birth.limits.cpu_seconds);
  out.number<unsigned char>(birth.limits.core_dumps);
  out.number(birth.nice);
  out.number(birth.cpu.value_or(-1));
  out.text(birth.cgroup_procs);
  out.block(birth.init_call);
  put(out, birth.faults);
  std::vector<std::byte> bytes = out.take();
  if (bytes.size() > largest_request) {
    return std::unexpected(base::os_error{.code = EMSGSIZE,
                                          .call = "spawn a worker",
                                          .detail = "environment, arguments and init call together take " +
                                                    std::to_string(bytes.size()) + " bytes; at most " +
                                                    std::to_string(largest_request) + " can be sent"});
  }
  return bytes;
}

std::vector<std::byte> encode(const kill_order& message) {
  writer out;
  put(out, kind::kill);
  out.number(message.slot);
  out.number(message.generation);
  out.number(message.signal);
  return out.take();
}

std::vector<std::byte> encode(const prepare_order&) {
  writer out;
  put(out, kind::prepare);
  return out.take();
}

std::vector<std::byte> encode(const started& message) {
  writer out;
  put(out, kind::started);
  out.number(message.slot);
  out.number(message.generation);
  out.number(message.pid);
  return out.take();
}

std::vector<std::byte> encode(const start_failed& message) {
  writer out;
  put(out, kind::start_failed);
  out.number(message.slot);
  out.number(message.generation);
  out.text(message.reason.step);
  out.number(message.reason.code);
  out.text(message.reason.detail);
  return out.take();
}

std::vector<std::byte> encode(const ended& message) {
  writer out;
  put(out, kind::ended);
  out.number(message.slot);
  out.number(message.generation);
  out.number(message.pid);
  out.number(message.wait_status);
  out.number(message.max_rss_kib);
  out.number(message.user_time.count());
  out.number(message.system_time.count());
  return out.take();
}

std::expected<order, base::os_error> decode_order(std::span<const std::byte> bytes) {
  reader in(bytes);
  std::optional<order> result;
  switch (static_cast<kind>(in.number<unsigned char>())) {
    case kind::spawn: result = spawn_order{get_birth(in)}; break;
    case kind::prepare: result = prepare_order{}; break;
    case kind::kill: {
      kill_order message;
      message.slot = in.number<std::uint32_t>();
      message.generation = in.number<std::uint64_t>();
      message.signal = in.number<int>();
      result = message;
      break;
    }
    default: break;
  }
  if (!result || !in.at_end()) return malformed("read an order to the zygote");
  return std::move(*result);
}

std::expected<answer, base::os_error> decode_answer(std::span<const std::byte> bytes,
                                                    base::file_descriptor pidfd) {
  reader in(bytes);
  const auto what = static_cast<kind>(in.number<unsigned char>());
  const auto slot = in.number<std::uint32_t>();
  const auto generation = in.number<std::uint64_t>();
  std::optional<answer> result;
  switch (what) {
    case kind::started:
      if (pidfd) result = started{slot, generation, in.number<pid_t>(), std::move(pidfd)};
      break;
    case kind::start_failed: {
      ipc::failed_step reason;
      reason.step = in.text();
      reason.code = in.number<int>();
      reason.detail = in.text();
      result = start_failed{slot, generation, std::move(reason)};
      break;
    }
    case kind::ended: {
      ended message{.slot = slot, .generation = generation};
      message.pid = in.number<pid_t>();
      message.wait_status = in.number<int>();
      message.max_rss_kib = in.number<std::uint64_t>();
      message.user_time = std::chrono::microseconds(in.number<std::chrono::microseconds::rep>());
      message.system_time = std::chrono::microseconds(in.number<std::chrono::microseconds::rep>());
      result = message;
      break;
    }
    default: break;
  }
  if (!result || !in.at_end()) return malformed("read an answer of the zygote");
  return std::move(*result);
}

}  // namespace muster::process
