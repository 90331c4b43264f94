// SPDX-License-Identifier: MIT
//
// Why a call failed, as it stands in a result line. Plain values and functions; any thread may use them.
#pragma once

#include <exception>
#include <optional>
#include <string>

#include <nlohmann/json.hpp>

namespace muster::cli {

struct failure {
  std::string kind{};  // name(error_code), or "worker_error" for whatever the function itself threw
  std::string message{};
  std::string type{};  // of the exception, where the function threw it
  std::optional<int> signal{};
  std::optional<int> exit_code{};
  std::string backtrace{};
  std::string error_output{};  // the last that the worker wrote to standard error
  nlohmann::json output{};     // what a command printed: an object with out and err
};

failure describe(const std::exception_ptr& thrown);
nlohmann::ordered_json to_json(const failure& why);

/// JSON text on one line, in which what is not UTF-8 is replaced.
std::string to_line(const nlohmann::json& value);
std::string to_line(const nlohmann::ordered_json& value);

}  // namespace muster::cli
