// SPDX-License-Identifier: MIT
#pragma once

// Collects what is wrong with options, a line each: the option, its value (where one is worth showing), its
// range, what to do.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <muster/error.hpp>

namespace muster::options {

class problems {
public:
  void add(std::string option, std::string_view value, std::string_view advice) {
    std::string line = fmt::format("{}{}{}: {}", option, value.empty() ? "" : " = ", value, advice);
    lines_.emplace_back(std::move(option), std::move(line));
  }
  [[nodiscard]] bool has(std::string_view option) const {
    return std::ranges::any_of(lines_, [&](const auto& line) { return line.first == option; });
  }
  [[nodiscard]] bool empty() const { return lines_.empty(); }
  // By where their options are declared; those of one option, or list, stay in the order they were found in.
  void sort(const std::function<std::size_t(std::string_view)>& declared_at) {
    std::vector<std::pair<std::size_t, std::size_t>> order;
    for (std::size_t i = 0; i < lines_.size(); ++i) order.emplace_back(declared_at(lines_[i].first), i);
    std::ranges::sort(order);
    decltype(lines_) sorted;
    for (const auto& [at, i] : order) sorted.push_back(std::move(lines_[i]));
    lines_ = std::move(sorted);
  }
  [[nodiscard]] std::string text() const {
    std::string all;
    for (const auto& [option, line] : lines_) all.append(all.empty() ? "" : "\n").append(line);
    return all;
  }
  void throw_if_any(std::string_view pool) const {
    throw_under(fmt::format("the options of the pool '{}' are not usable", pool));
  }
  void throw_under(std::string_view heading) const {
    if (!lines_.empty()) throw invalid_options(fmt::format("{}:\n{}", heading, text()));
  }

private:
  std::vector<std::pair<std::string, std::string>> lines_;  // option, line
};

}  // namespace muster::options
