// SPDX-License-Identifier: MIT
#include "host/fill_in.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include <muster/error.hpp>
#include <muster/host.hpp>

namespace muster::host {
namespace {

std::string_view file_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view directory(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// A name that begins with its only dot has no ending.
std::string_view without_ending(std::string_view path) {
  const std::string_view name = file_name(path);
  const auto dot = name.rfind('.');
  return dot == std::string_view::npos || dot == 0 ? path : path.substr(0, path.size() - (name.size() - dot));
}

// What may stand between the braces: a number or none, then one of these.
enum class part : unsigned char { whole, ending_off, name, directory, name_ending_off, number, none };

part part_of(std::string_view mark) {
  if (mark.empty()) return part::whole;
  if (mark == ".") return part::ending_off;
  if (mark == "/") return part::name;
  if (mark == "//") return part::directory;
  if (mark == "/.") return part::name_ending_off;
  return mark == "#" ? part::number : part::none;
}

std::string_view take(part which, std::string_view input) {
  switch (which) {
    case part::ending_off: return without_ending(input);
    case part::name: return file_name(input);
    case part::directory: return directory(input);
    case part::name_ending_off: return without_ending(file_name(input));
    case part::whole:
    case part::number:
    case part::none: break;
  }
  return input;
}

struct filler {
  const std::vector<std::string>& inputs;
  const std::string number;
  bool was_used = false;

  // What stands for the text between two braces goes to `into`. False: it stands for itself.
  bool fill(std::string_view inside, std::string& into) {
    const auto mark = std::min(inside.find_first_not_of("0123456789"), inside.size());
    const part which = part_of(inside.substr(mark));
    if (which == part::none || (which == part::number && mark != 0) || mark > 3) return false;
    was_used = true;
    if (which == part::number) {
      into += number;
    } else if (mark != 0) {
      const auto at = static_cast<std::size_t>(std::stoul(std::string(inside.substr(0, mark))));
      if (at == 0 || at > inputs.size())  // an empty word may be another command: rm -r {1}/{2}
        throw invalid_call(
            fmt::format("{{{}}} stands for input {} of a call, which has {}", inside, at, inputs.size()));
      into += take(which, inputs[at - 1]);
    } else {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (i != 0) into += ' ';
        into += take(which, inputs[i]);
      }
    }
    return true;
  }

  std::string fill_word(std::string_view word) {
    std::string filled;
    while (!word.empty()) {
      const auto open = std::min(word.find('{'), word.size());
      filled += word.substr(0, open);
      word.remove_prefix(open);
      if (word.empty()) break;
      const auto close = word.find('}');
      if (close != std::string_view::npos && fill(word.substr(1, close - 1), filled)) {
        word.remove_prefix(close + 1);
      } else {
        filled += word.front();
        word.remove_prefix(1);
      }
    }
    return filled;
  }
};

}  // namespace

std::vector<std::string> fill_in(const std::vector<std::string>& words,
                                 const std::vector<std::string>& inputs, std::uint64_t task) {
  filler with{.inputs = inputs, .number = std::to_string(task)};
  std::vector<std::string> filled;
  for (const std::string& word : words) {
    if (filled.empty()) {
      filled.push_back(word);
    } else if (word == "{}") {
      with.was_used = true;
      filled.insert(filled.end(), inputs.begin(), inputs.end());
    } else {
      filled.push_back(with.fill_word(word));
    }
  }
  if (!with.was_used) filled.insert(filled.end(), inputs.begin(), inputs.end());
  return filled;
}

}  // namespace muster::host

namespace muster {

std::vector<std::string> fill_in(const command& what, const std::vector<std::string>& inputs,
                                 std::uint64_t number) {
  return host::fill_in(what.words, inputs, number);
}

}  // namespace muster
