// SPDX-License-Identifier: MIT
#include "pool/usable_cpus.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace muster::pool {
namespace {

namespace fs = std::filesystem;

// A made-up cgroup tree: ordinary files.
class made_up_tree {
public:
  made_up_tree() : root_(fs::temp_directory_path() / ("muster-cpus-" + std::to_string(::getpid()))) {
    write("mountinfo", "35 31 0:32 / " + (root_ / "v1").string() + " rw - cgroup cgroup rw,cpu,cpuacct\n" +
                           "41 31 0:38 /outer " + (root_ / "v2").string() + " rw - cgroup2 cgroup2 rw\n");
    view.own_cgroups = root_ / "cgroup";
    view.mounts = root_ / "mountinfo";
  }
  ~made_up_tree() { fs::remove_all(root_); }
  made_up_tree(const made_up_tree&) = delete;
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((root_ / name).parent_path());
    std::ofstream(root_ / name) << text;
  }
  cpu_view view;

private:
  fs::path root_;
};

TEST(usable_cpus, are_limited_by_the_quota_of_our_own_group) {
  const made_up_tree tree;
  tree.write("cgroup", "0::/outer/service/box\n");
  tree.write("v2/service/box/cpu.max", "150000 100000\n");
  EXPECT_EQ(cpu_quota(tree.view), 1.5);
}

TEST(usable_cpus, are_limited_by_the_strictest_group_above_us) {
  const made_up_tree tree;
  tree.write("cgroup", "4:cpuacct,cpu:/a/b\n0::/outer/service/box\n");
  tree.write("v2/service/box/cpu.max", "400000 100000\n");
  tree.write("v2/service/cpu.max", "300000 100000\n");
  tree.write("v2/cpu.max", "max 100000\n");
  EXPECT_EQ(cpu_quota(tree.view), 3);
  tree.write("v1/a/b/cpu.cfs_quota_us", "-1\n");
  tree.write("v1/a/b/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(tree.view), 3);
  tree.write("v1/cpu.cfs_quota_us", "50000\n");
  tree.write("v1/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cpu_quota(tree.view), 0.5);
}

TEST(usable_cpus, are_not_limited_where_nothing_says_so) {
  const made_up_tree tree;
  EXPECT_EQ(cpu_quota(tree.view), std::nullopt);
  tree.write("cgroup", "0::/outer/service\n");
  tree.write("v2/service/cpu.max", "max 100000\n");
  tree.write("v2/other/cpu.max", "100000 100000\n");
  EXPECT_EQ(cpu_quota(tree.view), std::nullopt);
  EXPECT_GE(usable_cpus(), 1);
}

}  // namespace
}  // namespace muster::pool
