// SPDX-License-Identifier: MIT
//
// `muster run --joblog FILE --resume`: what a run that was killed has done is not done again, and nothing is
// lost.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using e2e::json;
using muster::test::seed_of_test;
using ::testing::HasSubstr;

std::size_t count_lines(const std::string& path) {
  const std::string text = e2e::text_of(path);
  return static_cast<std::size_t>(std::ranges::count(text, '\n'));
}

/// How often each word has a line.
std::map<std::string, int> notes_in(const std::string& path) {
  std::map<std::string, int> notes;
  std::istringstream in(e2e::text_of(path));
  for (std::string line; std::getline(in, line);) ++notes[line];
  return notes;
}

/// The ids in a file of results whose last line may be torn.
std::vector<std::string> reported_in(const std::string& path) {
  std::string text = e2e::text_of(path);
  text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  std::vector<std::string> ids;
  for (const json& each : e2e::lines_of(text)) ids.push_back(each.at("id"));
  return ids;
}

/// Calls that leave a line where they ran, of a run with a job log.
struct noted_run {
  [[nodiscard]] e2e::words with(const e2e::words& more, const std::string& function = "note") const {
    e2e::words all = {"run", "--joblog", log, "--results", results, "--with", json(notes).dump()};
    all.insert(all.end(), more.begin(), more.end());
    all.push_back(chore(function));
    return all;
  }

  e2e::directory there;
  std::string log = there.in("log"), results = there.in("results"), notes = there.in("notes");
};

}  // namespace

TEST(command_job_log, killed_ten_times_a_run_ends_whole_and_nothing_that_was_reported_runs_again) {
  constexpr std::size_t calls = 6'000;  // more than ten runs have the time for, at this pace
  const noted_run run;
  std::string input;
  for (std::size_t i = 1; i <= calls; ++i) input += std::to_string(i) + '\n';
  std::mt19937_64 dice(seed_of_test());
  std::map<std::string, int> reported;  // how often it had run when it was
  for (int kill = 0; kill < 10; ++kill) {
    const std::size_t until = count_lines(run.log) + 1 + dice() % 200;
    e2e::running command(run.with({"--resume", "--lines", "--workers", "2", "--unordered", "--rate", "1000"}),
                         input);
    ASSERT_TRUE(muster::test::eventually([&] { return count_lines(run.log) >= until; }));
    command.signal(SIGKILL);
    ASSERT_EQ(command.wait(), -SIGKILL);
    const auto notes = notes_in(run.notes);
    for (const std::string& id : reported_in(run.results)) {
      const auto [known, is_new] = reported.try_emplace(id, notes.at(id));
      ASSERT_EQ(notes.at(id), known->second) << id << " was reported, and ran again";
    }
  }
  EXPECT_FALSE(reported.empty());
  const auto done = e2e::run(run.with({"--resume", "--lines", "--workers", "2"}), input);
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  const auto ids = reported_in(run.results);
  ASSERT_EQ(ids.size(), calls);
  for (std::size_t i = 0; i < calls; ++i) ASSERT_EQ(ids[i], std::to_string(i + 1));
  const auto notes = notes_in(run.notes);
  for (const auto& [id, count] : reported) EXPECT_EQ(notes.at(id), count) << id;
}

TEST(command_job_log, of_a_finished_run_gives_all_results_again_and_runs_nothing) {
  const noted_run run;
  // By one worker: of two jobs that are the same, the one that was done first comes first again.
  const auto first = e2e::run(run.with({"--lines", "--workers", "1"}), "a\nb\nb\n");
  const auto results = e2e::lines_of(e2e::text_of(run.results));
  EXPECT_EQ(first.exit_code, 0) << first.errors;
  const auto second = e2e::run(run.with({"--lines", "--resume"}), "a\nb\nb\n");
  EXPECT_EQ(second.exit_code, 0) << second.errors;
  EXPECT_EQ(e2e::lines_of(e2e::text_of(run.results)), results);
  EXPECT_THAT(second.errors, HasSubstr("3 more were done before"));
  EXPECT_EQ(notes_in(run.notes), (std::map<std::string, int>{{"a", 1}, {"b", 2}}));
  const auto other = e2e::run(run.with({"--lines", "--resume"}), "c\nb\na\nb\nb\n");  // in whatever order
  EXPECT_EQ(other.exit_code, 0) << other.errors;
  EXPECT_EQ(notes_in(run.notes), (std::map<std::string, int>{{"a", 1}, {"b", 3}, {"c", 1}}));
  EXPECT_EQ(reported_in(run.results), (std::vector<std::string>{"c", "b", "a", "b", "b"}));
  EXPECT_EQ(e2e::lines_of(e2e::text_of(run.results)).at(2).at("index"), 2);
}

