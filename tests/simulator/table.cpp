// SPDX-License-Identifier: MIT
#include "table.hpp"

#include <algorithm>
#include <iomanip>
#include <set>

#include "sim/must_meet.hpp"

namespace muster::sim {

namespace {

// The state at the end of its name, where there is one.
std::string_view state_of(std::string_view what) {
  for (const std::string_view state : pool_states)
    if (what.ends_with(state) && what.substr(0, what.size() - state.size()).ends_with(", ")) return state;
  return {};
}

std::size_t count(const coverage& met, const std::string& what) {
  const auto found = met.find(what);
  return found == met.end() ? 0 : found->second;
}

}  // namespace

void print_table(std::ostream& to, const coverage& met, std::uint64_t worlds) {
  const std::vector<std::string> musts = must_meet(worlds);
  std::set<std::string> faults, events;
  const auto add = [&](const std::string& what) {
    const std::string_view state = state_of(what);
    if (state.empty())
      events.insert(what);
    else
      faults.insert(what.substr(0, what.size() - state.size() - 2));
  };
  for (const auto& [what, times] : met) add(what);
  for (const std::string& what : musts) add(what);

  const auto must = [&](const std::string& what) { return std::ranges::find(musts, what) != musts.end(); };
  const auto cell = [&](const std::string& what, int width) {
    const std::size_t times = count(met, what);
    to << std::setw(width)
       << (times > 0    ? std::to_string(times)
           : must(what) ? std::string("MISSING")
                        : std::string("-"));
  };
  to << std::left << std::setw(46) << "fault" << std::right;
  for (const char* state : pool_states) to << std::setw(11) << state;
  to << '\n';
  for (const std::string& fault : faults) {
    to << std::left << std::setw(46) << fault << std::right;
    for (const char* state : pool_states) cell(fault + ", " + state, 11);
    to << '\n';
  }
  to << '\n' << std::left << std::setw(79) << "event" << std::right << std::setw(11) << "times" << '\n';
  for (const std::string& event : events) {
    to << std::left << std::setw(79) << event << std::right;
    cell(event, 11);
    to << '\n';
  }
}

std::vector<std::string> missing(const coverage& met, std::uint64_t worlds) {
  std::vector<std::string> none = must_meet(worlds);
  std::erase_if(none, [&](const std::string& what) { return count(met, what) > 0; });
  return none;
}

}  // namespace muster::sim
