// SPDX-License-Identifier: MIT
#include "cli/layers.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>

#include <fmt/format.h>

// Without exceptions parse() returns what is wrong, and the header is compiled here alone.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// It asserts, or has the compiler assume, what a file can make false: that a table's name begins like one.
// Where it does neither it finds that itself, and says so.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_cast<void>(0)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

namespace muster::cli {
namespace {

class file_reader {
public:
  file_reader(const std::string& path, const std::vector<known_option>& known) : path_(path), known_(known) {}

  option_layer read() {
    const toml::parse_result parsed = toml::parse_file(path_);
    if (!parsed) {
      problem(parsed.error().source(), std::string(parsed.error().description()));
      return std::move(into_);
    }
    for (const auto& [key, value] : parsed.table()) {
      const std::string name(key.str());
      if (name == "set")
        take_settings(value);
      else
        take_option(name, key.source(), value);
    }
    return std::move(into_);
  }

private:
  std::string at(const toml::source_region& where) const {
    return fmt::format("{}:{}:{}", path_, where.begin.line, where.begin.column);
  }
  void problem(const toml::source_region& where, const std::string& what) {
    into_.problems.push_back(where.begin.line == 0 ? fmt::format("{}: {}", path_, what)
                                                   : fmt::format("{}: {}", at(where), what));
  }

  void take_option(const std::string& name, const toml::source_region& where, const toml::node& value) {
    const auto known = std::ranges::find(known_, name, &known_option::name);
    if (known == known_.end()) return problem(where, unknown(name));
    if (known->flag && !value.is_boolean())
      return problem(value.source(), fmt::format("{} is true or false", name));
    if (!known->flag && value.is_boolean())
      return problem(value.source(), fmt::format("{} is a text or a number", name));
    const auto text = text_of(name, value);
    if (text && text->empty()) return problem(value.source(), fmt::format("{} is empty; leave it out", name));
    if (text) into_.found.push_back({name, *text, at(value.source())});
  }

  std::string unknown(const std::string& name) const {
    std::string all;
    for (const known_option& each : known_)
      if (each.name != "set") all += fmt::format("{}{}", all.empty() ? "" : ", ", each.name);
    return fmt::format("there is no option '{}'; here are {}, and options of the pool below [set]", name,
                       all);
  }

  void take_settings(const toml::node& value) {
    const toml::table* const table = value.as_table();
    if (table == nullptr) return problem(value.source(), "set is a table: [set], then queue.capacity = 1000");
    take_table({}, *table);
  }

  void take_table(const std::string& prefix, const toml::table& table) {
    for (const auto& [key, value] : table) {
      const std::string path = prefix + std::string(key.str());
      if (const toml::table* const inner = value.as_table())
        take_table(path + '.', *inner);
      else if (const auto text = text_of(path, value))
        into_.found.push_back({"set", path + '=' + *text, at(value.source())});
    }
  }

  std::optional<std::string> text_of(const std::string& name, const toml::node& value) {
    if (const auto* text = value.as_string()) return text->get();
    if (const auto* number = value.as_integer()) return std::to_string(number->get());
    if (const auto* number = value.as_floating_point()) return fmt::format("{}", number->get());
    if (const auto* flag = value.as_boolean()) return flag->get() ? "true" : "false";
    const auto nests = [](const toml::node& each) { return each.is_array() || each.is_table(); };
    if (const auto* list = value.as_array(); list != nullptr && std::ranges::none_of(*list, nests)) {
      std::string all;
      for (const toml::node& each : *list) {
        const auto text = text_of(name, each);
        if (!text) return std::nullopt;
        all += (all.empty() ? "" : ",") + *text;
      }
      return all;
    }
    problem(value.source(), fmt::format("{} is a text, a number, true or false, or a list of those", name));
    return std::nullopt;
  }

  const std::string& path_;
  const std::vector<known_option>& known_;
  option_layer into_;
};

std::optional<std::string> variable(const char* name) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(" \t\n"), text.size());
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

std::optional<std::string> flag_value(const std::string& text) {
  if (text == "1" || text == "true" || text == "yes" || text == "on") return "true";
  if (text == "0" || text == "false" || text == "no" || text == "off") return "false";
  return std::nullopt;
}

}  // namespace

std::string config_path(const std::string& path) {
  const std::string named = path.empty() ? variable("MUSTER_CONFIG").value_or("") : path;
  if (named == "none") return {};
  if (!named.empty()) return named;
  std::string own;
  if (const auto base = variable("XDG_CONFIG_HOME"))
    own = *base + "/muster.toml";
  else if (const auto home = variable("HOME"))
    own = *home + "/.config/muster.toml";
  std::error_code wrong;
  return !own.empty() && std::filesystem::is_regular_file(own, wrong) ? own : std::string();
}

option_layer read_config(const std::string& path, const std::vector<known_option>& known) {
  return path.empty() ? option_layer{} : file_reader(path, known).read();
}

std::string variable_of(const std::string& name) {
  std::string made = "MUSTER_";
  for (const char c : name) made += c == '-' ? '_' : static_cast<char>(std::toupper(c));
  return made;
}

option_layer read_environment(const std::vector<known_option>& known) {
  option_layer made;
  for (const known_option& each : known) {
    const std::string name = variable_of(each.name);
    const auto value = variable(name.c_str());
    if (!value) continue;
    if (each.name == "set") {
      for (std::size_t at = 0; at <= value->size();) {
        const std::size_t end = std::min(value->find(';', at), value->size());
        const std::string_view part = trimmed(std::string_view(*value).substr(at, end - at));
        if (!part.empty()) made.found.push_back({"set", std::string(part), name});
        at = end + 1;
      }
    } else if (!each.flag) {
      made.found.push_back({each.name, *value, name});
    } else if (const auto flag = flag_value(*value)) {
      made.found.push_back({each.name, *flag, name});
    } else {
      made.problems.push_back(fmt::format("{}: '{}' is neither true nor false", name, *value));
    }
  }
  return made;
}

}  // namespace muster::cli
