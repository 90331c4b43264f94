// SPDX-License-Identifier: MIT
#include "process/memory_limit.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "children/zygote_kit.hpp"

namespace muster::process {
namespace {

using namespace muster::test;
namespace fs = std::filesystem;

constexpr std::uint64_t mebibyte = 1 << 20;

// A made-up cgroup tree: ordinary files, so that where to look can be tested on any machine.
class made_up_tree {
public:
  made_up_tree() : root_(fs::temp_directory_path() / ("muster-cgroups-" + std::to_string(::getpid()))) {
    fs::create_directories(root_ / "v2/user/pool.scope");
    fs::create_directories(root_ / "v1/with blank/box");
    write("mountinfo",
          "31 23 0:28 / /proc rw - proc proc rw\n"
          "35 31 0:32 / " +
              escaped(root_ / "v1") +
              " rw,relatime - cgroup cgroup rw,cpu,memory\n"
              "41 31 0:38 / " +
              escaped(root_ / "v2") + " rw,relatime shared:9 - cgroup2 cgroup2 rw\n");
    view.own_cgroups = root_ / "cgroup";
    view.mounts = root_ / "mountinfo";
    view.user = ordinary_user();
  }
  ~made_up_tree() { fs::remove_all(root_); }
  made_up_tree(const made_up_tree&) = delete;
  made_up_tree& operator=(const made_up_tree&) = delete;

  void write(const std::string& name, const std::string& text) const { std::ofstream(root_ / name) << text; }
  // The directory is the ordinary user's.
  void delegate(const std::string& name) const {
    if (::geteuid() != 0) return;
    ASSERT_EQ(::chown((root_ / name).c_str(), ordinary_user(), ordinary_user()), 0);
  }
  std::string path(const std::string& name) const { return root_ / name; }

  cgroup_view view;

private:
  // Tests may run as root, to whom nothing is delegated by ownership.
  static uid_t ordinary_user() { return ::geteuid() == 0 ? 65534 : ::geteuid(); }
  static std::string escaped(std::string path) {
    for (std::size_t at; (at = path.find(' ')) != std::string::npos;) path.replace(at, 1, "\\040");
    return path;
  }

