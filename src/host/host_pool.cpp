// SPDX-License-Identifier: MIT
// The owner's side of hosts: options checked and turned into those of a process pool.
#include <csignal>
#include <filesystem>

#include <muster/error.hpp>
#include <muster/host.hpp>
#include <muster/module_calls.hpp>

#include "host/calls.hpp"
#include "host/native.hpp"
#include "host/plan.hpp"
#include "host/scripts.hpp"
#include "options/problems.hpp"

namespace muster {
namespace {

namespace fs = std::filesystem;

using options::problems;

void check_line(problems& bad, std::size_t max_line) {
  constexpr std::size_t least = 1U << 10U;
  constexpr std::size_t most = 1U << 30U;
  if (max_line < least || max_line > most)
    bad.add("max_line", std::to_string(max_line), "must be from 1024 to 1073741824 bytes");
}

void check_words(problems& bad, const std::string& option, const std::vector<std::string>& words) {
  for (const std::string& word : words)
    if (word.contains('\0')) bad.add(option, "", "a word of a command cannot hold a zero byte");
}

void throw_if_any(const problems& bad) { bad.throw_under("these options of a host cannot be used"); }

// A program by a relative path is the one that is meant now, wherever its workers are.
std::vector<std::string> with_absolute_program(std::vector<std::string> command) {
  if (!command.empty() && command.front().contains('/')) command.front() = find_module(command.front());
  return command;
}

host::plan plan_of(const program& what) {
  problems bad;
  if (what.command.empty() || what.command.front().empty())
    bad.add("command", "", "is empty; name a program and its arguments");
  check_words(bad, "command", what.command);
  check_line(bad, what.max_line);
  const bool bazel = what.protocol == host_protocol::bazel;
  constexpr int highest = 1'023;
  if (what.descriptor && (*what.descriptor < 3 || *what.descriptor > highest))
    bad.add("descriptor", std::to_string(*what.descriptor), "must be from 3 to 1023");
  throw_if_any(bad);
  return {.kind = host::kind::program,
          .command = with_absolute_program(what.command),
          .module = {},
          .base = {},
          .protocol = what.protocol,
          .says_ready = what.says_ready && !bazel,
          .descriptor = what.descriptor.value_or(0),
          .forwards_stray = what.stray == stray_lines::forward,
          .cancels = what.cancels.value_or(!bazel),
          .max_line = what.max_line,
          .keep = 0,
          .checks = what.check,
          .at_once = 1,
          .signals = {},
          .last_signal = 0};
}

host::plan plan_of(const native& what) {
  problems bad;
  if (what.command.empty() || what.command.front().empty())
    bad.add("command", "", "is empty; name a program and its arguments");
  check_words(bad, "command", what.command);
  throw_if_any(bad);
  host::plan result;
  result.kind = host::kind::native;
  result.command = with_absolute_program(what.command);
  return result;
}

host::plan plan_of(const command& what) {
  problems bad;
  if (what.words.empty() || what.words.front().empty())
    bad.add("words", "", "is empty; name a command and its arguments");
  check_words(bad, "words", what.words);
  constexpr std::size_t most = 64U << 20U;
  if (what.keep > most) bad.add("keep", std::to_string(what.keep), "must be at most 67108864 bytes");
  throw_if_any(bad);
  host::plan result;
  result.kind = host::kind::command;
  result.command = with_absolute_program(what.words);
  result.keep = what.keep;
  result.checks = what.check;
  return result;
}

// Whether it names a place and not just a module.
bool is_path(const std::string& module) {
  return module.starts_with('/') || module.starts_with("./") || module.starts_with("../");
}

std::string located(const std::string& module, const std::string& base) {
  return is_path(module) ? find_module(module, base) : module;
}

template <class Script>
host::plan plan_of_script(const Script& what, host::kind kind, const std::string& base) {
  problems bad;
  if (what.command.empty()) bad.add("command", "", "is empty");
  check_words(bad, "flags", what.flags);
  check_words(bad, "module", {what.module});
  check_line(bad, what.max_line);
  throw_if_any(bad);
  std::vector<std::string> command = with_absolute_program({what.command});
  command.insert(command.end(), what.flags.begin(), what.flags.end());
  return {.kind = kind,
          .command = std::move(command),
          .module = located(what.module, base),
          .base = base,
          .protocol = host_protocol::json_lines,
          .says_ready = true,
          .descriptor = host::script_descriptor,
          .forwards_stray = false,
          .cancels = true,
          .max_line = what.max_line,
          .keep = 0,
          .checks = true,
          .at_once = 1,
          .signals = {},
          // Users of Node clean up when this comes.
          .last_signal = kind == host::kind::node ? SIGTERM : 0};
}

constexpr const char* no_function_of_ours =
    "a native program is the worker, and has no function of this program";

void refuse_for_native(problems& bad, const process_options& given) {
  if (given.health.check.get() != nullptr) bad.add("health.check", "", no_function_of_ours);
  if (given.hooks.keep_alive.get() != nullptr) bad.add("hooks.keep_alive", "", no_function_of_ours);
  if (!given.faults.empty()) bad.add("faults", "", "they are carried out by workers that are this program");
}

std::string absolute(const std::string& base) {
  return base.empty() ? fs::current_path().string() : (fs::current_path() / base).string();
}

}  // namespace

namespace detail {

host_settings::host_settings(const program& what)
    : plan_(host::to_bytes(plan_of(what))),
      called_by_(what.protocol == host_protocol::json_lines ? way::calls : way::runs) {}

host_settings::host_settings(const native& what)
    : plan_(host::to_bytes(plan_of(what))), called_by_(way::bytes) {}

host_settings::host_settings(const node& what)
    : base_(absolute(what.base)), default_module_(what.module), has_modules_(true) {
  plan_ = host::to_bytes(plan_of_script(what, host::kind::node, base_));
}

host_settings::host_settings(const python& what)
    : base_(absolute(what.base)), default_module_(what.module), has_modules_(true) {
  plan_ = host::to_bytes(plan_of_script(what, host::kind::python, base_));
}

host_settings::host_settings(const muster::command& what)
    : plan_(host::to_bytes(plan_of(what))), called_by_(way::runs) {}

process_options host_settings::options_with(process_options given) {
  problems bad;
  if (given.init.get() != nullptr)
    bad.add("init", "", "a host's workers start their program there; do it in the program");
  if (given.hooks.close.get() != nullptr)
    bad.add("hooks.close", "", "a host's workers end their program there; do it in the program");
  if (!given.program.empty())
    bad.add("program", given.program,
            "names the program that workers are; a host is named when the pool is made");
  const bool is_native = called_by_ == way::bytes;
  if (is_native) refuse_for_native(bad, given);
  check_words(bad, "args", given.args);
  throw_if_any(bad);
  host::plan plan = host::from_bytes(plan_);
  plan.at_once = given.workers.at_once;
  for (const stop_signal& each : given.stop)
    if (each.signal != SIGKILL) plan.signals.push_back(each.signal);
  // Who begins with SIGKILL wants no handler to run, also not that of a Node which ends in peace.
  if (!given.stop.empty()) plan.last_signal = given.stop.front().signal == SIGKILL ? 0 : plan.signals.front();
  plan_ = host::to_bytes(plan);
  given.args.insert(given.args.begin(), plan_);
  given.init = host::begin_host;
  if (!is_native) given.hooks.close = host::end_host;
  return given;
}

void host_settings::adapt(worker_changes& changes, const recycle_options& how) const {
  problems bad;
  if (changes.init) bad.add("init", "", "a host's workers start their program there");
  if (changes.args) check_words(bad, "args", *changes.args);
  if (called_by_ == way::bytes && how.canary.get() != nullptr) bad.add("canary", "", no_function_of_ours);
  throw_if_any(bad);
  if (changes.args) changes.args->insert(changes.args->begin(), plan_);
}

std::string host_settings::find(const std::string& module) const { return located(module, base_); }

void host_settings::check_call(const host_function& function) const {
  if (called_by_ == way::bytes)
    throw invalid_call("a native program takes bytes, so '" + function.name + "' is called with call_bytes");
  if (called_by_ == way::runs)
    throw invalid_call("a command, or a program that speaks Bazel's protocol, has no functions, so '" +
                       function.name + "' cannot be called; use run");
  if (!has_modules_ && !function.module.empty())
    throw invalid_call("a program has no modules, so '" + function.name + "' of '" + function.module +
                       "' cannot be called");
  if (has_modules_ && function.module.empty() && default_module_.empty())
    throw invalid_call("'" + function.name +
                       "' is of no module: name one in the call, or when the pool is made");
}

void host_settings::check_call_bytes(const std::string& function) const {
  if (called_by_ != way::bytes)
    throw invalid_call(
        "only native programs take nothing but bytes, so '" + function +
        "' cannot be called with call_bytes; use call, or make the pool with a muster::native");
}

void host_settings::check_run() const {
  if (called_by_ != way::runs)
    throw invalid_call(
        "this pool's workers have functions, so there is nothing to run; use call, or make the pool with a "
        "muster::command");
}

}  // namespace detail

host_pool::host_pool(detail::host_settings settings, process_options options)
    : host_base{std::move(settings)},
      process_pool(
          host_.options_with(std::move(options)),
          [this](worker_changes& changes, const recycle_options& how) { host_.adapt(changes, how); }) {}
host_pool::host_pool(const program& what, process_options options)
    : host_pool(detail::host_settings(what), std::move(options)) {}
host_pool::host_pool(const node& what, process_options options)
    : host_pool(detail::host_settings(what), std::move(options)) {}
host_pool::host_pool(const python& what, process_options options)
    : host_pool(detail::host_settings(what), std::move(options)) {}
host_pool::host_pool(const native& what, process_options options)
    : host_pool(detail::host_settings(what), std::move(options)) {}
host_pool::host_pool(const command& what, process_options options)
    : host_pool(detail::host_settings(what), std::move(options)) {}

future<std::vector<std::byte>> host_pool::call_bytes(const std::string& function,
                                                     const std::vector<std::byte>& input,
                                                     const task_options& options) {
  host_.check_call_bytes(function);
  return submit(options, &detail::call_native, host::native_mark, function, input);
}

future<program_result> host_pool::run(std::vector<std::string> inputs, const task_options& options) {
  host_.check_run();
  for (const std::string& each : inputs)
    if (each.contains('\0')) throw encode_error("a word of a command cannot hold a zero byte");
  return submit(options, &detail::run_program, std::move(inputs));
}

future<json> host_pool::call_json(const host_function& function, const json& arguments,
                                  const task_options& options) {
  host_.check_call(function);
  json checked = to_json(arguments);
  json_reader in(checked);
  if (in.kind() != json_kind::array)
    throw encode_error("the arguments of '" + function.name + "' must be one array of JSON");
  return submit(options, &detail::call_host_as<json>, host_.find(function.module), function.name,
                std::move(checked));
}

}  // namespace muster
