// SPDX-License-Identifier: MIT
#include "cli/run_arguments.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <muster/error.hpp>
#include <muster/host.hpp>
#include <muster/option_text.hpp>

#include "cli/call_shape.hpp"
#include "cli/json_text.hpp"

namespace muster::cli {
namespace {

int processors() { return static_cast<int>(std::max(1U, std::thread::hardware_concurrency())); }

// What the command itself chooses, where nobody else does.
std::vector<assignment> usual_settings() {
  const auto set = [](const char* path, std::string value) {
    return assignment{.path = path, .value = std::move(value), .shown = {}, .origin = "muster run"};
  };
  return {
      set("workers.min", "1"),
      set("workers.max", std::to_string(processors())),
      set("queue.capacity", "none"),  // what is under way is bounded here, and submit must not block
      set("env.pass", "*"),           // a worker sees what the command was given
      set("name", "run"),
  };
}

// How a value was written, for messages.
std::string as_written(const std::string& origin, const std::string& name, const std::string& value) {
  return origin.empty() ? fmt::format("--{} {}", name, value)
                        : fmt::format("{}: {} = {}", origin, name, value);
}

std::optional<int> number_in(const std::string& text) {
  int number = 0;
  const bool ok = std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc();
  return ok ? std::optional(number) : std::nullopt;
}

void add_workers(const run_texts& given, const std::string& origin, std::vector<assignment>& into,
                 complaints& bad) {
  if (given.workers.empty()) return;
  const std::string text = given.workers == "auto" ? "1:auto" : given.workers;
  const std::size_t colon = text.find(':');
  const std::string least = text.substr(0, colon);
  std::string most = colon == std::string::npos ? least : text.substr(colon + 1);
  const std::string shown =
      as_written(origin, "workers", given.workers) + ": write N, MIN:MAX as in 1:8, or auto; ";
  if (least == "none" || most == "none" || least.empty() || most.empty())
    return bad.add(shown, {}, "both are numbers");
  const auto low = number_in(least), high = number_in(most);
  if (low && high && *low > *high) return bad.add(shown, {}, "the first is not above the second");
  if (most == "auto") most = std::to_string(std::max(processors(), std::atoi(least.c_str())));
  // Both in one: the one without the other may not fit what was set before.
  into.push_back({.path = "workers.min", .value = least, .shown = shown, .origin = origin});
  into.push_back({.path = "workers.max", .value = most, .shown = shown, .origin = origin});
}

void add_retries(const run_texts& given, const std::string& origin, std::vector<assignment>& into,
                 complaints& bad) {
  if (given.retries.empty()) return;
  const std::string shown = as_written(origin, "retries", given.retries);
  const bool is_number = given.retries.size() <= 6 &&
                         std::ranges::all_of(given.retries, [](char c) { return c >= '0' && c <= '9'; });
  if (!is_number) return bad.add(shown, {}, ": is a number from 0 to 999");
  into.push_back({.path = "retry.attempts",
                  .value = std::to_string(std::atoi(given.retries.c_str()) + 1),
                  .shown = shown + ": attempts are one more",
                  .origin = origin});
}

// Where one place says this; nothing: it does not, or it is the command line.
std::string origin_in(const std::vector<found_option>& found, std::string_view name) {
  const auto last = std::ranges::find(found, name, &found_option::name);
  return last == found.end() ? std::string() : last->origin;
}

// What one place says of the library's options. `origins` of its `set`s; none: it is the command line.
void add_assignments(const run_texts& given, const std::vector<found_option>& found,
                     std::vector<assignment>& into, complaints& bad) {
  const auto origin_of = [&](std::string_view name) { return origin_in(found, name); };
  add_workers(given, origin_of("workers"), into, bad);
  add_retries(given, origin_of("retries"), into, bad);
  for (const short_form& each : short_forms) {
    const std::string& text = given.*each.text;
    if (text.empty()) continue;
    const std::string origin = origin_of(each.name);
    into.push_back({each.path, text, as_written(origin, each.name, text), origin, each.of_call});
  }
  std::vector<std::string> origins;
  for (const found_option& each : found)
    if (each.name == "set") origins.push_back(each.origin);
  for (std::size_t i = 0; i < given.set.size(); ++i) {
    const std::string& setting = given.set[i];
    const std::string origin = i < origins.size() ? origins[i] : std::string();
    const std::string shown = origin.empty() ? "--set " + setting : fmt::format("{}: {}", origin, setting);
    const std::size_t equals = setting.find('=');
    if (setting.starts_with("start="))
      bad.add(shown, {}, ": the command starts its pool itself; leave it out");
    else if (equals == std::string::npos)
      bad.add(shown, {}, ": write OPTION=VALUE");
    else
      into.push_back({setting.substr(0, equals), setting.substr(equals + 1), shown, origin});
  }
}

template <class Options>
void set(complaints& bad, const std::string& shown, Options& options,
         const std::vector<std::string>& settings) {
  try {
    set_options(options, settings);
  } catch (const invalid_options& problem) {
    bad.add(shown, settings.size() == 1 ? settings.front() : std::string_view(), problem.what());
  }
}

void apply(const std::vector<assignment>& all, run_command& into, complaints& bad) {
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<std::string> settings = {all[i].path + '=' + all[i].value};
    const std::string& shown = all[i].shown;
    if (all[i].path == "workers.min" && i + 1 < all.size() && all[i + 1].path == "workers.max" &&
        all[i + 1].shown == shown) {
      ++i;
      settings.push_back(all[i].path + '=' + all[i].value);
    }
    if (all[i].of_call)
      set(bad, shown, into.call, settings);
    else
      set(bad, shown, into.pool, settings);
  }
  const auto& queue = into.pool.queue;
  if (queue.when_full == when_full::wait && (queue.capacity || queue.bytes || queue.unsettled))
    bad.add("--set queue", {},
            ": the command cannot wait for room in it, as it has more to do; add --set "
            "queue.when_full=reject or drop_newest, and calls that find no room fail");
  if (into.pool.isolation == isolation::none && into.pool.env.pass == std::vector<std::string>{"*"})
    into.pool.env = environment_options{.set = into.pool.env.set};  // it passes everything on by itself
}

void take_target(const std::string& target, run_tail& tail, run_command& into, complaints& bad) {
  if (target.empty()) {
    into.command = std::move(tail.words);
    if (into.command.empty())
      bad.add("", {},
              tail.has_words
                  ? "there is no command after --"
                  : "MODULE:FUNCTION is required, as in ./libphotos.so:shrink, or a command, as in "
                    "-- gzip -9 {}");
    if (!into.with.empty()) bad.add("--with", {}, ": a command has all of its words itself");
    return;
  }
  const std::size_t colon = target.rfind(':');
  if (colon == std::string::npos || colon == 0 || colon + 1 == target.size())
    return bad.add(
        "MODULE:FUNCTION: ", {},
        fmt::format("'{}' is not a module and a function, as in ./libphotos.so:shrink; a command goes "
                    "after --",
                    target));
  into.module = target.substr(0, colon);
  into.function = target.substr(colon + 1);
  std::ranges::move(tail.words, std::back_inserter(into.groups.front().words));
}

void check_groups(const std::vector<word_group>& groups, complaints& bad) {
  for (std::size_t i = 1; i < groups.size(); ++i) {
    const std::size_t before = groups[i - 1].words.size(), own = groups[i].words.size();
    if (groups[i].linked && own != before)
      bad.add("", {},
              fmt::format("after :::+ stand as many inputs as in the group before it: group {} has {}, and "
                          "group {} has {}",
                          i, before, i + 1, own));
  }
  if (!combinations(groups))
    bad.add("", {}, "the groups of inputs have more combinations than can be counted");
}

// Words before the first ::: are inputs too, where it is the only one.
void take_groups(std::vector<word_group> groups, run_command& into, complaints& bad) {
  if (groups.empty()) return;
  if (groups.front().linked)
    bad.add("", {},
            "a group after :::+ goes along with the one before it, and there is none; begin with :::");
  std::vector<std::string>& words = into.groups.front().words;
  if (groups.size() == 1) {
    std::ranges::move(groups.front().words, std::back_inserter(words));
  } else if (words.empty()) {
    check_groups(groups, bad);
    into.groups = std::move(groups);
  } else {
    bad.add(words.front(), {}, ": stands before several groups of inputs; give it a ::: of its own");
  }
}

// A file of inputs, as parallel has it.
void refuse_files(const run_command& run, complaints& bad) {
  const auto has = [](const std::vector<std::string>& words) {
    return std::ranges::any_of(words, [](const auto& each) { return each == "::::" || each == "::::+"; });
  };
  if (has(run.command) || std::ranges::any_of(run.groups, has, &word_group::words))
    bad.add("", {}, "inputs out of a file, which parallel has after ::::, come by --lines < FILE");
}

void take_inputs(const run_texts& given, run_tail& tail, run_command& into, complaints& bad) {
  const bool has_groups = !tail.groups.empty();
  take_groups(std::move(tail.groups), into, bad);
  refuse_files(into, bad);
  std::string named;
  int count = 0;
  const auto take = [&](bool is_given, const char* name, input_from from) {
    if (!is_given) return;
    into.from = from;
    named += fmt::format("{}{}", named.empty() ? "" : ", ", name);
    ++count;
  };
  take(has_groups || !into.groups.front().words.empty(), "words", input_from::words);
  take(given.json_lines, "--jsonl", input_from::json_lines);
  take(given.lines, "--lines", input_from::lines);
  take(given.zeros, "--null", input_from::zeros);
  take(!into.directories.empty(), "--files", input_from::files);
  if (count > 1) bad.add(named, {}, ": inputs come from one of these; leave the others out");
  if (count == 0 && !into.command.empty()) into.from = input_from::lines;
  for (const std::string& each : into.directories) {
    std::error_code wrong;
    if (!std::filesystem::is_directory(each, wrong)) bad.add("--files " + each, {}, ": is not a directory");
  }
}

// That each {2} has an input. What a line of --jsonl gives is seen when it comes.
void check_places(const run_command& run, complaints& bad) {
  if (run.command.empty() || run.from == input_from::json_lines) return;
  const std::size_t inputs = run.from == input_from::words ? run.groups.size() : 1;
  try {
    static_cast<void>(fill_in({.words = run.command}, std::vector<std::string>(inputs), 1));
  } catch (const invalid_call& problem) {
    bad.add(problem.what(), {}, "; each group of inputs, which a ::: begins, gives one");
  }
}

// What one place says of such a text takes the place of what was said before.
void note_text(written_text& into, const std::string& name, const std::string& value,
               const std::string& origin) {
  if (!value.empty()) into = {value, as_written(origin, name, value)};
}

void take_texts(const written_text& halt, const written_text& keep, run_command& into, complaints& bad) {
  if (!halt.value.empty()) {
    const auto rule = parse_halt(halt.value);
    if (rule)
      into.halt = *rule;
    else
      bad.add(halt.shown + ": ", {}, rule.error());
  }
  if (!keep.value.empty()) {
    process_options sizes;
    set(bad, keep.shown, sizes, {"queue.bytes=" + keep.value});
    into.keep = sizes.queue.bytes.value_or(0);
    if (into.keep > (std::size_t{64} << 20)) bad.add(keep.shown, {}, ": is at most 64MiB");
  }
}

void take_with(const run_texts& given, run_command& into, complaints& bad) {
  for (const std::string& text : given.with) {
    auto value = parse_json(text);
    if (!value)
      bad.add("--with: ", {},
              fmt::format("'{0}' is not JSON; a string needs its quotes, as in --with '\"{0}\"'", text));
    else
      into.with.push_back(*std::move(value));
  }
}

// A layer as words, so that one description of the options reads all layers.
void read_layer(option_layer layer, run_command& run, outer_options& into) {
  for (const std::string& each : layer.problems) into.bad.add(each, {}, {});
  std::vector<std::string> words;
  for (const found_option& each : layer.found) words.push_back(fmt::format("--{}={}", each.name, each.value));
  std::ranges::reverse(words);  // it takes them last first
  CLI::App app;
  run_texts given;
  describe_run(app, run, given);
  try {
    app.parse(words);
    given.set = app.get_option("--set")->results();
  } catch (const CLI::ParseError& problem) {
    into.bad.add(problem.what(), {}, {});
  }
  add_assignments(given, layer.found, into.assignments, into.bad);
  note_text(into.halt, "halt", given.halt, origin_in(layer.found, "halt"));
  note_text(into.keep, "keep", given.keep, origin_in(layer.found, "keep"));
  std::ranges::move(layer.found, std::back_inserter(into.found));
}

}  // namespace

