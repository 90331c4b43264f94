// SPDX-License-Identifier: MIT
//
// Where the calls of `muster run` come from, and commands as what is called.
#include <gmock/gmock.h>

#include <poll.h>

#include <algorithm>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using e2e::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<std::string> ids_of(const e2e::outcome& done) {
  std::vector<std::string> ids;
  for (const json& each : done.results()) ids.push_back(each.at("id"));
  return ids;
}

void touch(const std::string& path) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << "";
}

}  // namespace

TEST(command_inputs, words_after_three_colons_are_taken_as_they_are) {
  const auto done = e2e::run({"run", chore("echo"), ":::", "a", "--timeout", "[1,2]", "--"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(ids_of(done), ElementsAre("a", "--timeout", "[1,2]", "--"));
  EXPECT_EQ(e2e::run({"run", chore("echo"), ":::"}).output, "");  // no inputs, and so no calls
}

TEST(command_inputs, lines_are_taken_as_they_are_and_empty_ones_passed_over) {
  const auto done = e2e::run({"run", "--lines", chore("echo")}, "one\n[1]\n\n two words \nlast");
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(ids_of(done), ElementsAre("one", "[1]", " two words ", "last"));
}

TEST(command_inputs, between_zero_bytes_anything_may_stand) {
  const std::string input("one\ntwo\0\0three\0", 15);
  const auto done = e2e::run({"run", "-0", chore("echo")}, input);
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  ASSERT_EQ(done.results().size(), 3U);
  EXPECT_EQ(done.results()[0].at("value"), "one\ntwo");
  EXPECT_EQ(done.results()[1].at("value"), "");
  EXPECT_EQ(done.results()[2].at("value"), "three");
}

TEST(command_inputs, every_file_below_a_directory_is_one_in_a_stable_order) {
  const e2e::directory there;
  for (const char* each : {"b/2", "b/10", "a c/x", "z", ".hidden"}) touch(there.in(each));
  std::filesystem::create_symlink("z", there.in("link"));
  const std::string top = there.in("");
  const auto done = e2e::run({"run", "--files", top, chore("echo")});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(ids_of(done),
              ElementsAre(top + ".hidden", top + "a c/x", top + "b/10", top + "b/2", top + "z"));
}

TEST(command_inputs, come_from_one_place) {
  const auto done = e2e::run({"run", "--jsonl", "--lines", "--files", "/nowhere", chore("echo")});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.errors, AllOf(HasSubstr("--jsonl, --lines, --files: inputs come from one of these"),
                                 HasSubstr("--files /nowhere: is not a directory")));
}

TEST(command_inputs, that_never_end_are_read_no_further_than_there_are_calls_for) {
  const e2e::directory there;
  const std::string gate = there.pipe("gate");
  int ends[2] = {};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  e2e::running command({"run", "--lines", "--workers", "1", chore("wait_for_pipe")}, {},
                       [&] { ::dup2(ends[0], STDIN_FILENO); });
  ::close(ends[0]);
  // Nothing is done while the first call waits: so what is taken is what is read ahead, and what the pipe
  // holds.
  const std::string first = gate + '\n';
  ASSERT_EQ(::write(ends[1], first.data(), first.size()), static_cast<ssize_t>(first.size()));
  const int open_gate = ::open(gate.c_str(), O_WRONLY | O_CLOEXEC);
  const std::string line = "-\n";
  std::string lines;
  for (int i = 0; i < 1'024; ++i) lines += line;
  constexpr std::size_t most = 512U * 1'024;
  std::size_t written = 0;
  for (pollfd room = {ends[1], POLLOUT, 0}; written < most && ::poll(&room, 1, 500) > 0;)
    written += static_cast<std::size_t>(std::max<ssize_t>(::write(ends[1], lines.data(), lines.size()), 0));
  EXPECT_LT(written, most);
  ::close(open_gate);
  ::close(ends[1]);
  EXPECT_EQ(command.wait(), 0) << command.errors();
  EXPECT_EQ(e2e::lines_of(command.output()).size(), 1 + (written + 1) / line.size());
}

TEST(command_inputs, a_line_may_say_how_urgent_its_call_is) {
  const auto done =
      e2e::run({"run", "--jsonl", chore("echo")},
               "{\"args\":[\"a\"],\"priority\":\"high\"}\n{\"args\":[\"b\"],\"priority\":\"best\"}\n");
  EXPECT_EQ(done.results().at(0).at("ok"), true) << done.output;
  EXPECT_THAT(done.results().at(1).at("error").at("message").get<std::string>(),
              AllOf(HasSubstr("line 2"), HasSubstr("critical, high, normal, low")));
}

TEST(command_of_programs, has_its_inputs_filled_in_as_users_of_parallel_expect) {
  const auto done =
      e2e::run({"run", "--", "echo", "{}", "{/}", "{.}", "{/.}", "{//}", "{#}", ":::", "p/cat.jpg", "-x"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.results().at(0).at("value").at("out"), "p/cat.jpg cat.jpg p/cat cat p 1\n");
  EXPECT_EQ(done.results().at(0).at("value").at("exit_code"), 0);
  EXPECT_EQ(done.results().at(1).at("value").at("out"), "-x -x -x -x . 2\n");
}

TEST(command_groups, are_combined_each_with_each_and_the_first_varies_slowest) {
  const auto done = e2e::run({"run", "--raw", "--", "echo", "{1}", "{2/}", "{1.}-{2/.}", "{#}", "{}",
                              ":::", "a.x", "b.x", ":::", "p/1.y", "p/2.y"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.output,
            "a.x 1.y a-1 1 a.x p/1.y\na.x 2.y a-2 2 a.x p/2.y\n"
            "b.x 1.y b-1 3 b.x p/1.y\nb.x 2.y b-2 4 b.x p/2.y\n");
  EXPECT_THAT(done.errors, HasSubstr("4 of 4 succeeded"));
}

TEST(command_groups, that_are_linked_go_along_with_the_one_before) {
  const auto done = e2e::run({"run", "--raw", "--", "echo", ":::", "x", "y", ":::+", "1", "2", ":::", "a",
                              "b", ":::+", "A", "B", ":::+", "AA", "BB"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.output, "x 1 a A AA\nx 1 b B BB\ny 2 a A AA\ny 2 b B BB\n");
}

TEST(command_groups, are_the_arguments_of_a_function) {
  const auto done = e2e::run({"run", chore("divide"), ":::", "12", "60", ":::", "2", "3"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(ids_of(done), ElementsAre("12 2", "12 3", "60 2", "60 3"));
  std::vector<int> values;
  for (const json& each : done.results()) values.push_back(each.at("value"));
  EXPECT_THAT(values, ElementsAre(6, 4, 30, 20));
  const auto many = e2e::run({"run", chore("divide"), ":::", "1", ":::", "2", ":::", "3"});
  EXPECT_EQ(many.exit_code, 2);
  EXPECT_THAT(many.errors, HasSubstr("takes 2 arguments, 3 groups of inputs are 3, and --with gives 0"));
}

TEST(command_groups, that_are_empty_leave_nothing_to_call) {
  const auto done = e2e::run({"run", "--", "echo", "{1}{2}", ":::", "a", "b", ":::"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.output, "");
}

TEST(command_groups, with_more_combinations_than_fit_anywhere_are_made_as_they_are_called) {
  e2e::words words = {"run", "--raw", "--workers", "1", "--halt", "soon,done=3", "--", "echo"};
  for (int group = 0; group < 15; ++group) {
    words.emplace_back(":::");
    for (int i = 0; i < 10; ++i) words.push_back(std::to_string(i));
  }
  const auto done = e2e::run(words);
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(done.output,
              ::testing::StartsWith("0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n0 0 0 0 0 0 0 0 0 0 0 0 0 0 1\n"));
  for (int group = 0; group < 5; ++group)
    words.insert(words.end(), {":::", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9"});
  const auto beyond = e2e::run(words);
  EXPECT_EQ(beyond.exit_code, 2);
  EXPECT_THAT(beyond.errors,
              HasSubstr("muster: the groups of inputs have more combinations than can be counted"));
}

TEST(command_groups, that_do_not_fit_are_refused_with_all_that_is_wrong) {
  const auto done = e2e::run({"run", "--", "touch", "{3/}", ":::", "a", "b", ":::+", "1"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_EQ(done.output, "");
  EXPECT_THAT(
      done.errors,
      AllOf(HasSubstr("before it: group 1 has 2, and group 2 has 1\n"),
            HasSubstr("muster: {3/} stands for input 3 of a call, which has 2; each group of inputs")));
  const auto refused = [](const e2e::words& words, const std::string& why) {
    e2e::words all = {"run"};
    all.insert(all.end(), words.begin(), words.end());
    const auto ended = e2e::run(all);
    EXPECT_EQ(ended.exit_code, 2);
    EXPECT_THAT(ended.errors, HasSubstr(why));
  };
  refused({chore("echo"), ":::+", "a"}, "goes along with the one before it, and there is none");
  refused({chore("divide"), "1", ":::", "2", ":::", "3"}, "1: stands before several groups of inputs");
  refused({"--", "gzip", "::::", "names"},
          "inputs out of a file, which parallel has after ::::, come by --lines < FILE");
  refused({"--", "echo", "{2}", ":::", "a"}, "{2} stands for input 2 of a call, which has 1");
}

TEST(command_groups, are_named_by_their_inputs_and_known_to_a_job_log_by_each_of_them) {
  const e2e::directory there;
  const e2e::words words = {"run",
                            "--tag",
                            "--joblog",
                            there.in("log"),
                            "--resume",
                            "--",
                            "sh",
                            "-c",
                            "echo \"<$1><$2>\"; echo . >> \"$3\"",
                            "sh",
                            "{1}",
                            "{2}",
                            there.in("runs"),
                            ":::",
                            "a",
                            "a b",
                            ":::",
                            "b c",
                            "c"};
  const std::string expected = "a b c\t<a><b c>\na c\t<a><c>\na b b c\t<a b><b c>\na b c\t<a b><c>\n";
  EXPECT_EQ(e2e::run(words).output, expected);
  // Only the last is done, and the first has the same text.
  std::string log = e2e::text_of(there.in("log"));
  const std::size_t head = log.find('\n') + 1;
  log.erase(head, log.rfind('\n', log.size() - 2) + 1 - head);
  std::ofstream(there.in("log")) << log;
  const auto again = e2e::run(words);
  EXPECT_EQ(again.output, expected);
  EXPECT_THAT(again.errors, HasSubstr("1 more were done before, by the job log"));
  EXPECT_EQ(e2e::text_of(there.in("runs")), ".\n.\n.\n.\n.\n.\n.\n");
}

TEST(command_groups, are_shown_by_a_dry_run) {
  EXPECT_EQ(
      e2e::run({"run", "--dry-run", "--", "cp", "{1}", "{2}/{1/}", ":::", "a b", ":::", "c", "d"}).output,
      "cp 'a b' 'c/a b'\ncp 'a b' 'd/a b'\n");
  EXPECT_EQ(e2e::run({"run", "--dry-run", chore("divide"), ":::", "8", ":::+", "2"}).output,
            "divide(8, 2)\n");
}

TEST(command_of_programs, takes_lines_where_no_inputs_are_given_and_adds_them_where_nothing_is_to_be_filled) {
  const auto done = e2e::run({"run", "--raw", "--", "echo", "got"}, "one\ntwo words\n");
  EXPECT_EQ(done.output, "got one\ngot two words\n");
  const auto several =
      e2e::run({"run", "--jsonl", "--raw", "--", "echo", "{2}", "{1}"}, "[\"a\", 5]\n[null]\n");
  EXPECT_EQ(several.output, "5 a\n");
  EXPECT_THAT(several.errors, HasSubstr("line 2: expected a string or a number, was given null"));
  const auto few = e2e::run({"run", "--jsonl", "--", "rm", "{1}/{2}"}, "[\"a\"]\n");
  EXPECT_EQ(few.results().at(0).at("error").at("kind"), "invalid_call");
  EXPECT_THAT(few.output, HasSubstr("line 1: {2} stands for input 2 of a call, which has 1"));
}

TEST(command_of_programs, names_how_it_ended_with_what_it_printed) {
  const auto done =
      e2e::run({"run", "--", "sh", "-c", "echo out; echo bad >&2; $1", "sh", "{}", ":::", "exit 3", "true"});
  EXPECT_EQ(done.exit_code, 1);
  const json error = done.results().at(0).at("error");
  EXPECT_EQ(error.at("kind"), "command_failed");
  EXPECT_EQ(error.at("exit_code"), 3);
  EXPECT_EQ(error.at("out"), "out\n");
  EXPECT_EQ(error.at("message"), "exit code 3: bad");
  EXPECT_EQ(done.results().at(1).at("ok"), true);
  const auto killed = e2e::run({"run", "--", "sh", "-c", "kill -9 $$", ":::", "1"});
  EXPECT_EQ(killed.results().at(0).at("error").at("signal"), 9);
  const auto absent = e2e::run({"run", "--retries", "3", "--", "/nowhere/at/all", ":::", "1"});
  EXPECT_EQ(absent.results().at(0).at("error").at("kind"), "invalid_call");
  EXPECT_EQ(absent.results().at(0).at("attempts"), 1);
}

TEST(command_of_programs, that_fail_are_run_again_when_asked) {
  const e2e::directory there;
  const auto done =
      e2e::run({"run", "--retries", "2", "--", "sh", "-c", "echo x >> \"$1\"; test $(wc -l < \"$1\") = 3",
                "sh", "{}", ":::", there.in("runs")});
  EXPECT_EQ(done.exit_code, 0) << done.output;
  EXPECT_EQ(done.results().at(0).at("attempts"), 3);
}

TEST(command_of_programs, do_not_read_the_inputs_of_the_others) {
  EXPECT_EQ(e2e::run({"run", "--raw", "--", "sh", "-c", "echo \"[$(cat)]\""}, "1\n2\n").output, "[]\n[]\n");
}

TEST(command_output, is_text_grouped_by_call_with_the_input_before_each_line_when_asked) {
  const e2e::words words = {"--", "sh", "-c", "echo $1; echo 2nd; echo err >&2", "sh", "{}", ":::", "a", "b"};
  const auto run = [&](const char* how) {
    e2e::words all = {"run", "--quiet", how};
    all.insert(all.end(), words.begin(), words.end());
    return e2e::run(all);
  };
  EXPECT_EQ(run("--raw").output, "a\n2nd\nb\n2nd\n");
  EXPECT_EQ(run("--tag").output, "a\ta\na\t2nd\nb\tb\nb\t2nd\n");
  EXPECT_EQ(run("--tag").errors, "a\terr\nb\terr\n");
  const auto values = e2e::run({"run", "--quiet", "--raw", "--with", "0", chore("divide"), "1"});
  EXPECT_EQ(values.output, "");
  EXPECT_EQ(values.errors, "muster: 1: division by zero\n");
  EXPECT_EQ(e2e::run({"run", "--quiet", "--raw", chore("echo"), "a b"}).output, "a b\n");
}

TEST(command_output, that_was_not_kept_is_said) {
  const auto done =
      e2e::run({"run", "--quiet", "--raw", "--keep", "4", "--", "echo", "{}", ":::", "abcdefg"});
  EXPECT_EQ(done.output, "efg\n");
  EXPECT_THAT(done.errors, HasSubstr("4 bytes before this were not kept"));
}

TEST(command_dry_run, says_what_would_be_called_and_calls_nothing) {
  const e2e::directory there;
  const auto done = e2e::run({"run", "--dry-run", "--", "touch", "{}", "{#}", ":::", there.in("a b")});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.output, "touch '" + there.in("a b") + "' 1\n");
  EXPECT_FALSE(std::filesystem::exists(there.in("a b")));
  EXPECT_EQ(e2e::run({"run", "--dry-run", "--with", "2", chore("divide"), "8", "x"}).output,
            "divide(8, 2)\n");
}
