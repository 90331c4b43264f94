// SPDX-License-Identifier: MIT
#include "ipc/argument_memory.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <vector>

#include <muster/sizes.hpp>

namespace muster::ipc {
namespace {

using detail::worker_token;

std::shared_ptr<argument_memory> made(std::size_t most) { return std::make_shared<argument_memory>(most); }

block_ref lease(argument_memory& from, std::size_t size) {
  std::span<std::byte> room;
  auto block = from.lease(size, room);
  EXPECT_EQ(block != nullptr, room.size() >= size);
  return block;
}
block_ref lease_for(argument_memory& from, const worker_token& who, std::size_t size) {
  std::vector<std::uint64_t> forgotten;
  auto block = from.lease_for(who, size, forgotten);
  EXPECT_TRUE(forgotten.empty());
  return block;
}
std::shared_ptr<worker_token> worker(bool is_free) {
  auto made = std::make_shared<worker_token>();
  made->is_free = is_free;
  return made;
}

TEST(memory_for_arguments, gives_the_block_again_that_came_back_last) {
  const auto memory = made(16_MiB);
  auto first = lease(*memory, 1_MiB);
  const auto* const at = first->address;
  first.reset();
  EXPECT_EQ(lease(*memory, 1_MiB - 100)->address, at);
  EXPECT_EQ(lease(*memory, 600_KiB)->address, at) << "one that is up to twice as large will do";
  EXPECT_NE(lease(*memory, 400_KiB)->address, at);
}

TEST(memory_for_arguments, wastes_at_most_a_sixteenth) {
  const auto memory = made(1_GiB);
  for (const std::size_t size : {64_KiB + 1, 100'000UL, 1_MiB + 9, 64_MiB + 9}) {
    const auto block = lease(*memory, size);
    EXPECT_LE(block->size, size + size / 16 + 4_KiB) << size;
  }
}

TEST(memory_for_arguments, is_never_more_than_its_bytes_and_64_blocks) {
  const auto memory = made(1_MiB);
  std::vector<block_ref> held;
  while (auto block = lease(*memory, 200'000)) held.push_back(std::move(block));
  EXPECT_EQ(held.size(), 5U);
  EXPECT_LE(memory->bytes(), 1_MiB);
  EXPECT_EQ(lease(*memory, 2_MiB), nullptr);

  const auto many = made(1_GiB);
  held.clear();
  while (auto block = lease(*many, 70'000)) held.push_back(std::move(block));
  EXPECT_EQ(held.size(), argument_memory::most_blocks) << "each takes a descriptor";
  EXPECT_EQ(lease(*made(0), 70'000), nullptr);
}

TEST(memory_for_arguments, that_a_worker_has_seen_is_for_that_worker_as_long_as_it_lives) {
  const auto memory = made(16_MiB);
  auto busy = worker(false), other = worker(true);
  auto block = lease(*memory, 1_MiB);
  const auto* const at = block->address;
  block->seen_by = busy;
  block.reset();
  EXPECT_NE(lease(*memory, 1_MiB)->address, at) << "who knows whether it will get the call";
  EXPECT_NE(lease_for(*memory, *other, 1_MiB)->address, at);
  EXPECT_EQ(lease_for(*memory, *busy, 1_MiB)->address, at);
  busy->is_free = true;
  EXPECT_EQ(lease(*memory, 1_MiB)->address, at);
  busy.reset();
  EXPECT_NE(lease_for(*memory, *other, 1_MiB), nullptr);
}

TEST(memory_for_arguments, makes_room_for_another_size_by_what_nobody_living_has_seen) {
  const auto memory = made(1_MiB);
  for (int i = 0; i < 4; ++i) lease(*memory, (100_KiB + 1) << i);  // 100, 200, 400 KiB, which is near all
  EXPECT_NE(lease(*memory, 1_MiB - 64_KiB), nullptr);
  EXPECT_LE(memory->bytes(), 1_MiB);
}

TEST(memory_for_arguments, of_a_living_worker_is_given_up_only_where_that_one_is_told) {
  const auto memory = made(1_MiB);
  const auto seer = worker(true), other = worker(true);
  auto block = lease(*memory, 800_KiB);
  const std::uint64_t id = block->id;
  block->seen_by = seer;
  block.reset();
  EXPECT_EQ(lease(*memory, 300_KiB), nullptr);
  std::vector<std::uint64_t> forgotten;
  EXPECT_EQ(memory->lease_for(*other, 300_KiB, forgotten), nullptr);
  EXPECT_TRUE(forgotten.empty());
  EXPECT_NE(memory->lease_for(*seer, 300_KiB, forgotten), nullptr);
  EXPECT_EQ(forgotten, std::vector{id});
}

TEST(memory_for_arguments, can_be_read_by_who_has_its_file_and_not_written) {
  const auto memory = made(1_MiB);
  const auto block = lease(*memory, 100_KiB);
  const int file = block->file.get();
  EXPECT_EQ(::mmap(nullptr, block->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0), MAP_FAILED);
  EXPECT_EQ(errno, EPERM);
  void* const seen = ::mmap(nullptr, block->size, PROT_READ, MAP_SHARED, file, 0);
  ASSERT_NE(seen, MAP_FAILED);
  EXPECT_EQ(::mprotect(seen, block->size, PROT_READ | PROT_WRITE), -1);
  EXPECT_EQ(::ftruncate(file, 0), -1);
  const char byte = 'x';
  EXPECT_EQ(::pwrite(file, &byte, 1, 0), -1);
  block->address[17] = std::byte{42};
  EXPECT_EQ(static_cast<const std::byte*>(seen)[17], std::byte{42});
  ::munmap(seen, block->size);
}

TEST(memory_for_arguments, goes_when_its_pool_has_gone_and_the_last_task_with_it) {
  auto memory = made(16_MiB);
  auto held = lease(*memory, 1_MiB);
  lease(*memory, 2_MiB).reset();
  memory->close();
  EXPECT_EQ(memory->bytes(), held->size);
  EXPECT_EQ(lease(*memory, 1_MiB), nullptr);
  const std::weak_ptr<argument_memory> seen = memory;
  memory.reset();
  held->address[0] = std::byte{1};
  held.reset();
  EXPECT_TRUE(seen.expired());
}

}  // namespace
}  // namespace muster::ipc
