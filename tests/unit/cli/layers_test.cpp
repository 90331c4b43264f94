// SPDX-License-Identifier: MIT
// The options of `muster run`: what a file and the environment say, and which of them goes before which.
#include <cstdlib>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments.hpp"
#include "cli/layers.hpp"
#include "kit/pools.hpp"
#include "kit/said.hpp"

namespace muster::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Variables that are set while it lives. An empty one is as good as none.
class environment {
public:
  environment(std::initializer_list<std::pair<std::string, std::string>> variables) {
    for (const auto& [name, value] : variables) {
      const char* const before = std::getenv(name.c_str());
      before_.emplace_back(name, before != nullptr ? before : "");
      ::setenv(name.c_str(), value.c_str(), 1);
    }
  }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;
  ~environment() {
    for (const auto& [name, value] : before_) ::setenv(name.c_str(), value.c_str(), 1);
  }

private:
  std::vector<std::pair<std::string, std::string>> before_;
};

const std::vector<known_option> known = {{"timeout"}, {"dry-run", true}, {"raw", true},
                                         {"set"},     {"joblog"},        {"retries"}};

struct toml_file {
  explicit toml_file(const std::string& text) { std::ofstream(path) << text; }
  [[nodiscard]] option_layer read() const { return read_config(path, known); }

  test::scratch files;
  std::string path = files("muster.toml");
};

std::vector<std::string> shown(const option_layer& layer) {
  std::vector<std::string> all;
  for (const found_option& each : layer.found)
    all.push_back(each.name + " " + each.value + " " + each.origin.substr(each.origin.rfind('/') + 1));
  return all;
}

TEST(config_file, is_options_and_those_of_the_pool_with_where_they_stand) {
  const toml_file file(
      "joblog = \"a b.log\"\nretries = 3\nraw = true\ntimeout = 1.5\n\n[set]\nqueue.capacity = 10\n"
      "choose.weights = [1, 2]\n[set.retry]\non_error = true\n");
  const auto layer = file.read();
  EXPECT_THAT(layer.problems, IsEmpty());
  EXPECT_THAT(
      shown(layer),
      ElementsAre("joblog a b.log muster.toml:1:10", "raw true muster.toml:3:7", "retries 3 muster.toml:2:11",
                  "set choose.weights=1,2 muster.toml:8:18", "set queue.capacity=10 muster.toml:7:18",
                  "set retry.on_error=true muster.toml:10:12", "timeout 1.5 muster.toml:4:11"));
}

TEST(config_file, says_everything_that_is_wrong_at_once_and_where) {
  const toml_file file(
      "joblog = \"\"\nretrys = 3\nraw = \"yes\"\ntimeout = true\njobs = 1\nretries = 1979-05-27\ndry-run = "
      "1\n"
      "[set]\nbreaker = 07:32:00\nqueue.capacity = [[1], 2]\n");
  const auto layer = file.read();
  EXPECT_THAT(
      layer.problems,
      testing::UnorderedElementsAre(
          HasSubstr(":1:10: joblog is empty; leave it out"),
          HasSubstr(":2:1: there is no option 'retrys'; here are timeout, dry-run, raw, joblog, retries"),
          HasSubstr(":3:7: raw is true or false"), HasSubstr(":4:11: timeout is a text or a number"),
          HasSubstr(":5:1: there is no option 'jobs'"), HasSubstr(":6:11: retries is a text, a number"),
          HasSubstr(":7:11: dry-run is true or false"), HasSubstr(":9:11: breaker is a text, a number"),
          HasSubstr(":10:18: queue.capacity is a text, a number")));
  EXPECT_THAT(toml_file("set = 3\n").read().problems, ElementsAre(HasSubstr(":1:7: set is a table: [set]")));
}