  fs::path root_;
};

TEST(memory_limit, a_delegated_directory_above_our_own_that_gives_memory_is_the_place) {
  const made_up_tree tree;
  tree.write("cgroup", "4:memory:/elsewhere\n0::/user/pool.scope\n");
  tree.write("v2/user/cgroup.subtree_control", "cpu memory pids\n");
  tree.delegate("v2/user");
  const auto place = find_cgroup_place(tree.view);
  EXPECT_EQ(place.means, memory_means::cgroup_v2) << place.text;
  EXPECT_EQ(place.directory, tree.path("v2/user"));
}

TEST(memory_limit, without_memory_in_version_2_a_delegated_version_1_directory_is_the_place) {
  const made_up_tree tree;
  tree.write("cgroup", "4:cpu,memory:/with blank/box\n0::/user/pool.scope\n");
  tree.write("v2/user/cgroup.subtree_control", "hugetlb\n");
  tree.delegate("v2/user");
  tree.write("v1/with blank/box/memory.limit_in_bytes", "");
  tree.delegate("v1/with blank/box");
  const auto place = find_cgroup_place(tree.view);
  EXPECT_EQ(place.means, memory_means::cgroup_v1) << place.text;
  EXPECT_EQ(place.directory, tree.path("v1/with blank/box"));
}

TEST(memory_limit, a_cgroup_that_nobody_gave_us_is_left_alone_even_if_it_can_be_written) {
  const made_up_tree tree;
  tree.write("cgroup", "4:memory:/with blank/box\n");
  tree.write("v1/with blank/box/memory.limit_in_bytes", "");
  auto view = tree.view;
  view.user = 0;  // root may write everywhere, which says nothing about whose it is
  EXPECT_EQ(find_cgroup_place(view).means, memory_means::none);
  view.named = tree.path("v1/with blank/box");  // now somebody has
  EXPECT_EQ(find_cgroup_place(view).means, memory_means::cgroup_v1);
  view.named = tree.path("v1/with blank");
  EXPECT_EQ(find_cgroup_place(view).means, memory_means::none);
}

TEST(memory_limit, a_place_that_refuses_falls_back_and_says_why) {
  const made_up_tree tree;
  const cgroup_place place{memory_means::cgroup_v1, tree.path("v1"),
                           "made up"};  // cannot take a limit: no such file
  auto limit = memory_limit::prepare(64 * mebibyte, "pool", 0, 1, place);
  EXPECT_NE(limit.means(), memory_means::cgroup_v1);
  EXPECT_NE(limit.text().find(tree.path("v1")), std::string::npos) << limit.text();
  EXPECT_FALSE(limit.was_oom_killed());
  EXPECT_EQ(limit.peak_bytes(), std::nullopt);
  // And no directory stays behind.
  for (const auto& entry : fs::directory_iterator(tree.path("v1")))
    EXPECT_FALSE(entry.path().filename().string().starts_with("muster-")) << entry.path();
}

TEST(memory_limit, what_dead_owners_left_is_removed_and_nothing_else) {
  const made_up_tree tree;
  const auto self = base::status_of(::getpid());
  const std::string mine =
      "muster-" + std::to_string(::getpid()) + "-" + std::to_string(self->start) + "-p-0-1";
  const std::string reused =
      "muster-" + std::to_string(::getpid()) + "-" + std::to_string(self->start + 1) + "-p-0-1";
  for (const std::string& name : {mine, reused, std::string("other"), std::string("muster-notes")})
    fs::create_directory(tree.path("v1/" + name));
  EXPECT_EQ(remove_leftover_cgroups({memory_means::cgroup_v1, tree.path("v1"), ""}), 1U);
  EXPECT_TRUE(fs::exists(tree.path("v1/" + mine)));
  EXPECT_FALSE(fs::exists(tree.path("v1/" + reused)));
  EXPECT_TRUE(fs::exists(tree.path("v1/other")));
  EXPECT_TRUE(fs::exists(tree.path("v1/muster-notes")));
}

// A worker of the zygote_user program under the limit.
struct limited_worker {
  zygote_link link;
  memory_limit limit;
  ordered_worker worker;
};

limited_worker start_limited(std::uint64_t bytes, const cgroup_place& place) {
  auto link = zygote_link::open(std::string(MUSTER_CHILDREN_DIR) + "/zygote_user");
  if (!link) throw std::runtime_error(link.error().text());
  auto limit = memory_limit::prepare(bytes, "test", 0, 1, place);
  auto birth = birth_of(0);
  limit.apply_to(birth);
  auto worker = order_worker(*link, birth);
  next<started>(*link);
  return {std::move(*link), std::move(limit), std::move(worker)};
}

TEST(memory_limit, without_a_cgroup_allocation_fails_at_the_limit) {
  const cgroup_place nowhere{.means = memory_means::none, .directory = {}, .text = "as the test wants it"};
  auto limited = start_limited(64 * mebibyte, nowhere);
  if (limited.limit.means() == memory_means::none) GTEST_SKIP() << limited.limit.text();
  ASSERT_EQ(limited.limit.means(), memory_means::rlimit);
  EXPECT_EQ(limited.worker.ask("allocate " + std::to_string(16 * mebibyte)), "done");
  EXPECT_EQ(limited.worker.ask("allocate " + std::to_string(128 * mebibyte)), "refused");
  EXPECT_NE(limited.limit.text().find("RLIMIT_DATA (as the test wants it)"), std::string::npos);
}

TEST(memory_limit, a_program_larger_than_its_limit_is_told_so) {
  const cgroup_place nowhere{.means = memory_means::none, .directory = {}, .text = ""};
  const auto limit = memory_limit::prepare(4096, "test", 0, 1, nowhere);
  if (limit.means() == memory_means::none) GTEST_SKIP() << limit.text();
  auto link = zygote_link::open(std::string(MUSTER_CHILDREN_DIR) + "/zygote_user");
  ASSERT_TRUE(link);
  auto birth = birth_of(0);
  limit.apply_to(birth);
  static_cast<void>(order_worker(*link, birth));
  const auto failed = next<start_failed>(*link);
  EXPECT_EQ(failed.reason.step, "limit the memory");
}

TEST(memory_limit, in_a_cgroup_the_kernel_kills_at_the_limit_and_we_know_it_was_that) {
  const cgroup_place& place = found_cgroup_place();
  if (place.means == memory_means::none) GTEST_SKIP() << place.text << "; name one with MUSTER_CGROUP";
  auto limited = start_limited(64 * mebibyte, place);
  ASSERT_EQ(limited.limit.means(), place.means) << limited.limit.text();
  EXPECT_EQ(limited.worker.ask("allocate " + std::to_string(16 * mebibyte)), "done");
  EXPECT_FALSE(limited.limit.was_oom_killed());
  EXPECT_EQ(limited.worker.ask("allocate " + std::to_string(256 * mebibyte)), "");
  EXPECT_EQ(WTERMSIG(next<ended>(limited.link).wait_status), SIGKILL);
  EXPECT_TRUE(limited.limit.was_oom_killed());
  EXPECT_GE(limited.limit.peak_bytes().value_or(64 * mebibyte), 60 * mebibyte);  // older kernels keep no peak
  EXPECT_TRUE(limited.limit.remove());
}

}  // namespace
}  // namespace muster::process
