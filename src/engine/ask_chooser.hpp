// SPDX-License-Identifier: MIT
#pragma once

// Asks a user's chooser, which may throw or answer nonsense. Not under a lock.

#include <exception>
#include <expected>
#include <optional>
#include <span>
#include <string>

#include <muster/choose_options.hpp>

namespace muster::engine {

// An index into the candidates, or none; or what was wrong.
inline std::expected<std::optional<std::size_t>, std::string> ask_chooser(
    const chooser& ask, std::span<const candidate> candidates) try {
  const auto chosen = ask(candidates);
  if (chosen && *chosen >= candidates.size())
    return std::unexpected("it chose number " + std::to_string(*chosen) + " of " +
                           std::to_string(candidates.size()) + " candidates");
  return chosen;
} catch (const std::exception& e) {
  return std::unexpected("it threw: " + std::string(e.what()));
} catch (...) {
  return std::unexpected("it threw something that is no std::exception");
}

}  // namespace muster::engine