TEST(command_job_log, that_ends_in_half_a_line_is_repaired_and_that_call_runs_again) {
  const noted_run run;
  EXPECT_EQ(e2e::run(run.with({"--lines", "--workers", "1"}), "a\nb\n").exit_code, 0);
  std::filesystem::resize_file(run.log, std::filesystem::file_size(run.log) - 7);
  const auto done = e2e::run(run.with({"--lines", "--resume"}), "a\nb\n");
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(done.errors, HasSubstr("not whole"));
  EXPECT_EQ(notes_in(run.notes), (std::map<std::string, int>{{"a", 1}, {"b", 2}}));
  EXPECT_EQ(e2e::lines_of(e2e::text_of(run.log)).size(), 3U);
}

TEST(command_job_log, keeps_failures_unless_they_are_to_run_again) {
  const noted_run run;
  const auto resumed = [&](const char* how) {
    return e2e::run(run.with({"--lines", how}, "note_once_failing"), "even\nodd\n").exit_code;
  };
  EXPECT_EQ(resumed("--resume"), 1);  // a log that is not there yet is begun
  EXPECT_EQ(resumed("--resume"), 1);
  EXPECT_EQ(notes_in(run.notes), (std::map<std::string, int>{{"even", 1}, {"odd", 1}}));
  EXPECT_EQ(resumed("--resume-failed"), 0);
  EXPECT_EQ(resumed("--resume"), 0);
  EXPECT_EQ(notes_in(run.notes), (std::map<std::string, int>{{"even", 1}, {"odd", 2}}));
}

TEST(command_job_log, is_never_mixed_up_with_another_or_emptied) {
  const noted_run run;
  const auto refused = [&](const e2e::words& more, const char* function = "note") {
    const auto before = e2e::text_of(run.log);
    const auto done = e2e::run(run.with(more, function), "a\n");
    EXPECT_EQ(done.exit_code, 2) << done.errors;
    EXPECT_EQ(e2e::text_of(run.log), before);
    return done.errors;
  };
  EXPECT_EQ(e2e::run(run.with({"--lines"}), "a\n").exit_code, 0);
  const auto results = e2e::text_of(run.results);
  EXPECT_THAT(refused({"--lines"}), HasSubstr("add --resume"));
  EXPECT_THAT(refused({"--lines", "--resume"}, "note_once_failing"), HasSubstr("of another run"));
  std::ofstream(run.log, std::ios::app) << "nonsense\n";
  EXPECT_THAT(refused({"--lines", "--resume"}), HasSubstr("line 3 that is none"));
  std::ofstream(run.log) << "my letters, without a line end";
  EXPECT_THAT(refused({"--lines", "--resume"}), HasSubstr("is not a job log"));
  EXPECT_EQ(e2e::text_of(run.results), results);
  EXPECT_THAT(e2e::run({"run", "--resume", chore("echo"), "a"}).errors, HasSubstr("goes with --joblog"));
}

TEST(command_job_log, belongs_to_one_run_at_a_time) {
  const e2e::directory there;
  const std::string gate = there.pipe("gate");
  e2e::running first({"run", "--joblog", there.in("log"), chore("wait_for_pipe"), gate});
  const int open_gate = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC);  // waits until the call has begun
  const auto second = e2e::run({"run", "--joblog", there.in("log"), "--resume", chore("wait_for_pipe"), "-"});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.errors, HasSubstr("in use by another run"));
  ::close(open_gate);
  EXPECT_EQ(first.wait(), 0);
}
