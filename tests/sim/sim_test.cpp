// SPDX-License-Identifier: MIT
// Many seeded worlds. A failing one prints its seed; MUSTER_SEED=n runs that one alone and tells what
// happens, MUSTER_LONG=1 runs 20,000, MUSTER_SEEDS=n so many. The program `sim`, built beside this one, cuts
// a failing world short.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>

#include "must_meet.hpp"
#include "world.hpp"

namespace muster::sim {
namespace {

std::optional<std::uint64_t> number(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  return std::strtoull(text, nullptr, 10);
}

TEST(simulation, every_promise_holds_in_every_world) {
  const auto only = number("MUSTER_SEED");
  const std::uint64_t first = only.value_or(1);
  const std::uint64_t usual = number("MUSTER_LONG").value_or(0) != 0 ? 20'000 : 300;
  const std::uint64_t worlds = only ? 1 : number("MUSTER_SEEDS").value_or(usual);
  coverage met;
  int failures = 0;
  for (std::uint64_t seed = first; seed < first + worlds && failures < 5; ++seed) {
    world w({.seed = seed, .written_down = only.has_value()}, met);
    const std::string broken = w.run();
    if (only)
      for (const std::string& line : w.written().lines()) std::cout << line << '\n';
    if (broken.empty()) continue;
    ++failures;
    ADD_FAILURE() << broken << "\nseed " << seed << "; sim --shrink " << seed << " tells how";
  }
  if (worlds < 300) return;  // too few to meet everything
  for (const std::string& what : must_meet(worlds)) EXPECT_GT(met[what], 0u) << "never met: " << what;
}

}  // namespace
}  // namespace muster::sim
