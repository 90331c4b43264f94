// SPDX-License-Identifier: MIT
#include "base/cgroup.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

namespace muster::base {

bool has_word(const std::string& text, std::string_view wanted) {
  std::istringstream words(text);
  for (std::string word; words >> word;)
    if (word == wanted) return true;
  return false;
}

// Of version 2 there is one line, "0::<path>"; of version 1 one a hierarchy, "<n>:<controllers>:<path>".
std::optional<cgroup> cgroup_of(const std::string& cgroups, std::optional<std::string_view> controller) {
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    std::ranges::replace(controllers, ',', ' ');
    const bool wanted =
        controller ? has_word(controllers, *controller) : line.substr(0, first) == "0" && controllers.empty();
    if (wanted) return cgroup{line.substr(second + 1), std::string(controller.value_or(""))};
  }
  return std::nullopt;
}

namespace {
// mountinfo writes blanks and the like as \ooo.
std::string unescaped(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ec == std::errc()) {
      result += static_cast<char>(code);
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}
}  // namespace

std::optional<cgroup_directory> find_directory(const cgroup& of, const std::string& mounts) {
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash));
    std::istringstream after(line.substr(dash + 3));
    std::string skipped, root, point, type, source, options;
    before >> skipped >> skipped >> skipped >> root >> point;
    after >> type >> source >> options;
    std::ranges::replace(options, ',', ' ');
    if (of.controller.empty() ? type != "cgroup2" : type != "cgroup" || !has_word(options, of.controller))
      continue;
    root = unescaped(root);
    std::string below = of.path;
    if (root != "/") {
      if (!below.starts_with(root)) continue;
      below.erase(0, root.size());
    }
    std::string top = unescaped(point);
    return cgroup_directory{below == "/" ? top : top + below, top};
  }
  return std::nullopt;
}

}  // namespace muster::base
