// SPDX-License-Identifier: MIT
//
// What `muster run` and `muster list` write and how they end.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "base/sanitizer.hpp"
#include "e2e/command.hpp"

namespace {

using e2e::chore;
using e2e::chores;
using e2e::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

json error_of(const e2e::outcome& done, std::size_t at = 0) { return done.results().at(at).at("error"); }

}  // namespace

TEST(command_run, each_word_is_a_call_and_its_id) {
  const auto done = e2e::run({"run", chore("echo"), "a.jpg", "two words", "[1,2]", "{}", ""});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  const auto results = done.results();
  ASSERT_EQ(results.size(), 5U);
  const std::vector<std::string> words = {"a.jpg", "two words", "[1,2]", "{}", ""};
  for (std::size_t i = 0; i < words.size(); ++i) {
    EXPECT_EQ(results[i].at("index"), i);
    EXPECT_EQ(results[i].at("value"), words[i]);
    EXPECT_EQ(results[i].at("ok"), true);
    EXPECT_EQ(results[i].at("attempts"), 1);
    EXPECT_GE(results[i].at("worker"), 0);
    EXPECT_LE(results[i].at("began").get<double>(), results[i].at("ended").get<double>());
  }
  EXPECT_EQ(results[1].at("id"), "two words");
  EXPECT_THAT(done.errors, HasSubstr("5 of 5 succeeded"));
}

