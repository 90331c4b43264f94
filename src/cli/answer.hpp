// SPDX-License-Identifier: MIT
//
// What a call came to: a value as JSON, or why there is none; and how that is written as plain text. Plain
// values and functions.
#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/future.hpp>
#include <muster/host.hpp>

#include "cli/failure.hpp"
#include "cli/json_codec.hpp"
#include "cli/output.hpp"

namespace muster::cli {

using answer = std::expected<json, failure>;

/// Of a function of a C++ module whose result has this type. The future is settled.
answer answer_of(future<std::vector<std::byte>>& done, const value_type& type);
/// Of a function of Node's or Python's; bytes in its result are {"base64": "..."}.
answer answer_of(future<muster::json>& done);
/// Of a command: {"exit_code": 0, "out": "...", "err": "..."}; a failure, where the exit code is another.
answer answer_of(future<program_result>& done);
/// From outside (by a signal, by --halt, because nobody reads): it is not done.
bool was_stopped(const answer& got);
/// Out of a result line.
answer answer_in(const nlohmann::ordered_json& result);

/// As text: what a command printed, to each of its outputs; a string as it is; any other value as JSON; a
/// failure as a message. `tag`: before each line of it stands the name.
result_text raw_text(const answer& got, const std::string& name, bool tag);

}  // namespace muster::cli
