// SPDX-License-Identifier: MIT
// How `muster doctor` judges what its trials found, and how it shows it.
#include <gmock/gmock.h>

#include "cli/doctor.hpp"

namespace muster::cli {
namespace {

using ::testing::HasSubstr;

TEST(doctor_report, a_memory_limit_is_kept_by_whatever_means_once_it_was_met) {
  const promise by_kernel = judge_memory_limit("cgroup v2 below /x", true);
  EXPECT_TRUE(by_kernel.kept);
  EXPECT_EQ(by_kernel.how, "the kernel ends the worker at the limit: cgroup v2 below /x");
  const promise by_itself = judge_memory_limit("RLIMIT_DATA (no cgroup)", true);
  EXPECT_TRUE(by_itself.kept);
  EXPECT_EQ(by_itself.how, "allocations fail at the limit: RLIMIT_DATA (no cgroup)");
  EXPECT_FALSE(judge_memory_limit("cgroup v1 below /x", false).kept) << "the task had what it wanted";
  const promise none = judge_memory_limit("no memory limit: a sanitizer", false);
  EXPECT_FALSE(none.kept);
  EXPECT_EQ(none.how, "no memory limit: a sanitizer");
}

TEST(doctor_report, an_explanation_is_as_good_as_its_innermost_frame) {
  death how;
  how.backtrace_missing = "a sanitizer is here";
  EXPECT_FALSE(judge_explanation(how).kept);
  EXPECT_EQ(judge_explanation(how).how, "a sanitizer is here");
  how.backtrace = {{.address = 1, .module = "/lib/libc.so.6", .function = "raise"}};
  EXPECT_FALSE(judge_explanation(how).kept) << "no frame is the program's own";
  how.backtrace.push_back({.address = 2, .module = "/bin/muster"});
  EXPECT_TRUE(judge_explanation(how).kept);
  EXPECT_THAT(judge_explanation(how).how, HasSubstr("addresses"));
  how.backtrace[1].function = "crash()";
  EXPECT_THAT(judge_explanation(how).how, HasSubstr("by functions; lines need"));
  how.backtrace[1].source = "trials.cpp:1";
  EXPECT_EQ(judge_explanation(how).how, "by functions and lines");
}

diagnosis an_example() {
  return {.facts = {{.name = "pidfd", .value = true},
                    {.name = "user_namespaces", .value = false, .note = "not permitted"},
                    {.name = "landlock_abi", .value = nullptr},
                    {.name = "usable_cpus", .value = 2},
                    {.name = "kernel", .value = "6.1"}},
          .promises = {{.name = "runs", .kept = true, .how = "by forks"},
                       {.name = "sees", .kept = false, .how = "it is dark"}}};
}

TEST(doctor_report, the_text_has_a_line_for_each_fact_and_two_for_each_promise) {
  EXPECT_EQ(as_text(an_example()),
            "What muster does here\n"
            "  yes runs\n"
            "        by forks\n"
            "  NO  sees\n"
            "        it is dark\n"
            "\n"
            "What this machine offers\n"
            "  pidfd                 yes\n"
            "  user_namespaces       no (not permitted)\n"
            "  landlock_abi          none\n"
            "  usable_cpus           2\n"
            "  kernel                6.1\n");
}

TEST(doctor_report, the_object_has_facts_by_name_and_says_whether_all_is_kept) {
  const nlohmann::json shown = as_json(an_example());
  EXPECT_EQ(shown.at("all_kept"), false);
  EXPECT_EQ(shown.at("facts").at("pidfd"), true);
  EXPECT_EQ(shown.at("facts").at("landlock_abi"), nullptr);
  EXPECT_EQ(shown.at("facts").at("user_namespaces_note"), "not permitted");
  EXPECT_EQ(shown.at("promises").at(1).at("how"), "it is dark");
  diagnosis well = an_example();
  well.promises.pop_back();
  EXPECT_TRUE(well.all_kept());
  EXPECT_EQ(as_json(well).at("all_kept"), true);
}

}  // namespace
}  // namespace muster::cli
