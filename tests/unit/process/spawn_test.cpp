// SPDX-License-Identifier: MIT
#include "process/spawn.hpp"

#include <gtest/gtest.h>

#include <random>

namespace muster::process {
namespace {

ipc::worker_birth full_birth() {
  ipc::worker_birth birth;
  birth.slot = 7;
  birth.generation = 1ULL << 40;
  birth.pool = "photos";
  birth.contained = false;
  birth.environment = {.pass_all = false, .pass = {"PATH", "LC_*"}, .set = {{"A", "1"}, {"B", ""}}};
  birth.directory = "/tmp";
  birth.arguments = {"--fast", "", "x y"};
  birth.limits = {.address_space_bytes = 1ULL << 33,
                  .data_bytes = std::nullopt,
                  .open_files = 64,
                  .file_bytes = 1ULL << 34,
                  .processes = 65,
                  .cpu_seconds = 66,
                  .core_dumps = true};
  birth.nice = -3;
  birth.cpu = 1;
  birth.cgroup_procs = "/sys/fs/cgroup/x/cgroup.procs";
  birth.init_call = {std::byte{0}, std::byte{255}};
  birth.faults = {
      {.at = fault_step::rung, .action = fault_action::delay, .number = 3, .pause = 5ms, .nth = 9}};
  return birth;
}

TEST(spawn, a_birth_comes_back_as_it_was) {
  const auto bytes = encode(full_birth());
  ASSERT_TRUE(bytes);
  const auto decoded = decode_order(*bytes);
  ASSERT_TRUE(decoded);
  const ipc::worker_birth& birth = std::get<spawn_order>(*decoded).birth;
  EXPECT_EQ(birth.slot, 7U);
  EXPECT_EQ(birth.generation, 1ULL << 40);
  EXPECT_EQ(birth.pool, "photos");
  EXPECT_FALSE(birth.contained);
  EXPECT_EQ(birth.environment.pass, (std::vector<std::string>{"PATH", "LC_*"}));
  EXPECT_EQ(birth.environment.set, (std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", ""}}));
  EXPECT_EQ(birth.directory, "/tmp");
  EXPECT_EQ(birth.arguments, (std::vector<std::string>{"--fast", "", "x y"}));
  EXPECT_EQ(birth.limits.address_space_bytes, 1ULL << 33);
  EXPECT_EQ(birth.limits.data_bytes, std::nullopt);
  EXPECT_EQ(birth.limits.open_files, 64U);
  EXPECT_EQ(birth.limits.file_bytes, 1ULL << 34);
  EXPECT_EQ(birth.limits.processes, 65U);
  EXPECT_EQ(birth.limits.cpu_seconds, 66U);
  EXPECT_TRUE(birth.limits.core_dumps);
  EXPECT_EQ(birth.nice, -3);
  EXPECT_EQ(birth.cpu, 1);
  EXPECT_EQ(birth.cgroup_procs, "/sys/fs/cgroup/x/cgroup.procs");
  EXPECT_EQ(birth.init_call, (std::vector{std::byte{0}, std::byte{255}}));
  ASSERT_EQ(birth.faults.size(), 1U);
  EXPECT_EQ(birth.faults[0].at, fault_step::rung);
  EXPECT_EQ(birth.faults[0].action, fault_action::delay);
  EXPECT_EQ(birth.faults[0].number, 3);
  EXPECT_EQ(birth.faults[0].pause, 5ms);
  EXPECT_EQ(birth.faults[0].nth, 9U);
}

TEST(spawn, a_message_cut_anywhere_or_with_something_behind_is_an_error) {
  auto bytes = *encode(full_birth());
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(decode_order(std::span(bytes).first(size))) << size;
  bytes.push_back(std::byte{0});
  EXPECT_FALSE(decode_order(bytes));
}

TEST(spawn, no_bytes_make_the_decoder_read_outside_or_allocate_without_bound) {
  const auto seed = std::random_device()();
  RecordProperty("seed", std::to_string(seed));
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const auto good = *encode(full_birth());
  for (int round = 0; round < 20'000; ++round) {
    auto bytes = good;
    for (int change = 0; change < 4; ++change)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random() % 2 == 0 ? 255 : random());
    if (const auto decoded = decode_order(bytes)) {
      EXPECT_LT(decoded->index(), std::variant_size_v<order>);
    }
    static_cast<void>(decode_answer(bytes, {}));
  }
}

TEST(spawn, a_birth_that_is_too_large_is_an_error_that_says_how_large_it_may_be) {
  auto birth = full_birth();
  birth.init_call.resize(largest_request);
  const auto bytes = encode(birth);
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, EMSGSIZE);
  EXPECT_NE(bytes.error().text().find(std::to_string(largest_request)), std::string::npos)
      << bytes.error().text();
}

TEST(spawn, a_start_without_a_pidfd_is_no_start) {
  EXPECT_FALSE(decode_answer(encode(started{1, 2, 3, {}}), {}));
}

}  // namespace
}  // namespace muster::process
