// SPDX-License-Identifier: MIT
// Options of the library on the command line: what there is, and setting it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(command_options, print_the_page_that_is_in_the_docs) {
  const auto printed = e2e::run({"options", "--markdown"});
  EXPECT_EQ(printed.exit_code, 0) << printed.errors;
  EXPECT_EQ(printed.output, e2e::text_of(MUSTER_SOURCE_DIR "/docs/reference/options.md"))
      << "options have changed; renew the page: muster options --markdown > docs/reference/options.md";
}

TEST(command_options, are_shown_to_people_by_a_part_of_their_name) {
  const auto shown = e2e::run({"options", "queue.c"});
  EXPECT_EQ(shown.exit_code, 0) << shown.errors;
  EXPECT_THAT(shown.output, StartsWith("queue.capacity"));
  EXPECT_THAT(shown.output,
              AllOf(HasSubstr("whole number (0..2^31, or automatic), default 1024\n"),
                    HasSubstr("    At most so many tasks wait"), Not(HasSubstr("workers.max  "))));
  EXPECT_THAT(e2e::run({"options", "limits.nice"}).output, HasSubstr("processes only"));
  const auto none = e2e::run({"options", "nonsense"});
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.errors, HasSubstr("nonsense"));
}

TEST(command_options, are_one_json_array_for_programs) {
  const auto list = e2e::json::parse(e2e::run({"options", "--json", "limits.memory"}).output);
  ASSERT_EQ(list.size(), 2U);  // and limits.memory_soft
  EXPECT_EQ(list[0]["option"], "limits.memory");
  EXPECT_EQ(list[0]["range"], "at least 16MiB");
  EXPECT_EQ(list[0]["default"], "none");
  EXPECT_EQ(list[0]["by_text"], true);
  EXPECT_EQ(list[0]["threads"], false);
}

TEST(command_set, reaches_the_workers) {
  const auto done = e2e::run({"run", "--set", "limits.nice=7", "--set", "workers.max=1", chore("niceness")});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(e2e::lines_of(done.output).at(0)["value"], 7);
}

TEST(command_set, is_the_same_as_the_short_form_and_comes_after_it) {
  const auto done =
      e2e::run({"run", "--retries", "0", "--set", "retry.attempts=2", chore("crash_once"), "5"});
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(e2e::lines_of(done.output).at(0)["attempts"], 2);
}

TEST(command_set, lets_calls_fail_that_find_no_room_in_a_queue_that_rejects) {
  const auto done = e2e::run({"run", "--set", "queue.bytes=1KiB", "--set", "queue.when_full=reject",
                              chore("echo"), std::string(2'000, 'x'), "short"});
  EXPECT_EQ(done.exit_code, 1) << done.errors;
  const auto lines = e2e::lines_of(done.output);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0]["error"]["kind"], "queue_full");
  EXPECT_EQ(lines[1]["value"], "short");
}

TEST(command_set, names_everything_that_is_wrong_at_once) {
  const auto done = e2e::run({"run", "--workers", "8:none", "--memory", "1kB", "--retries", "5000", "--set",
                              "queue.when_full=never", "--set", "limits.ncie=3", "--set", "start=false",
                              "--set", "queue.bytes=1MiB", "--with", "out", chore("echo"), "1"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_EQ(done.output, "");
  for (const char* part :
       {"muster: --workers 8:none: write N, MIN:MAX", "muster: --memory 1kB: at least 16MiB",
        "muster: --retries 5000: attempts are one more: range 1..1000",
        "muster: --set queue.when_full=never: known: wait, reject",
        "muster: --set limits.ncie=3: there is no such option; near to it are limits.nice",
        "muster: --set start=false: the command starts its pool itself",
        "muster: --set queue: the command cannot wait for room", "muster: --with: 'out' is not JSON"})
    EXPECT_THAT(done.errors, HasSubstr(part));
}

TEST(command_set, of_options_that_contradict_each_other_is_refused_with_all_of_them) {
  const auto done = e2e::run({"run", "--set", "isolation=none", "--set", "scaling.up_at=0.2", "--set",
                              "scaling.down_at=0.8", "--set", "restart.max=1ms", chore("echo"), "1"});
  EXPECT_EQ(done.exit_code, 2);
  EXPECT_THAT(done.errors,
              AllOf(HasSubstr("scaling.down_at"), HasSubstr("restart.max"), Not(HasSubstr("env.pass"))));
}

TEST(command_help, takes_ranges_and_sentences_from_the_options_themselves) {
  const auto help = e2e::run({"run", "--help"});
  // However it breaks lines.
  std::string text;
  for (const char c : help.output)
    if (c != ' ' && c != '\n') text += c;
  for (const char* part :
       {"out_of_memory.none:nolimit.(atleast16MiB;none)", "(pull,fewest,round_robin", "(0ormore;100ms)",
        "(0ormore;30s)", "(0..999;0)", "(0.001..1000000000;none)", "OPTION=VALUE"})
    EXPECT_THAT(text, HasSubstr(part)) << help.output;
}

}  // namespace
