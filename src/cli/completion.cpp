// SPDX-License-Identifier: MIT
// `muster completion bash`: what the command itself says of its options, as a script.
#include <cstdio>
#include <string>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <muster/option_text.hpp>

#include "cli/run.hpp"
#include "cli/run_arguments.hpp"
#include "cli/tune_arguments.hpp"

namespace muster::cli {
namespace {

// @…@ are filled in below.
constexpr std::string_view script = R"(# bash completion for muster; made by `muster completion bash`
_muster() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} each
  COMPREPLY=()
  # a value may come as `--set a=b`, which bash splits at =
  if [[ $word == = ]]; then word=; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W "@commands@" -- "$word"))
    return
  fi
  for each in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    if [[ $each == -- || $each == ::: ]]; then
      COMPREPLY=($(compgen -f -- "$word"))
      return
    fi
  done
  case ${COMP_WORDS[1]} in
    run|tune)
      case $before in
        --set)
          COMPREPLY=($(compgen -S = -W "@settings@" -- "$word"))
          compopt -o nospace 2>/dev/null
          return ;;
        --strategy) COMPREPLY=($(compgen -W "@strategies@" -- "$word")); return ;;
        --halt) COMPREPLY=($(compgen -W "soon,fail=1 now,fail=1 soon,success=1 now,success=1" -- "$word")); return ;;
        --workers) COMPREPLY=($(compgen -W "auto" -- "$word")); return ;;
      esac
      if [[ $word == -* && ${COMP_WORDS[1]} == run ]]; then
        COMPREPLY=($(compgen -W "@run@" -- "$word"))
        return
      elif [[ $word == -* ]]; then
        COMPREPLY=($(compgen -W "@tune@" -- "$word"))
        return
      fi ;;
    options) COMPREPLY=($(compgen -W "--markdown --json" -- "$word")); return ;;
    doctor) COMPREPLY=($(compgen -W "--json" -- "$word")); return ;;
    config) [[ $word == -* ]] && COMPREPLY=($(compgen -W "--show-origin --config" -- "$word")) && return ;;
    completion) COMPREPLY=($(compgen -W "bash" -- "$word")); return ;;
  esac
  COMPREPLY=($(compgen -f -- "$word"))
}
complete -o filenames -F _muster muster
)";

void fill(std::string& text, std::string_view mark, const std::string& with) {
  text.replace(text.find(mark), mark.size(), with);
}

template <class Command>
std::string flags_of(void (*describe)(CLI::App&, Command&, run_texts&)) {
  CLI::App app;
  Command command;
  run_texts given;
  describe(app, command, given);
  std::string all;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) all += (all.empty() ? "--" : " --") + name;
  return all;
}

std::string settings() {
  std::string all;
  for (const option_description& each : describe_options())
    if (each.of == option_description::owner::pool && each.processes && each.by_text)
      all += (all.empty() ? "" : " ") + each.path;
  return all;
}

std::string strategies() {
  for (const option_description& each : describe_options()) {
    if (each.path != "strategy") continue;
    std::string words = each.range;
    std::erase(words, ',');
    return words;
  }
  return {};
}

}  // namespace

int completion(const completion_command& /*asked: bash is the only one*/) {
  std::string text(script);
  fill(text, "@commands@", "run tune list doctor options config completion --help --version");
  fill(text, "@settings@", settings());
  fill(text, "@strategies@", strategies());
  fill(text, "@run@", flags_of(describe_run));
  fill(text, "@tune@", flags_of(describe_tune));
  fmt::print("{}", text);
  return std::fflush(stdout) == 0 ? exit_code::done : exit_code::some_failed;
}

}  // namespace muster::cli
