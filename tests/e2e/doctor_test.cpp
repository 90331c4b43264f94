// SPDX-License-Identifier: MIT
//
// What `muster doctor` finds on the machine that runs this test.
#include <gmock/gmock.h>

#include <fstream>
#include <map>
#include <set>

#include "base/sanitizer.hpp"
#include "e2e/command.hpp"

namespace {

using e2e::json;
using ::testing::HasSubstr;

/// Under a sanitizer there is no memory limit without a cgroup, and no backtrace of ours.
const std::set<std::string> lost_to_a_sanitizer = {"limits a worker's memory", "says where a worker crashed"};

TEST(command_doctor, tries_every_promise_and_its_exit_code_says_whether_all_are_kept) {
  const auto done = e2e::run({"doctor", "--json"});
  ASSERT_EQ(done.results().size(), 1U) << done.output << done.errors;
  const json shown = done.results()[0];
  std::map<std::string, json> promises;
  for (const json& each : shown.at("promises")) promises[each.at("name")] = each;
  EXPECT_EQ(promises.size(), 6U);
  bool all = true;
  for (const auto& [name, each] : promises) {
    all = all && each.at("kept").get<bool>();
    EXPECT_NE(each.at("how"), "") << name;
    const bool may_be_lost = muster::base::is_sanitized && lost_to_a_sanitizer.contains(name);
    EXPECT_TRUE(each.at("kept").get<bool>() || may_be_lost) << each;
  }
  EXPECT_EQ(shown.at("all_kept"), all);
  EXPECT_EQ(done.exit_code, all ? 0 : 1);
}

TEST(command_doctor, asks_the_machine_itself) {
  const auto done = e2e::run({"doctor", "--json"});
  ASSERT_EQ(done.results().size(), 1U) << done.output << done.errors;
  const json facts = done.results()[0].at("facts");
  for (const char* needed : {"pidfd", "memfd_seals", "close_range", "epoll_pwait2", "subreaper"})
    EXPECT_EQ(facts.at(needed), true) << "no pool would work without it, and the tests before this one did";
  for (const char* present : {"landlock_abi", "user_namespaces", "seccomp_filter", "yama_ptrace_scope"})
    EXPECT_TRUE(facts.contains(present));
  std::string release;
  std::ifstream("/proc/sys/kernel/osrelease") >> release;
  EXPECT_THAT(facts.at("kernel").get<std::string>(), HasSubstr(release));
  EXPECT_GE(facts.at("usable_cpus"), 1);
}

TEST(command_doctor, finds_the_limits_and_the_cgroup_that_it_was_given) {
  const e2e::directory files;
  const auto done = e2e::run({"doctor", "--json"}, "", [&] {
    const rlimit few = {.rlim_cur = 333, .rlim_max = 444};
    ::setrlimit(RLIMIT_NOFILE, &few);
    ::setenv("MUSTER_CGROUP", files.in("").c_str(), 1);
  });
  ASSERT_EQ(done.results().size(), 1U) << done.output << done.errors;
  const json facts = done.results()[0].at("facts");
  EXPECT_EQ(facts.at("RLIMIT_NOFILE"), 333);
  EXPECT_EQ(facts.at("RLIMIT_NOFILE_note"), "hard limit 444");
  EXPECT_EQ(facts.at("MUSTER_CGROUP"), files.in(""));
  EXPECT_EQ(facts.at("MUSTER_CGROUP_note"), "writable");
  const json promises = done.results()[0].at("promises");
  for (const json& each : promises) {
    if (each.at("name") != "limits a worker's memory") continue;
    EXPECT_THAT(each.at("how").get<std::string>(), HasSubstr("has no memory controller")) << "and falls back";
  }
}

TEST(command_doctor, without_processes_to_be_had_says_which_promises_are_not_kept_and_why) {
  if (muster::base::is_sanitized) GTEST_SKIP() << "a sanitizer needs descriptors for its own checks";
  // Descriptors enough to begin with, and too few for a pool.
  const auto done = e2e::run({"doctor"}, "", [] {
    const rlimit few = {.rlim_cur = 12, .rlim_max = 12};
    ::setrlimit(RLIMIT_NOFILE, &few);
  });
  EXPECT_EQ(done.exit_code, 1) << done.output << done.errors;
  EXPECT_THAT(done.output, HasSubstr("NO  runs tasks in processes"));
  EXPECT_THAT(done.output, HasSubstr("Too many open files"));
  EXPECT_THAT(done.output, HasSubstr("NO  leaves no daemon behind\n        was not tried"));
  EXPECT_THAT(done.output, HasSubstr("What this machine offers"));
}

TEST(command_doctor, shows_people_a_table_and_its_help) {
  const auto done = e2e::run({"doctor"});
  EXPECT_THAT(done.output, HasSubstr("What muster does here\n"));
  EXPECT_THAT(done.output, HasSubstr("  yes runs tasks in processes\n"));
  EXPECT_THAT(done.output, HasSubstr("  kernel  "));
  const auto help = e2e::run({"doctor", "--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_THAT(help.output, HasSubstr("--json"));
  EXPECT_EQ(e2e::run({"doctor", "--verbose"}).exit_code, 2);
}

}  // namespace
