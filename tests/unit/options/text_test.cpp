// SPDX-License-Identifier: MIT
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <muster/error.hpp>
#include <muster/option_text.hpp>

#include "options/text.hpp"

namespace muster::test {
namespace {

using testing::AllOf;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

template <class Options>
void set(Options& options, const std::vector<std::string>& settings) {
  set_options(options, settings);
}

template <class Options>
std::string refusal(Options options, const std::vector<std::string>& settings) {
  try {
    set_options(options, settings);
  } catch (const invalid_options& e) {
    return e.what();
  }
  return {};
}

TEST(options_from_text, are_numbers_times_sizes_names_flags_lists_and_none) {
  process_options o;
  set(o,
      {"workers.max=3", "workers.idle_timeout=300ms", "limits.memory=512MiB", "limits.cpu_time=90",
       "queue.when_full=drop_oldest", "queue.patience=none", "queue.ageing=none", "queue.capacity=automatic",
       "strategy=weighted", "choose.weights=5,1", "scaling.up_at=0.75", "retry.on_error=true",
       "env.pass=A,B_*", "env.set=X=1,Y=a=b", "args=", "name=mill", "own_log.level=warning"});
  EXPECT_EQ(o.workers.max, 3);
  EXPECT_EQ(o.workers.idle_timeout, 300ms);
  EXPECT_EQ(o.limits.memory, 512_MiB);
  EXPECT_EQ(o.limits.cpu_time, 90s);
  EXPECT_EQ(o.queue.when_full, when_full::drop_oldest);
  EXPECT_EQ(o.queue.ageing, std::nullopt);
  EXPECT_EQ(o.queue.capacity, queue_options::automatic);
  EXPECT_EQ(o.strategy, strategy::weighted);
  EXPECT_EQ(o.choose.weights, (std::vector<int>{5, 1}));
  EXPECT_EQ(o.scaling.up_at, 0.75);
  EXPECT_TRUE(o.retry.on_error);
  EXPECT_EQ(o.env.pass, (std::vector<std::string>{"A", "B_*"}));
  EXPECT_EQ(o.env.set, (std::vector<std::pair<std::string, std::string>>{{"X", "1"}, {"Y", "a=b"}}));
  EXPECT_TRUE(o.args.empty());
  EXPECT_EQ(o.name, "mill");
  EXPECT_EQ(o.own_log.level, log_level::warning);
}

TEST(options_from_text, of_threads_and_of_tasks_are_set_as_well) {
  thread_options threads;
  set(threads, {"nice=5", "cpus=0,1", "hooks.keep_alive_every=2s"});
  EXPECT_EQ(threads.nice, 5);
  EXPECT_EQ(threads.cpus, (std::vector<int>{0, 1}));
  EXPECT_EQ(threads.hooks.keep_alive_every, 2s);
  task_options task;
  set(task, {"priority=high", "run_timeout=2m", "retry.attempts=3", "capture=keep"});
  EXPECT_EQ(task.priority, priority::high);
  EXPECT_EQ(task.run_timeout, 2min);
  ASSERT_TRUE(task.retry);
  EXPECT_EQ(task.retry->attempts, 3);
  EXPECT_EQ(task.capture, capture::keep);
  set(task, {"priority=-7"});
  EXPECT_EQ(task.priority, priority(-7));
}

TEST(options_from_text, add_a_group_that_is_not_there_and_take_it_away_again) {
  process_options o;
  set(o, {"breaker.failures=3", "queue.rate.per_second=50", "quarantine.stay=1h"});
  ASSERT_TRUE(o.breaker && o.queue.rate && o.quarantine);
  EXPECT_EQ(o.breaker->failures, 3);
  EXPECT_EQ(o.breaker->open_for, breaker_options().open_for);
  EXPECT_EQ(o.queue.rate->per_second, 50);
  set(o, {"breaker.open_for=5s", "queue.rate=none"});
  EXPECT_EQ(o.breaker->failures, 3) << "what was set stays";
  EXPECT_FALSE(o.queue.rate);
}

TEST(options_from_text, of_an_unknown_name_are_refused_with_the_nearest_that_there_are) {
  EXPECT_THAT(refusal(process_options(), {"capacity=1"}),
              HasSubstr("capacity=1: there is no such option; near to it are queue.capacity"));
  EXPECT_THAT(refusal(process_options(), {"limits.memroy=1GiB"}), HasSubstr("limits.memory"));
  EXPECT_THAT(refusal(process_options(), {"queue.capacity.x=1"}), HasSubstr("queue.capacity"));
  EXPECT_THAT(refusal(process_options(), {"nice=1"}), HasSubstr("limits.nice")) << "threads have that";
  EXPECT_THAT(refusal(process_options(), {""}), HasSubstr("OPTION=VALUE"));
  EXPECT_THAT(refusal(process_options(), {"=1"}), HasSubstr("no such option"));
}

TEST(options_from_text, that_cannot_be_say_their_range_all_at_once_and_change_nothing) {
  process_options o;
  const std::vector<std::string> settings = {"name=changed",
                                             "workers.min=many",
                                             "workers.max=4097",
                                             "queue.when_full=never",
                                             "limits.memory=1kB",
                                             "grace=-1s",
                                             "init=f",
                                             "stop=SIGTERM",
                                             "queue=1",
                                             "retry.on_crash=yes",
                                             "dead_letters=-1",
                                             "choose.weights=1,-1",
                                             "env.set=X",
                                             "scaling.up_at=nan",
                                             "limits.tasks=9223372036854775809",
                                             "workers.at_once=99999999999"};
  std::string text;
  try {
    set_options(o, settings);
    FAIL();
  } catch (const invalid_options& e) {
    text = e.what();
  }
  for (const char* part :
       {"workers.min=many: is not a whole number; range: 0..4096", "workers.max=4097: range 1..4096",
        "queue.when_full=never: known: wait, reject, caller_runs, drop_oldest, drop_newest",
        "limits.memory=1kB: at least 16MiB; none: no limit", "grace=-1s: is not a time",
        "init=f: can only be set in C++", "stop=SIGTERM: can only be set in C++", "queue=1: is a group",
        "retry.on_crash=yes: is neither true nor false",
        "dead_letters=-1: is not a whole number from 0 up; range: 0..1000000",
        "choose.weights=1,-1: range 0..1000000; 0 is never given a task", "env.set=X: 'X' has no '='",
        "scaling.up_at=nan", "limits.tasks=9223372036854775809: range 1..2^63",
        "workers.at_once=99999999999"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n') + 2, std::ssize(settings));
  EXPECT_EQ(o.name, "muster") << "also what could be set was not";
}

TEST(options_from_text, accept_every_default_as_it_is_described) {
  std::set<std::string> seen;
  for (const auto& each : describe_options()) {
    EXPECT_FALSE(each.about.empty()) << each.path;
    EXPECT_THAT(each.about, AllOf(EndsWith("."), Not(HasSubstr("  ")))) << each.path;
    EXPECT_TRUE(seen.insert(std::to_string(static_cast<int>(each.of)) + each.path).second) << each.path;
    if (!each.by_text || each.of == option_description::owner::recycle) continue;
    const std::vector<std::string> setting = {each.path + "=" + each.initial};
    if (each.of == option_description::owner::task) {
      EXPECT_EQ(refusal(task_options(), setting), "");
    }
    if (each.processes) {
      EXPECT_EQ(refusal(process_options(), setting), "");
    }
    if (each.threads) {
      EXPECT_EQ(refusal(thread_options(), setting), "");
    }
  }
  EXPECT_GT(seen.size(), 130U);
}

TEST(options_from_text, are_shown_as_they_are_read) {
  for (const duration d : std::vector<duration>{0ns, 1ns, 1'500us, 90s, 1min, 24h})
    EXPECT_EQ(options::read_duration(options::show_duration(d)), d) << d.count();
  EXPECT_EQ(options::show_duration(-1s), "-1s");
  EXPECT_EQ(options::show_duration(90s), "90s");
  EXPECT_EQ(options::show_duration(duration::min()), "-9223372036854775808ns");
  EXPECT_EQ(options::show_size(512_MiB), "512MiB");
  EXPECT_EQ(options::show_size(1'000), "1000");
  EXPECT_EQ(options::read_size("1.5GiB"), 1'536_MiB);
  EXPECT_EQ(options::read_size("1e3").has_value(), false);
}

// Beyond 2^53, where a double has not every whole number.
TEST(options_from_text, are_exact_where_they_are_whole_numbers) {
  EXPECT_EQ(options::read_duration("9007199254740993ns"), duration(9'007'199'254'740'993));
  EXPECT_EQ(options::read_duration("9199999999999999ms").has_value(), false);
  EXPECT_EQ(options::read_duration("9199999999s"), 9'199'999'999s);
  EXPECT_EQ(options::read_size("9007199254740993"), 9'007'199'254'740'993U);
  EXPECT_EQ(options::read_size("8000001TiB"), 8'000'001 * 1_GiB * 1'024);
  EXPECT_EQ(options::read_size("9300000000000000000").has_value(), false);
  EXPECT_EQ(options::read_size("99999999999999999999").has_value(), false);
}

TEST(options_from_text, may_be_lists_with_empty_elements) {
  using texts = std::vector<std::string>;
  const auto shown = [](const texts& list) { return options::show(list, {}); };
  for (const texts& list : {texts{}, {""}, {"a"}, {"", ""}, {"", "a"}, {"a", ""}, {"a", "", "b"}})
    EXPECT_EQ(options::read<texts>(shown(list), {}), list) << shown(list);
  EXPECT_EQ(shown({"a", "b"}), "a,b");
  EXPECT_EQ(shown({""}), ",");
}

}  // namespace
}  // namespace muster::test
