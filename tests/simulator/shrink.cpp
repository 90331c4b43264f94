// SPDX-License-Identifier: MIT
#include "shrink.hpp"

#include <algorithm>
#include <cctype>

namespace muster::sim {

namespace {

// Two failures are of one kind when they differ in numbers alone.
std::string kind_of(const std::string& broken) {
  std::string kind;
  for (const char c : broken)
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) kind += c;
  return kind;
}

}  // namespace

std::optional<shrunk> shrink(const world::setup& failing, std::size_t short_enough) {
  outcome best = run_apart(failing);
  if (best.broken.empty()) return std::nullopt;
  const std::string kind = kind_of(best.broken);
  shrunk result{.parts_before = best.parts.size()};
  std::vector<fate::part> kept = best.parts;
  const auto still_fails = [&](const std::vector<fate::part>& these) {
    const fate::parts only(these.begin(), these.end());
    world::setup smaller = failing;
    smaller.only = &only;
    outcome now = run_apart(smaller);
    ++result.worlds;
    if (kind_of(now.broken) != kind) return false;
    kept = now.parts;  // what was allowed and did not happen is not needed
    best = std::move(now);
    return true;
  };
  for (std::size_t pieces = 2; best.lines.size() > short_enough && kept.size() > 1;) {
    const std::size_t size = (kept.size() + pieces - 1) / pieces;
    bool cut = false;
    for (std::size_t from = 0; from < kept.size(); from += size) {
      std::vector<fate::part> without = kept;
      const auto first = without.begin() + static_cast<std::ptrdiff_t>(from);
      without.erase(first, first + static_cast<std::ptrdiff_t>(std::min(size, without.size() - from)));
      if (still_fails(without)) {
        cut = true;
        break;
      }
    }
    if (cut)
      pieces = std::max<std::size_t>(2, std::min(pieces, kept.size()));
    else if (size == 1)
      break;
    else
      pieces = std::min(pieces * 2, kept.size());
  }
  result.parts_after = kept.size();
  result.last = std::move(best);
  return result;
}

}  // namespace muster::sim
