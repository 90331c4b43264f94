// SPDX-License-Identifier: MIT
#include "host/scripts.hpp"

#include <muster/context.hpp>
#include <muster/json.hpp>

namespace muster::host {

std::vector<std::string> command_of(const plan& what) {
  std::vector<std::string> words = what.command;
  const auto add = [&](std::string_view word) { words.emplace_back(word); };
  if (what.kind == kind::node || what.kind == kind::python) {
    add(what.kind == kind::node ? "-e" : "-c");
    add(what.kind == kind::node ? node_script : python_script);
    if (what.kind == kind::node) add("--");  // what follows is not node's
    // What a script has to know.
    json_writer config;
    config.raw("{\"module\":");
    config.string(what.module);
    config.raw(",\"base\":");
    config.string(what.base);
    config.raw(",\"at_once\":");
    config.number(what.at_once);
    config.raw(",\"signal\":");
    config.number(what.last_signal);
    config.raw("}");
    add(config.value.text);
  }
  const std::vector<std::string>& all = worker_arguments();
  words.insert(words.end(), all.begin() + (all.empty() ? 0 : 1), all.end());  // the first is the plan
  return words;
}

}  // namespace muster::host
