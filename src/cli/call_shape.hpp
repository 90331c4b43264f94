// SPDX-License-Identifier: MIT
//
// What every call of a run has in common: a function of a module with the arguments that --with gave, or a
// command with places for its inputs. Turns the inputs of one call into what is submitted. Made once, then
// constant. Only functions of C++ modules have a signature; those of Node and Python take what they are
// given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include <muster/host.hpp>

#include "cli/json_codec.hpp"

namespace muster::cli {

/// The inputs of one call, ready to be submitted.
struct call_data {
  std::vector<std::byte> bytes{};    // the encoded arguments of a function of a C++ module
  std::string arguments{};           // those of a function of Node's or Python's: an array
  std::vector<std::string> words{};  // of a command, inputs filled in
  std::string text{};                // the call for a person: f("a", 1), or the command as a shell takes it

  [[nodiscard]] std::size_t size() const noexcept;
};

class call_shape {
public:
  /// Of a function of a C++ module. An error says why it cannot be called so.
  static std::expected<call_shape, std::string> make(call_signature signature, const std::vector<json>& with);
  /// Of a function of Node's or Python's.
  call_shape(const std::string& function, std::vector<json> with) : open_(std::move(with)) {
    signature_.function = function;
  }
  /// Of a command.
  explicit call_shape(muster::command command) : command_(std::move(command)) {}

  /// Parameters of a function that a call itself must give.
  [[nodiscard]] std::size_t own_parameters() const noexcept { return own_.parameters.size(); }
  [[nodiscard]] const call_signature& signature() const noexcept { return signature_; }
  /// What a call must look like, for messages.
  [[nodiscard]] std::string expected_form() const;

  using made = std::expected<call_data, std::string>;
  /// `number` counts calls from 1. `with_text`: fill in call_data::text.
  [[nodiscard]] made from_words(const std::vector<std::string>& words, std::uint64_t number,
                                bool with_text) const;
  [[nodiscard]] made from_json(const json& arguments, std::uint64_t number, bool with_text) const;

private:
  call_shape() = default;
  [[nodiscard]] made complete(encoded own, std::string text) const;
  [[nodiscard]] made complete_open(json arguments, bool with_text) const;

  std::optional<muster::command> command_;  // else a function:
  std::optional<std::vector<json>> open_;   // without a signature, and what --with gives
  call_signature signature_;
  call_signature own_;            // the same without the parameters that --with fills
  std::vector<std::byte> fixed_;  // the encoding of those
  std::string fixed_text_;        // ", 200"
};

/// The words as a shell would take them.
std::string shell_text(const std::vector<std::string>& words);

}  // namespace muster::cli