TEST(config_file, that_is_no_toml_says_where_it_stops_to_be) {
  for (const auto& [text, place] :
       std::vector<std::pair<std::string, std::string>>{{"timeout = \n", ":1:11: "},
                                                        {"raw = true\nraw = false\n", ":2:"},
                                                        {"raw = true\ntimeout = \"1s\n", ":2:"},
                                                        {"[set\n", ":1:"},
                                                        {"timeout = \"\xff\"\n", ":1:"},
                                                        {"timeout = 99999999999999999999\n", ":1:"}}) {
    const toml_file file(text);
    EXPECT_THAT(file.read().problems, ElementsAre(HasSubstr("muster.toml" + place))) << text;
    EXPECT_THAT(file.read().found, IsEmpty());
  }
  const toml_file deep("timeout = " + std::string(100'000, '[') + "\n");
  EXPECT_EQ(deep.read().problems.size(), 1U);
  EXPECT_THAT(read_config("/nowhere/muster.toml", known).problems,
              ElementsAre(HasSubstr("/nowhere/muster.toml")));
  EXPECT_THAT(read_config("", known).problems, IsEmpty());
}

TEST(environment_layer, has_a_variable_for_each_option) {
  EXPECT_EQ(variable_of("dry-run"), "MUSTER_DRY_RUN");
  const environment here{{"MUSTER_TIMEOUT", "10s"},
                         {"MUSTER_RAW", "yes"},
                         {"MUSTER_JOBLOG", ""},
                         {"MUSTER_SET", " limits.nice=3 ;; args=a;\n"},
                         {"MUSTER_NOTHING", "1"}};
  const auto layer = read_environment(known);
  EXPECT_THAT(layer.problems, IsEmpty());
  EXPECT_THAT(shown(layer), ElementsAre("timeout 10s MUSTER_TIMEOUT", "raw true MUSTER_RAW",
                                        "set limits.nice=3 MUSTER_SET", "set args=a MUSTER_SET"));
}

TEST(environment_layer, takes_flags_as_people_write_them_and_refuses_others) {
  for (const char* value : {"1", "true", "yes", "on"}) {
    const environment here{{"MUSTER_RAW", value}};
    EXPECT_THAT(shown(read_environment(known)), ElementsAre("raw true MUSTER_RAW")) << value;
  }
  for (const char* value : {"0", "false", "no", "off"}) {
    const environment here{{"MUSTER_RAW", value}};
    EXPECT_THAT(shown(read_environment(known)), ElementsAre("raw false MUSTER_RAW")) << value;
  }
  const environment here{{"MUSTER_RAW", "perhaps"}, {"MUSTER_DRY_RUN", "TRUE"}};
  EXPECT_THAT(read_environment(known).problems,
              testing::UnorderedElementsAre("MUSTER_RAW: 'perhaps' is neither true nor false",
                                            "MUSTER_DRY_RUN: 'TRUE' is neither true nor false"));
}

TEST(config_path, is_what_was_named_then_the_variable_then_the_users_own) {
  const test::scratch home;
  std::filesystem::create_directory(home(".config"));
  std::ofstream(home(".config/muster.toml")) << "\n";
  std::ofstream(home("muster.toml")) << "\n";
  {
    const environment here{{"MUSTER_CONFIG", ""}, {"HOME", home("")}, {"XDG_CONFIG_HOME", home("nowhere")}};
    EXPECT_EQ(config_path(""), "") << "where the user wants his files there is none";
  }
  const environment of_home{{"MUSTER_CONFIG", ""}, {"HOME", home("")}, {"XDG_CONFIG_HOME", ""}};
  EXPECT_EQ(config_path(""), home("/.config/muster.toml"));
  const environment of_user{{"XDG_CONFIG_HOME", home("")}};
  EXPECT_EQ(config_path(""), home("/muster.toml"));
  const environment of_variable{{"MUSTER_CONFIG", "/a.toml"}};
  EXPECT_EQ(config_path(""), "/a.toml");
  EXPECT_EQ(config_path("/b.toml"), "/b.toml");
  EXPECT_EQ(config_path("none"), "");
}

// ---- all layers

struct read_run {
  run_command run;
  std::string errors;  // where it is refused
};

read_run read_words(std::vector<std::string> words) {
  words.insert(words.begin(), {"muster", "run"});
  std::vector<char*> given;
  for (std::string& each : words) given.push_back(each.data());
  test::said heard;
  command_asked asked = read_arguments(static_cast<int>(given.size()), given.data());
  if (auto* run = std::get_if<run_command>(&asked)) return {std::move(*run), heard.errors()};
  return {{}, heard.errors()};
}

TEST(option_layers, go_before_each_other_in_their_order) {
  const auto grace = [](const std::vector<std::string>& words) {
    std::vector<std::string> all = words;
    all.insert(all.end(), {"m.so:f", "a"});
    const auto read = read_words(all);
    EXPECT_EQ(read.errors, "");
    return read.run.pool.grace;
  };
  EXPECT_EQ(grace({"--config", "none"}), process_options().grace) << "of the library";
  EXPECT_EQ(read_words({"--config", "none", "m.so:f", "a"}).run.pool.workers.min, 1) << "of the command";
  const toml_file file("grace = \"2s\"\nworkers = 3\n");
  EXPECT_EQ(grace({"--config", file.path}), 2s);
  EXPECT_EQ(read_words({"--config", file.path, "m.so:f", "a"}).run.pool.workers.min, 3);
  const environment here{{"MUSTER_GRACE", "3s"}};
  EXPECT_EQ(grace({"--config", file.path}), 3s);
  EXPECT_EQ(grace({"--config", file.path, "--grace", "4s"}), 4s);
  EXPECT_EQ(grace({"--config=" + file.path, "--set", "grace=5s", "--grace", "4s"}), 5s) << "by its full name";
}

TEST(option_layers, say_all_that_is_wrong_in_any_of_them_at_once) {
  const toml_file file("workers = \"9:1\"\nretrys = 1\n[set]\nlimits.nice = 99\n");
  const environment here{{"MUSTER_TIMEOUT", "5x"}, {"MUSTER_QUIET", "perhaps"}};
  const auto read = read_words({"--config", file.path, "--grace=-1s", "--set", "queue.x=1", "--halt", "soon",
                                "--with", "{", "--resume", "nothing"});
  for (const std::string& part :
       {file.path + ":1:11: workers = 9:1: ", file.path + ":2:1: there is no option 'retrys'",
        file.path + ":4:15: limits.nice=99: range 0..19",
        std::string("MUSTER_TIMEOUT: timeout = 5x: is not a time"),
        std::string("MUSTER_QUIET: 'perhaps' is neither"), std::string("--grace -1s: is not a time"),
        std::string("--set queue.x=1: there is no such option"),
        std::string("--halt soon: it has not all its parts"), std::string("--with: '{' is not JSON"),
        std::string("--resume: goes with --joblog FILE"),
        std::string("'nothing' is not a module and a function")})
    EXPECT_THAT(read.errors, HasSubstr(part));
}

// CLI11 would take a value in brackets apart.
TEST(option_layers, take_a_path_as_it_is_whatever_it_looks_like) {
  for (const std::string path : {"[a,b]", "a=b", "--x", "{a}", " a ", "'a'"}) {
    const toml_file file("joblog = \"" + path + "\"\n");
    EXPECT_EQ(read_words({"--config", file.path, "m.so:f", "a"}).run.job_log_path, path);
    EXPECT_EQ(read_words({"--config", "none", "--joblog=" + path, "m.so:f", "a"}).run.job_log_path, path);
  }
}

}  // namespace
}  // namespace muster::cli
