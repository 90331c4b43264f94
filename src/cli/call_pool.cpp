// SPDX-License-Identifier: MIT
#include "cli/call_pool.hpp"

#include <algorithm>
#include <filesystem>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <muster/error.hpp>

#include "cli/json_codec.hpp"
#include "cli/run_once.hpp"

namespace muster::cli {
namespace {

std::string functions_of(const std::vector<detail::export_text>& exports) {
  std::string list;
  for (const auto& each : exports) list += fmt::format("\n  {}{}", each.name, each.signature);
  return list.empty() ? " it exports none" : " it exports:" + list;
}

/// Why the calls of this command line are not calls of the function; empty: they are.
std::string misfit(const run_command& asked, const call_shape& shape) {
  if (asked.from == input_from::json_lines) return {};
  std::size_t given = asked.from == input_from::nothing ? 0 : 1;
  if (asked.from == input_from::words) given = asked.groups.size();
  if (shape.own_parameters() == given) return {};
  const std::string title = shape.signature().title();
  if (given == 0)
    return fmt::format("{} needs arguments: give one for each call, or --jsonl and lines", title);
  const std::string inputs =
      given == 1 ? "an input is 1" : fmt::format("{0} groups of inputs are {0}", given);
  return fmt::format(
      "{} takes {} arguments, {}, and --with gives {}; give as many by groups after :::, --with, or --jsonl",
      title, shape.signature().parameters.size(), inputs, asked.with.size());
}

std::expected<callee, std::string> choose(const run_command& asked, const std::string& path,
                                          const std::vector<detail::export_text>& exports) {
  const auto found = std::ranges::find(exports, asked.function, &detail::export_text::name);
  if (found == exports.end())
    return std::unexpected(
        fmt::format("module '{}' has no function '{}';{}", path, asked.function, functions_of(exports)));
  auto signature = parse_signature(found->name, found->signature);
  if (!signature) return std::unexpected(signature.error());
  auto shape = call_shape::make(*std::move(signature), asked.with);
  if (!shape) return std::unexpected(shape.error());
  if (std::string why = misfit(asked, *shape); !why.empty()) return std::unexpected(std::move(why));
  return callee{path, *std::move(shape)};
}

// A script beside us may be written without ./, as a C++ module may; what is no file is a package.
std::string script_path(const std::string& module) {
  std::error_code wrong;
  return std::filesystem::is_regular_file(module, wrong) ? std::filesystem::absolute(module).string()
                                                         : module;
}

template <class R>
answer answer_to([[maybe_unused]] const call_shape& shape, future<R>& done) {
  if constexpr (std::is_same_v<R, std::vector<std::byte>>)
    return answer_of(done, shape.signature().result);
  else
    return answer_of(done);
}

}  // namespace

call_pool::call_pool(const run_command& asked, const process_options& options) : asked_(asked) {
  switch (asked.kind()) {
    case callee_kind::module: pool_ = &functions_.emplace(options); return;
    case callee_kind::node:
      pool_ = &hosts_.emplace(muster::node{.module = script_path(asked.module)}, options);
      return;
    case callee_kind::python:
      pool_ = &hosts_.emplace(muster::python{.module = script_path(asked.module)}, options);
      return;
    case callee_kind::command:
      // The words come filled in with each call.
      pool_ = &hosts_.emplace(muster::command{{asked.command.front(), "{}"}, asked.keep, false}, options);
      return;
  }
}

void call_pool::find(const found& tell) {
  switch (asked_.kind()) {
    case callee_kind::module: return list_module(tell);
    case callee_kind::node:
    case callee_kind::python: tell(callee{{}, call_shape(asked_.function, asked_.with)}); return;
    case callee_kind::command: tell(callee{{}, call_shape(muster::command{asked_.command})}); return;
  }
}

// A worker loads the module, never this process.
void call_pool::list_module(const found& tell) try {
  const std::string path = find_module(asked_.module);
  auto listed = pool_->submit(&detail::list_exports, path);
  static_cast<void>(listed.then([this, path, tell](future<std::vector<detail::export_text>> done) {
    std::expected<callee, std::string> made = std::unexpected(std::string());
    try {
      made = choose(asked_, path, done.get());
    } catch (...) {
      made = std::unexpected(describe(std::current_exception()).message);
    }
    tell(std::move(made));
  }));
} catch (const error& refused) {
  tell(std::unexpected(std::string(refused.what())));
}

std::uint64_t call_pool::submit(const callee& what, const task_options& options, call_data data,
                                settled tell) {
  const auto follow = [&]<class R>(future<R> made) {
    const std::uint64_t task = made.task();
    static_cast<void>(made.then([&shape = what.shape, task, tell = std::move(tell)](future<R> done) {
      const auto report = done.report();
      tell(task, answer_to(shape, done), report);
    }));
    return task;
  };
  switch (asked_.kind()) {
    case callee_kind::module: break;
    case callee_kind::node:
    case callee_kind::python:
      return follow(hosts_->call_json(asked_.function, {.text = std::move(data.arguments)}, options));
    case callee_kind::command:
      data.words.erase(data.words.begin());  // the pool has the program
      return follow(
          pool_->submit(options, &run_command_once, asked_.pool.retry.attempts, std::move(data.words)));
  }
  return follow(pool_->submit(options, &detail::call_module, what.path, asked_.function,
                              what.shape.signature().text, std::move(data.bytes)));
}

}  // namespace muster::cli
