// SPDX-License-Identifier: MIT
#pragma once

// Every option that there is, whatever its value: also those of groups and lists that are not there by
// default.

#include <string>

#include "options/tables.hpp"

namespace muster::options {

// Calls see(path, line, value) for each option and each group or list of them, in the order of declaration;
// the values are those of `group`, or where that has none, of a new one.
template <class Group, class See>
void each_path(const std::string& above, const Group& group, See& see) {
  each_line<Group>([&](auto line) {
    using member = std::remove_cvref_t<decltype(group.*line.member)>;
    const std::string path = above + std::string(line.name);
    const member& value = group.*line.member;
    see(path, line, value);
    if constexpr (is_group<member>) {
      each_path(path + ".", value, see);
    } else if constexpr (is_optional<member>) {
      if constexpr (is_group<typename member::value_type>)
        each_path(path + ".", value.value_or(typename member::value_type()), see);
    } else if constexpr (list_of_groups<member>::value) {
      using list = list_of_groups<member>;
      each_path(path + std::string(list::inside) + ".", typename list::group(), see);
    }
  });
}

}  // namespace muster::options