TEST(command_run, fixed_arguments_follow_the_word) {
  const auto done = e2e::run({"run", "--with", "4", chore("divide"), "12", "100"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.results().at(0).at("value"), 3);
  EXPECT_EQ(done.results().at(1).at("value"), 25);
  const auto typed = e2e::run({"run", "--with", R"({"x":1})", "--with=true", chore("mean"), "[1,2.5]"});
  EXPECT_EQ(typed.results().at(0).at("value"), 2.25) << typed.errors;
}

TEST(command_run, a_line_is_an_array_an_object_with_args_or_the_single_argument) {
  const auto done = e2e::run({"run", "--jsonl", "--with", "2", chore("divide")},
                             "[8]\n\n{\"args\":[6],\"id\":\"six\"}\n4\n{\"args\":[2],\"id\":7}");
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  const auto results = done.results();
  ASSERT_EQ(results.size(), 4U);
  EXPECT_EQ(results[0].at("value"), 4);
  EXPECT_EQ(results[0].at("id"), nullptr);
  EXPECT_EQ(results[1].at("id"), "six");
  EXPECT_EQ(results[2].at("value"), 2);
  EXPECT_EQ(results[3].at("id"), "7");
}

TEST(command_run, a_line_that_is_no_call_fails_alone_and_is_named) {
  const auto done =
      e2e::run({"run", "--jsonl", chore("divide")}, "[8,2]\nnonsense\n[1]\n[\"x\",1]\n[1,2,3]\n[9,3]\n");
  EXPECT_EQ(done.exit_code, 1);
  const auto results = done.results();
  ASSERT_EQ(results.size(), 6U);
  EXPECT_EQ(results[0].at("value"), 4);
  EXPECT_EQ(results[5].at("value"), 3);
  for (std::size_t i = 1; i < 5; ++i) {
    EXPECT_EQ(error_of(done, i).at("kind"), "invalid_call");
    EXPECT_EQ(results[i].at("attempts"), 0);
    EXPECT_THAT(error_of(done, i).at("message").get<std::string>(),
                AllOf(HasSubstr("line " + std::to_string(i + 1)), HasSubstr("divide(i32, i32) -> i32")));
  }
  EXPECT_THAT(done.errors, HasSubstr("4 failed with invalid_call"));
}

TEST(command_run, what_a_call_throws_is_its_result) {
  const auto done = e2e::run({"run", "--with", "0", chore("divide"), "1"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(error_of(done).at("kind"), "worker_error");
  EXPECT_EQ(error_of(done).at("type"), "std::domain_error");
  EXPECT_EQ(error_of(done).at("message"), "division by zero");
  const auto odd = e2e::run({"run", chore("throw_oddly")});
  EXPECT_THAT(error_of(odd).at("type").get<std::string>(), HasSubstr("odd_failure"));
}

TEST(command_run, a_crash_costs_its_own_call_only) {
  const auto done = e2e::run({"run", "--workers", "2", chore("crash"), "0", "0", "1", "0", "0"});
  EXPECT_EQ(done.exit_code, 1);
  const auto results = done.results();
  ASSERT_EQ(results.size(), 5U);
  EXPECT_EQ(std::ranges::count_if(results, [](const json& each) { return each.at("ok") == true; }), 4);
  EXPECT_EQ(error_of(done, 2).at("kind"), "unexpected_exit");
  EXPECT_THAT(error_of(done, 2).at("stderr").get<std::string>(), HasSubstr("about to crash"));
  if (!muster::base::is_sanitized) {  // which turn the signal into a report and an exit code
    EXPECT_EQ(error_of(done, 2).at("signal"), SIGSEGV);
    EXPECT_THAT(error_of(done, 2).at("message").get<std::string>(), HasSubstr("crash(int)"));
    EXPECT_THAT(error_of(done, 2).at("backtrace").get<std::string>(), HasSubstr("crash(int)"));
  }
  const auto left = e2e::run({"run", chore("leave"), "7"});
  EXPECT_EQ(error_of(left).at("exit_code"), 7);
}

TEST(command_run, retries_run_a_call_again_after_a_crash) {
  const auto done = e2e::run({"run", "--retries", "2", chore("crash_once"), "5"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.results().at(0).at("attempts"), 2);
  EXPECT_EQ(done.results().at(0).at("value"), 5);
  EXPECT_EQ(e2e::run({"run", chore("crash_once"), "5"}).exit_code, 1);
}

TEST(command_run, a_call_past_its_time_fails_and_the_others_go_on) {
  const auto done =
      e2e::run({"run", "--timeout", "200ms", "--grace", "0", "--workers", "1", chore("hang"), "x"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(error_of(done).at("kind"), "task_timeout");
}

TEST(command_run, a_call_that_takes_too_much_memory_is_named_so) {
  if (muster::base::is_sanitized) GTEST_SKIP() << "sanitizers take address space of their own";
  const auto done = e2e::run({"run", "--memory", "128MiB", chore("allocate"), "8", "512", "8"});
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_EQ(done.results().at(0).at("value"), 8);
  EXPECT_EQ(error_of(done, 1).at("kind"), "out_of_memory") << done.output;
  EXPECT_EQ(done.results().at(2).at("value"), 8);
}

TEST(command_run, with_a_memory_limit_removes_the_control_groups_that_dead_owners_left) {
  const e2e::directory there;  // an ordinary directory, in the place of a control group
  std::ofstream(there.in("memory.limit_in_bytes")) << "";
  const std::string left =
      there.in("muster-" + std::to_string(::getpid()) + "-1-pool-0-1");  // not our start time
  std::filesystem::create_directory(left);
  const auto done = e2e::run({"run", "--memory", "512MiB", chore("print"), "1"}, {},
                             [&] { ::setenv("MUSTER_CGROUP", there.in("").c_str(), 1); });
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_FALSE(std::filesystem::exists(left));
}

TEST(command_run, what_a_module_prints_is_not_among_the_results) {
  const auto done = e2e::run({"run", chore("print"), "1", "2"});
  EXPECT_EQ(done.results().size(), 2U);
  EXPECT_THAT(done.errors, HasSubstr("this is not a result"));
}

TEST(command_run, workers_have_the_environment_of_the_command) {
  const auto done = e2e::run({"run", chore("variable"), "MUSTER_TEST_VARIABLE"}, {},
                             [] { ::setenv("MUSTER_TEST_VARIABLE", "seen", 1); });
  EXPECT_EQ(done.results().at(0).at("value"), "seen");
}

TEST(command_run, results_and_events_go_into_files) {
  const e2e::directory there;
  const auto done = e2e::run({"run", "--results", there.in("results"), "--events", there.in("events"),
                              "--workers", "1", "--retries", "1", chore("crash_once"), "5"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.output, "");
  EXPECT_EQ(e2e::lines_of(e2e::text_of(there.in("results"))).at(0).at("value"), 5);
  std::map<std::string, json> last;
  for (const json& each : e2e::lines_of(e2e::text_of(there.in("events")))) last[each.at("event")] = each;
  for (const char* kind :
       {"worker_started", "worker_ready", "worker_died", "worker_stopped", "task_began", "task_retried"})
    EXPECT_TRUE(last.contains(kind)) << kind;
  EXPECT_EQ(last["task_began"].at("id"), "5");
  EXPECT_EQ(last["task_began"].at("index"), 0);
  EXPECT_EQ(last["worker_died"].at("generation"), 1);
  EXPECT_GT(last["worker_died"].at("pid"), 0);
}

TEST(command_run, results_come_in_the_order_of_the_input_or_as_they_are_done) {
  for (const bool ordered : {true, false}) {
    const e2e::directory there;
    const std::string gate = there.pipe("gate");
    std::vector<std::string> arguments = {"run", "--workers", "2", "--results", there.in("results")};
    if (!ordered) arguments.emplace_back("--unordered");
    arguments.insert(arguments.end(), {chore("wait_for_pipe"), gate, "-"});
    e2e::running command(arguments);
    const int open_gate = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC);  // waits until the first call has begun
    if (!ordered)
      while (e2e::text_of(there.in("results")).empty()) ::usleep(1'000);
    ::close(open_gate);
    EXPECT_EQ(command.wait(), 0);
    const auto results = e2e::lines_of(e2e::text_of(there.in("results")));
    ASSERT_EQ(results.size(), 2U);
    EXPECT_EQ(results[0].at("index"), ordered ? 0 : 1);
  }
}

TEST(command_run, ten_thousand_lines_take_bounded_memory) {
  const int count = muster::base::is_sanitized ? 1'000 : 10'000;  // memory is only looked at without
  const e2e::directory there;
  {  // A file, line by line: what this process holds would count as the command's, which it is forked to.
    std::ofstream lines(there.in("lines"));
    for (int i = 0; i < count; ++i) lines << '"' << std::string(16'000, 'x') << "\"\n";
  }
  e2e::running command(
      {"run", "--jsonl", "--quiet", "--workers", "2", "--results", there.in("results"), chore("echo")}, {},
      [&] { ::dup2(::open(there.in("lines").c_str(), O_RDONLY), STDIN_FILENO); });
  EXPECT_EQ(command.wait(), 0) << command.errors();
  std::ifstream results(there.in("results"));
  int read = 0;
  for (std::string line; std::getline(results, line); ++read) {
    const json result = json::parse(line);
    ASSERT_EQ(result.at("index"), read);
    ASSERT_EQ(result.at("value").get<std::string>().size(), 16'000U);
  }
  EXPECT_EQ(read, count);
  if (!muster::base::is_sanitized) {
    EXPECT_LT(command.peak_kib(), 100U * 1'024) << "the lines together have 156 MiB, and so have the results";
  }
}

TEST(command_run, the_summary_is_quiet_or_json_when_asked) {
  EXPECT_EQ(e2e::run({"run", "--quiet", chore("crash"), "0"}).errors, "");
  const auto done = e2e::run({"run", "--quiet", "--json", "--with", "0", chore("divide"), "1"});
  const json summary = json::parse(done.errors);
  EXPECT_EQ(summary.at("calls"), 1);
  EXPECT_EQ(summary.at("causes").at("worker_error"), 1);
  EXPECT_EQ(summary.at("examples").at(0).at("id"), "1");
}

TEST(command_run, an_empty_input_is_no_failure) {
  const auto done = e2e::run({"run", "--jsonl", chore("echo")}, "");
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.output, "");
}

TEST(command_usage, what_cannot_be_used_is_named_with_what_can) {
  const auto wrong = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "run");
    const auto done = e2e::run(arguments);
    EXPECT_EQ(done.exit_code, 2) << done.errors;
    EXPECT_EQ(done.output, "");
    return done.errors;
  };
  EXPECT_THAT(wrong({chore("nothing"), "1"}),
              AllOf(HasSubstr("has no function 'nothing'"), HasSubstr("echo(string) -> string")));
  EXPECT_THAT(wrong({"./not_there.so:f", "1"}), HasSubstr("cannot be loaded"));
  EXPECT_THAT(wrong({"/etc/passwd:f", "1"}), HasSubstr("cannot be loaded"));
  EXPECT_THAT(wrong({MUSTER_MODULES_DIR "/dies_when_loaded.so:f", "1"}), HasSubstr("SIGKILL"));
  EXPECT_THAT(wrong({chores, "1"}), HasSubstr("is not a module and a function"));
  EXPECT_THAT(wrong({chore("divide"), "1"}), HasSubstr("--with"));
  EXPECT_THAT(wrong({chore("echo")}), HasSubstr("needs arguments"));
  EXPECT_THAT(wrong({"--with", "out", chore("divide"), "1"}), HasSubstr("'out' is not JSON"));
  EXPECT_THAT(wrong({"--with", "\"x\"", chore("divide"), "1"}), HasSubstr("cannot be argument 2"));
  EXPECT_THAT(wrong({"--strategy", "best", chore("echo"), "1"}),
              HasSubstr("pull, fewest, round_robin, fewest_served"));
  EXPECT_THAT(wrong({"--timeout", "5x", chore("echo"), "1"}), HasSubstr("300ms, 5s, 2m"));
  EXPECT_THAT(wrong({"--memory", "lots", chore("echo"), "1"}), HasSubstr("512MiB"));
  EXPECT_THAT(wrong({"--workers", "0", chore("echo"), "1"}), HasSubstr("MIN:MAX"));
  EXPECT_THAT(wrong({"--jsonl", chore("echo"), "1"}), HasSubstr("--jsonl"));
  EXPECT_THAT(wrong({"--results", "/nowhere/results", chore("echo"), "1"}), HasSubstr("No such file"));
  EXPECT_THAT(wrong({"--unknown", chore("echo"), "1"}), HasSubstr("--unknown"));
}

TEST(command_usage, a_closed_standard_input_is_said) {
  const auto done = e2e::run({"run", "--jsonl", chore("echo")}, {}, [] { ::close(STDIN_FILENO); });
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.errors, HasSubstr("standard input"));
}

TEST(command_usage, without_descriptors_no_worker_can_be_started) {
  if (muster::base::memory_is_sanitized)
    GTEST_SKIP() << "a sanitizer that looks at types needs descriptors itself";
  const auto done = e2e::run({"run", chore("echo"), "1"}, {}, [] {
    const rlimit few = {12, 12};
    ::setrlimit(RLIMIT_NOFILE, &few);
  });
  EXPECT_EQ(done.exit_code, 3) << done.errors;
  EXPECT_THAT(done.errors, HasSubstr("Too many open files"));
}

TEST(command_usage, what_was_meant_is_said_to_who_left_something_out) {
  const auto error = [](const e2e::words& words) {
    const auto done = e2e::run(words);
    EXPECT_EQ(done.exit_code, 2);
    return done.errors;
  };
  EXPECT_THAT(error({}), StartsWith("muster: a command is missing; there are run, tune, list"));
  EXPECT_THAT(error({"rnu", "--raw"}), StartsWith("muster: there is no command 'rnu'; there are run, tune"));
  EXPECT_THAT(
      error({"run", "gzip", "-k", "a"}),
      AllOf(HasSubstr("-k"), HasSubstr("a command goes after --, inputs that begin with a dash after :::")));
  EXPECT_THAT(error({"list", "./work.py"}), HasSubstr("'./work.py' is a script"));
}

TEST(command_usage, help_begins_with_examples) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--help"}, {"run", "--help"}, {"list", "--help"}}) {
    const auto done = e2e::run(arguments);
    EXPECT_EQ(done.exit_code, 0);
    EXPECT_THAT(done.output, StartsWith("Examples:"));
  }
  EXPECT_THAT(e2e::run({"--version"}).output, StartsWith("muster "));
}

TEST(command_list, it_prints_the_functions_of_a_module) {
  const auto done = e2e::run({"list", chores});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(done.output,
              AllOf(HasSubstr("divide(i32, i32) -> i32\n"), HasSubstr("hang(string) -> null\n")));
  EXPECT_EQ(e2e::run({"list", "/etc/passwd"}).exit_code, 2);
}