callee_kind run_command::kind() const noexcept {
  if (!command.empty()) return callee_kind::command;
  for (const char* ending : {".js", ".cjs", ".mjs"})
    if (module.ends_with(ending)) return callee_kind::node;
  return module.ends_with(".py") ? callee_kind::python : callee_kind::module;
}

std::string run_command::title() const {
  if (!command.empty()) return shell_text(command);
  std::string text = module + ':' + function;
  for (const auto& each : with)
    text += " --with " + each.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text;
}

void complaints::add(const std::string& shown, std::string_view setting, std::string_view what) {
  text_ += fmt::format("{}{}{}", text_.empty() ? "" : "\nmuster: ", shown,
                       what.starts_with(setting) ? what.substr(setting.size()) : what);
}

outer_options read_outer(const std::string& config, run_command& run) {
  std::vector<known_option> known;
  for (const option_default& each : configurable_options()) known.push_back(each.option);
  outer_options made;
  made.config = config_path(config);
  made.assignments = usual_settings();
  read_layer(read_config(made.config, known), run, made);
  read_layer(read_environment(known), run, made);
  return made;
}

std::string check_outer(outer_options outer, run_command& run) {
  apply(outer.assignments, run, outer.bad);
  take_texts(outer.halt, outer.keep, run, outer.bad);
  return outer.bad.text();
}

std::string complete_run(outer_options outer, const run_texts& given, run_tail tail, run_command& run) {
  run.groups.assign(1, {.words = given.words});
  take_with(given, run, outer.bad);
  take_target(given.target, tail, run, outer.bad);
  take_inputs(given, tail, run, outer.bad);
  check_places(run, outer.bad);
  add_assignments(given, {}, outer.assignments, outer.bad);
  if (!run.command.empty()) {
    run.pool.retry.on_error = true;                               // another exit code than 0 is one
    run.pool.retry.permanent = {error_kind::of<invalid_call>()};  // it cannot be started
  }
  apply(outer.assignments, run, outer.bad);
  note_text(outer.halt, "halt", given.halt, {});
  note_text(outer.keep, "keep", given.keep, {});
  take_texts(outer.halt, outer.keep, run, outer.bad);
  if (run.failed_again) run.resume = true;
  if (run.resume && run.job_log_path.empty()) outer.bad.add("--resume", {}, ": goes with --joblog FILE");
  return outer.bad.text();
}

}  // namespace muster::cli
