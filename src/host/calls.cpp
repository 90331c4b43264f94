// SPDX-License-Identifier: MIT
#include "host/calls.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <muster/error.hpp>
#include <muster/host.hpp>

#include "host/bridge.hpp"
#include "host/fill_in.hpp"
#include "host/native.hpp"
#include "host/one_shot.hpp"
#include "worker/mail.hpp"

namespace muster {
namespace host {
namespace {

// Written by init, before there are other threads; stays as long as the process.
const plan* present_plan = nullptr;
bridge* present_bridge = nullptr;  // null: it keeps no program

[[noreturn]] void refuse_stranger() {
  throw invalid_call("a function of a host was called in a worker that has none");
}

}  // namespace

void begin_host() {
  if (worker_arguments().empty()) throw std::logic_error("a host's worker was not told what to start");
  present_plan = new plan(from_bytes(worker_arguments().front()));
  if (present_plan->kind == kind::command) return;
  if (present_plan->kind == kind::native) become_native(*present_plan);
  if (present_plan->kind == kind::python) worker::keep_files_of_blocks();
  present_bridge = new bridge(*present_plan);
  present_bridge->begin();
}

void end_host() {
  if (present_bridge != nullptr) present_bridge->end();
}

}  // namespace host

namespace detail {

json call_host(context& about, const std::string& module, const std::string& function,
               const json& arguments) {
  if (host::present_bridge == nullptr) host::refuse_stranger();
  return host::present_bridge->call(about, module, function, arguments);
}

std::span<const std::byte> lent_buffer::bytes() const noexcept {
  if (const auto* const unique = std::get_if<buffer>(&memory)) return unique->bytes();
  if (const auto* const shared = std::get_if<shared_buffer>(&memory)) return shared->bytes();
  return {};
}

json call_host_lending(context& about, const std::string& module, const std::string& function,
                       const json& arguments, std::vector<lent_buffer>& lent, lent_buffer* result) {
  if (host::present_bridge == nullptr) host::refuse_stranger();
  std::vector<std::pair<std::size_t, std::size_t>> returned;
  json got = host::present_bridge->call(about, module, function, arguments, lent, returned);
  const auto lent_at = [&](std::size_t place) -> lent_buffer& {
    return *std::ranges::find(lent, place, &lent_buffer::place);
  };
  if (result != nullptr) {
    if (json_reader(got).kind() != json_kind::object || got.attachments.empty()) return got;
    json_reader in(got);
    const std::vector<std::byte>& bytes = in.attachment();
    in.finish();
    const auto index = static_cast<std::size_t>(&bytes - got.attachments.data());
    const auto found = std::ranges::find(returned, index, &std::pair<std::size_t, std::size_t>::first);
    if (found != returned.end()) {
      result->memory = std::move(lent_at(found->second).memory);
    } else {
      buffer copy(bytes.size());
      std::ranges::copy(bytes, copy.bytes().begin());
      result->memory = std::move(copy);
    }
    return {};
  }
  for (const auto& [index, place] : returned) {
    const auto bytes = lent_at(place).bytes();
    got.attachments[index].assign(bytes.begin(), bytes.end());
  }
  return got;
}

program_result run_program(context& about, const std::vector<std::string>& inputs) {
  if (host::present_plan == nullptr) host::refuse_stranger();
  const host::plan& plan = *host::present_plan;
  if (plan.kind == host::kind::command) {
    const std::vector<std::string>& args = worker_arguments();
    std::vector<std::string> words = plan.command;
    words.insert(words.end(), args.begin() + 1, args.end());
    words = host::fill_in(words, inputs, about.task());
    program_result done = host::run_once(about, plan, words);
    if (about.stop_requested() && done.exit_code != 0)
      throw cancelled("it was cancelled, and ended with exit code " + std::to_string(done.exit_code));
    return host::checked(std::move(done), plan, words);
  }
  program_result result;
  const json answer = host::present_bridge->work(about, inputs);
  std::tie(result.exit_code, result.out) = from_json<std::pair<int, std::string>>(answer);
  return host::checked(std::move(result), plan, plan.command);
}

}  // namespace detail
}  // namespace muster
