// SPDX-License-Identifier: MIT
// Pools are good guests: programs with habits of their own, that a library could upset or be upset by.
#include <sys/wait.h>

#include <fstream>
#include <sstream>
#include <string>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

class a_host_that : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(program, a_host_that,
                         testing::Values("waits_for_any_child", "ignores_children", "blocks_all_signals",
                                         "has_two_pools", "forks", "has_few_descriptors",
                                         "has_many_descriptors", "unloads_plugins", "has_no_standard_files"),
                         [](const auto& of) { return std::string(of.param); });

TEST_P(a_host_that, has_well_pools_and_is_left_as_it_was) {
  if (base::threads_are_sanitized && GetParam() == std::string("forks"))
    GTEST_SKIP() << "the thread sanitizer ends a fork of a program with threads that starts one";
  const scratch files;
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("HOST_COMPLAINTS", files("complaints").c_str(), 1);
    ::execl(MUSTER_CHILDREN_DIR "/host", "host", GetParam(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  std::stringstream complaints;
  complaints << std::ifstream(files("complaints")).rdbuf();
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "status " << status << "\n"
                                                             << complaints.str();
}

}  // namespace
}  // namespace muster::test
