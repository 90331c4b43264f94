// SPDX-License-Identifier: MIT
//
// Options of `muster run` from a file and from the environment, `muster config`, and bash completion.
#include <gmock/gmock.h>

#include "e2e/command.hpp"

namespace {

using e2e::chore;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

/// Which file, and which variables.
struct surroundings {
  explicit surroundings(const std::string& toml) { std::ofstream(file) << toml; }
  [[nodiscard]] e2e::outcome run(
      const e2e::words& words, const std::vector<std::pair<const char*, const char*>>& variables = {}) const {
    return e2e::run(words, {}, [&] {
      ::setenv("MUSTER_CONFIG", file.c_str(), 1);
      for (const auto& [name, value] : variables) ::setenv(name, value, 1);
    });
  }
  /// What `muster config --show-origin` says of an option, without the space between.
  [[nodiscard]] std::string line_of(
      const std::string& option,
      const std::vector<std::pair<const char*, const char*>>& variables = {}) const {
    const auto done = run({"config", "--show-origin"}, variables);
    std::istringstream in(done.output);
    for (std::string line; std::getline(in, line);)
      if (line.starts_with(option + " = ")) {
        const auto value = line.substr(0, line.find_last_of(' '));
        return value.substr(0, value.find_last_not_of(' ') + 1) + " | " +
               line.substr(line.find_last_of(' ') + 1);
      }
    return done.errors;
  }

  e2e::directory there;
  std::string file = there.in("muster.toml");
};

}  // namespace

TEST(command_config, the_command_line_goes_before_the_environment_and_that_before_the_file) {
  const surroundings here("quiet = true\nraw = true\n[set]\nlimits.nice = 5\n");
  const auto nice = [&](const e2e::words& more,
                        const std::vector<std::pair<const char*, const char*>>& variables) {
    e2e::words all = {"run"};
    all.insert(all.end(), more.begin(), more.end());
    all.push_back(chore("niceness"));
    const auto done = here.run(all, variables);
    EXPECT_EQ(done.errors, "");
    return std::stoi(done.output);
  };
  const int own = std::stoi(e2e::run({"run", "--raw", chore("niceness")}).output);
  EXPECT_EQ(nice({}, {}), own + 5);
  EXPECT_EQ(nice({}, {{"MUSTER_SET", "limits.nice=3; grace=1s"}}), own + 3);
  EXPECT_EQ(nice({"--set", "limits.nice=1"}, {{"MUSTER_SET", "limits.nice=3"}}), own + 1);
  EXPECT_EQ(here.run({"run", "--quiet=false", chore("echo"), "a"}).errors.empty(), false);
  EXPECT_EQ(here.run({"run", chore("echo"), "a"}, {{"MUSTER_RAW", "no"}}).results().at(0).at("value"), "a");
  EXPECT_EQ(here.run({"run", "--config", "none", "--quiet", chore("echo"), "a"}).results().size(), 1U);
}

TEST(command_config, says_of_each_option_its_value_and_where_it_comes_from) {
  const surroundings here(
      "workers = \"2:3\"\nretries = 1\n[set]\nqueue.capacity = 10\nqueue.when_full = \"reject\"\n");
  EXPECT_EQ(here.line_of("workers"), "workers = 2:3 | " + here.file + ":1:11");
  EXPECT_EQ(here.line_of("retries", {{"MUSTER_RETRIES", "4"}}), "retries = 4 | MUSTER_RETRIES");
  EXPECT_EQ(here.line_of("timeout"), "timeout = none | default");
  EXPECT_EQ(here.line_of("set workers.max"), "set workers.max = 3 | " + here.file + ":1:11");
  EXPECT_EQ(here.line_of("set retry.attempts", {{"MUSTER_RETRIES", "4"}}),
            "set retry.attempts = 5 | MUSTER_RETRIES");
  EXPECT_EQ(here.line_of("set queue.capacity"), "set queue.capacity = 10 | " + here.file + ":4:18");
  EXPECT_EQ(here.line_of("set grace"), "set grace = 100ms | default");
  const auto short_form = here.run({"config"}).output;
  EXPECT_THAT(short_form, AllOf(StartsWith("workers = 2:3\n"), Not(HasSubstr("grace"))));
}

