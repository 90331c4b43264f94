// SPDX-License-Identifier: MIT
#include <muster/fault.hpp>

#include <array>

namespace muster {

std::string_view name(fault_step step) {
  static constexpr std::array<std::string_view, fault_steps> names = {
      "born",           "set_up",         "before_init", "after_init", "telling_ready", "told_ready",
      "falling_asleep", "woken",          "looking",     "claimed",    "calling",       "returned",
      "answering",      "sending_parcel", "written",     "answered",   "rung",          "leaving"};
  const auto index = static_cast<std::size_t>(step);
  return index < names.size() ? names[index] : std::string_view();
}

std::string_view name(fault_action action) {
  static constexpr std::array<std::string_view, 6> names = {"raise", "exit", "exhaust_memory",
                                                            "delay", "hang", "drop"};
  const auto index = static_cast<std::size_t>(action);
  return index < names.size() ? names[index] : std::string_view();
}

bool can_drop(fault_step step) {
  return step == fault_step::telling_ready || step == fault_step::answering ||
         step == fault_step::sending_parcel || step == fault_step::answered;
}

}  // namespace muster
