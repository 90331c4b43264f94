// SPDX-License-Identifier: MIT
#include "cli/failure.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <typeinfo>

#include <muster/error.hpp>

namespace muster::cli {
namespace {

std::string type_name(const std::type_info& type) {
  const std::unique_ptr<char, void (*)(void*)> readable(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, nullptr), &std::free);
  return readable ? readable.get() : type.name();
}

/// What muster itself throws inside a worker, as the loading of a module does, arrives by name.
failure from_worker(const worker_error& thrown) {
  failure made{.kind = std::string(name(thrown.code())), .message = thrown.text(), .type = thrown.type()};
  made.backtrace = thrown.backtrace();
  constexpr std::string_view ours = "muster::";
  if (made.type.starts_with(ours) && !made.type.contains('<')) made.kind = made.type.substr(ours.size());
  return made;
}

}  // namespace

failure describe(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const unexpected_exit& ended) {
    const death& how = ended.death();
    failure made{.kind = std::string(name(ended.code())),
                 .message = ended.what(),
                 .signal = how.signal,
                 .exit_code = how.exit_code,
                 .error_output = how.last_stderr};
    for (std::size_t i = 0; i < how.backtrace.size(); ++i)
      made.backtrace += "#" + std::to_string(i) + " " + how.backtrace[i].text() + "\n";
    return made;
  } catch (const worker_error& problem) {
    return from_worker(problem);
  } catch (const error& problem) {
    return {.kind = std::string(name(problem.code())), .message = problem.what()};
  } catch (const std::exception& problem) {
    return {.kind = std::string(name(error_code::worker_error)),
            .message = problem.what(),
            .type = type_name(typeid(problem))};
  } catch (...) {
    return {.kind = std::string(name(error_code::worker_error)),
            .message = "something that is no std::exception"};
  }
}

nlohmann::ordered_json to_json(const failure& why) {
  nlohmann::ordered_json made{{"kind", why.kind}};
  if (!why.type.empty()) made["type"] = why.type;
  made["message"] = why.message;
  if (why.signal) made["signal"] = *why.signal;
  if (why.exit_code) made["exit_code"] = *why.exit_code;
  if (!why.backtrace.empty()) made["backtrace"] = why.backtrace;
  if (!why.error_output.empty()) made["stderr"] = why.error_output;
  for (const auto& [member, value] : why.output.items())
    if (member != "exit_code") made[member] = value;
  return made;
}

std::string to_line(const nlohmann::json& value) {
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string to_line(const nlohmann::ordered_json& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace muster::cli