TEST(command_config, all_that_is_wrong_is_said_at_once_with_line_and_column) {
  const surroundings here(
      "workers = \"9:1\"\nretrys = 3\ntag = \"yes\"\n\n[set]\nlimits.nice = 99\nlimits.x = 1\nbreaker = "
      "1979-05-27\n");
  for (const e2e::words& words : {e2e::words{"config"}, {"run", chore("echo"), "a"}}) {
    const auto done = here.run(words, {{"MUSTER_QUIET", "perhaps"}, {"MUSTER_TIMEOUT", "5x"}});
    EXPECT_EQ(done.exit_code, 2);
    for (const char* each :
         {":1:11: workers = 9:1", ":2:1: there is no option 'retrys'", ":3:7: tag is true or false",
          ":6:15: limits.nice=99: range 0..19", ":7:12: limits.x=1: there is no such option",
          ":8:11: breaker is a text", "MUSTER_QUIET: 'perhaps' is neither true nor false",
          "MUSTER_TIMEOUT: timeout = 5x: is not a time"})
      EXPECT_THAT(done.errors, HasSubstr(each));
  }
  EXPECT_THAT(surroundings("timeout = \"\"\n").run({"config"}).errors, HasSubstr(":1:11: timeout is empty"));
  EXPECT_THAT(surroundings("halt = \"now\"\nkeep = \"1GiB\"\n").run({"config"}).errors,
              AllOf(HasSubstr(":1:8: halt = now: it has not all its parts"),
                    HasSubstr(":2:8: keep = 1GiB: is at most 64MiB")));
  EXPECT_THAT(surroundings("[é]\n").run({"config"}).errors, HasSubstr("muster.toml:1:2: "));
  EXPECT_THAT(surroundings("[[[a]]]\n").run({"config"}).errors, HasSubstr("muster.toml:1:3: "));
  EXPECT_THAT(surroundings("aў = 1\n").run({"config"}).errors, HasSubstr("muster.toml:1:2: "));
  const surroundings torn("workers = \n");
  EXPECT_THAT(torn.run({"config"}).errors, HasSubstr("muster.toml:1:11: "));
  EXPECT_THAT(e2e::run({"run", "--config", "/nowhere.toml", chore("echo"), "a"}).errors,
              HasSubstr("/nowhere.toml"));
}

TEST(command_config, the_file_of_the_user_is_read_where_no_other_is_named) {
  const e2e::directory home;
  std::ofstream(home.in("muster.toml")) << "raw = true\nquiet = true\n";
  const auto done = e2e::run({"run", chore("echo"), "a"}, {}, [&] {
    ::unsetenv("MUSTER_CONFIG");
    ::setenv("XDG_CONFIG_HOME", home.in("").c_str(), 1);
  });
  EXPECT_EQ(done.output + done.errors, "a\n");
}

TEST(command_completion, bash_completes_commands_options_and_settings) {
  const e2e::directory there;
  const auto made = e2e::run({"completion", "bash"});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
  std::ofstream(there.in("script")) << made.output;
  const auto completed = [&](const std::string& words, int at) {
    const std::string script = "source " + there.in("script") + "; COMP_WORDS=(" + words +
                               "); COMP_CWORD=" + std::to_string(at) +
                               "; _muster; echo \"${COMPREPLY[@]}\" > " + there.in("out");
    EXPECT_EQ(std::system(("bash -c '" + script + "'").c_str()), 0);
    return e2e::text_of(there.in("out"));
  };
  EXPECT_EQ(completed("muster co", 1), "config completion\n");
  EXPECT_EQ(completed("muster run --job", 2), "--joblog\n");
  EXPECT_EQ(completed("muster tune --at", 2), "--at-once\n");
  EXPECT_EQ(completed("muster tune --job", 2), "\n");
  EXPECT_EQ(completed("muster run --set queue.cap", 3), "queue.capacity=\n");
  EXPECT_EQ(completed("muster run --strategy fewest_", 3), "fewest_served\n");
  EXPECT_EQ(completed("muster run -- " + there.in("scr"), 3), there.in("script") + "\n");
  EXPECT_EQ(e2e::run({"completion", "tcsh"}).exit_code, 2);
}
