// SPDX-License-Identifier: MIT
#include "ipc/region.hpp"
#include "ipc/board.hpp"
#include "ipc/memfd.hpp"
#include "ipc/parcel.hpp"
#include "rings.hpp"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace muster::ipc::test {
namespace {

using namespace std::chrono_literals;

TEST(region, what_one_mapping_writes_the_other_reads) {
  auto made = region::create("test", sizeof(board), access::read_only);
  ASSERT_TRUE(made) << made.error().call;
  auto& ours = made->view<board>();
  const auto seen = region::map(made->descriptor(), sizeof(board), access::read_only);
  ASSERT_TRUE(seen) << seen.error().call;
  EXPECT_NE(seen->address(), made->address());
  ours.loop_asleep.store(41);
  EXPECT_EQ(seen->view<const board>().loop_asleep.load(), 41u);
  EXPECT_EQ(seen->descriptor(), -1);
}

TEST(region, nobody_can_write_a_read_only_region_who_has_its_descriptor) {
  auto made = region::create("test", 8192, access::read_only);
  ASSERT_TRUE(made);
  const auto refused = region::map(made->descriptor(), 8192, access::read_write);
  ASSERT_FALSE(refused);
  EXPECT_STREQ(refused.error().call, "mmap");
  EXPECT_EQ(refused.error().code, std::errc::operation_not_permitted);
  const auto seen = region::map(made->descriptor(), 8192, access::read_only);
  ASSERT_TRUE(seen);
  EXPECT_NE(::mprotect(seen->address(), 8192, PROT_READ | PROT_WRITE), 0);
  EXPECT_LT(::pwrite(made->descriptor(), "x", 1, 0), 0);
  *static_cast<char*>(made->address()) = 'y';  // the creator still can
  EXPECT_EQ(*static_cast<const char*>(seen->address()), 'y');
}

TEST(region, nobody_can_change_its_size_or_its_seals) {
  for (const access others : {access::read_only, access::read_write}) {
    const auto made = region::create("test", 8192, others);
    ASSERT_TRUE(made);
    EXPECT_NE(::ftruncate(made->descriptor(), 4096), 0);
    EXPECT_NE(::ftruncate(made->descriptor(), 16384), 0);
    EXPECT_NE(::fcntl(made->descriptor(), F_ADD_SEALS, F_SEAL_WRITE), 0);
    EXPECT_EQ(region::map(made->descriptor(), 8192, others).has_value(), true);
  }
}

TEST(region, only_a_sealed_memory_file_of_the_right_size_is_mapped) {
  const auto made = region::create("test", 8192, access::read_write);
  ASSERT_TRUE(made);
  const auto small = region::map(made->descriptor(), 8193, access::read_only);
  ASSERT_FALSE(small);
  EXPECT_STREQ(small.error().call, "check of size");
  auto plain = make_memfd("plain");
  ASSERT_TRUE(plain);
  ASSERT_EQ(::ftruncate(plain->get(), 8192), 0);
  const auto unsealed = region::map(plain->get(), 8192, access::read_only);
  ASSERT_FALSE(unsealed);
  EXPECT_STREQ(unsealed.error().call, "check of seals");
  const auto none = region::map(-1, 8192, access::read_only);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, std::errc::bad_file_descriptor);
}

TEST(region, it_moves_and_unmaps_once) {
  auto made = region::create("test", 4096, access::read_write);
  ASSERT_TRUE(made);
  region moved = std::move(*made);
  *static_cast<char*>(moved.address()) = 'a';
  auto other = region::create("test", 4096, access::read_write);
  ASSERT_TRUE(other);
  moved = std::move(*other);
  EXPECT_EQ(*static_cast<char*>(moved.address()), 0);
  EXPECT_EQ(other->address(), nullptr);
}

TEST(futex, one_can_sleep_on_a_read_only_mapping_and_be_woken_through_another) {
  auto made = region::create("test", sizeof(request_region), access::read_only);
  ASSERT_TRUE(made);
  auto& ours = made->view<request_region>();
  const auto seen = region::map(made->descriptor(), sizeof(request_region), access::read_only);
  ASSERT_TRUE(seen);
  const auto& theirs = seen->view<const request_region>();
  EXPECT_FALSE(base::futex_wait(theirs.cancel_bell, 0, 1ms));  // its limit passes
  EXPECT_TRUE(base::futex_wait(theirs.cancel_bell, 7));        // the word has changed already
  std::thread sleeper([&] {
    while (theirs.cancel_bell.load() == 0) base::futex_wait(theirs.cancel_bell, 0);
  });
  // A wake that finds the sleeper proves that both mappings name the same word.
  while (base::futex_wake(ours.cancel_bell) == 0) std::this_thread::yield();
  ours.cancel_bell.store(1);
  base::futex_wake(ours.cancel_bell);
  sleeper.join();
}

TEST(futex, one_can_sleep_on_two_words_and_be_woken_by_either) {
  if (!base::can_wait_on_two()) GTEST_SKIP() << "this kernel has no call for it";
  std::atomic<std::uint32_t> one{0}, other{0};
  EXPECT_FALSE(base::futex_wait_on_two(one, 0, other, 0, std::chrono::steady_clock::now() + 1ms));
  EXPECT_FALSE(base::futex_wait_on_two(one, 0, other, 0, std::chrono::steady_clock::now() - 1h));
  EXPECT_TRUE(base::futex_wait_on_two(one, 1, other, 0));  // one has changed already
  EXPECT_TRUE(base::futex_wait_on_two(one, 0, other, 1));
  std::thread sleeper([&] {
    while (one.load() == 0 || other.load() == 0)
      base::futex_wait_on_two(one, one.load(), other, other.load());
  });
  while (base::futex_wake(one) == 0) std::this_thread::yield();  // it was found asleep
  one.store(1);
  base::futex_wake(one);
  while (base::futex_wake(one) == 0) std::this_thread::yield();
  other.store(1);
  base::futex_wake_here(other);
  sleeper.join();
}

TEST(futex, threads_of_one_process_sleep_and_wake_for_less) {
  using std::chrono::steady_clock;
  std::atomic<std::uint32_t> word{0};
  EXPECT_FALSE(base::futex_wait_here(word, 0, steady_clock::now() + 1ms));
  EXPECT_FALSE(base::futex_wait_here(word, 0, steady_clock::now() - 1h));
  EXPECT_TRUE(base::futex_wait_here(word, 1, steady_clock::now() + 1h));  // it has changed already
  std::atomic<bool> is_up{false};
  std::thread sleeper([&] {
    is_up = true;
    while (word.load() == 0) base::futex_wait_here(word, 0);
  });
  while (!is_up) std::this_thread::yield();
  word.store(1);
  base::futex_wake_here(word);
  sleeper.join();
}

TEST(parcel, it_arrives_as_it_was_sent) {
  for (const std::size_t size : {0u, 1u, 4096u, 3'000'001u}) {
    const auto payload = some_bytes(size, size);
    const auto file = write_parcel(payload);
    ASSERT_TRUE(file) << file.error().call;
    const auto got = read_parcel(file->get(), std::uint64_t{size});
    ASSERT_TRUE(got) << got.error().call;
    EXPECT_TRUE(*got == payload);
    EXPECT_LT(::pwrite(file->get(), "x", 1, 0), 0);
    EXPECT_NE(::ftruncate(file->get(), static_cast<off_t>(size) + 1), 0);
  }
}

TEST(parcel, anything_but_a_sealed_file_of_the_named_size_is_refused) {
  const auto file = write_parcel(some_bytes(100, 1));
  ASSERT_TRUE(file);
  EXPECT_EQ(read_parcel(file->get(), 99).error().code, std::errc::invalid_argument);
  EXPECT_EQ(read_parcel(file->get(), 101).error().code, std::errc::invalid_argument);
  EXPECT_EQ(read_parcel(file->get(), payload_limit + 1).error().code, std::errc::file_too_large);
  EXPECT_EQ(read_parcel(-1, 10).error().code, std::errc::bad_file_descriptor);
  auto plain = make_memfd("plain");
  ASSERT_TRUE(plain);
  ASSERT_EQ(::ftruncate(plain->get(), 100), 0);
  EXPECT_EQ(read_parcel(plain->get(), 100).error().code, std::errc::invalid_argument);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const base::file_descriptor reading(ends[0]);
  const base::file_descriptor writing(ends[1]);
  EXPECT_FALSE(read_parcel(reading.get(), 10));  // and it does not wait for somebody to write
  const base::file_descriptor zeros(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(read_parcel(zeros.get(), 10));
}

// The worker of the test below; it never returns. Exit code 0: everything it received was right.
[[noreturn]] void serve(int request_file, int reply_file) {
  ::alarm(120);  // whatever goes wrong, it does not stay
  const auto requests = region::map(request_file, sizeof(request_region), access::read_only);
  const auto replies = region::map(reply_file, sizeof(reply_region), access::read_write);
  if (!requests || !replies) ::_exit(2);
  request_receiver in(requests->view<const request_region>(), replies->view<reply_region>());
  reply_sender out(requests->view<const request_region>(), replies->view<reply_region>());
  for (;;) {
    while (const auto call = in.next()) {
      const auto payload = copy_of(in.payload(*call));
      if (payload != some_bytes(call->size, call->header.task)) ::_exit(3);
      if (!out.prepare(call->position, 0, payload)) ::_exit(4);
      out.publish();
    }
    if (in.stopping()) ::_exit(0);
    in.sleep();
  }
}

TEST(region, calls_cross_into_another_process_and_come_back) {
  auto request_memory = region::create("requests", sizeof(request_region), access::read_only);
  auto reply_memory = region::create("replies", sizeof(reply_region), access::read_write);
  ASSERT_TRUE(request_memory && reply_memory);
  auto& requests = request_memory->view<request_region>();
  auto& replies = reply_memory->view<reply_region>();
  const pid_t worker = ::fork();
  ASSERT_GE(worker, 0);
  if (worker == 0) serve(request_memory->descriptor(), reply_memory->descriptor());

  request_sender out(requests, replies);
  reply_receiver in(requests, replies, {.max_status = 0});
  constexpr std::uint64_t calls = 20'000;
  const auto watchdog = std::chrono::steady_clock::now() + 60s;
  std::uint64_t answered = 0;
  while (answered < calls && std::chrono::steady_clock::now() < watchdog) {
    while (out.next() < calls) {
      const std::uint64_t p = out.next();
      if (out.in_flight() >= 1 + p % 50) break;
      const auto made = out.prepare({.task = p}, some_bytes(p % 1000, p));
      if (!made) break;
      ASSERT_NE(made->payload, carrier::parcel);
      out.hand_over(p);
    }
    if (out.ring()) out.wake();
    std::vector<std::byte> got;
    const auto taken = in.take([&](const reply& r) -> std::optional<std::span<std::byte>> {
      if (!out.awaits_reply(r.position)) return std::nullopt;
      got.resize(r.size);
      return std::span(got);
    });
    ASSERT_FALSE(std::holds_alternative<violation>(taken)) << std::get<violation>(taken).what;
    if (const auto* r = std::get_if<reply>(&taken)) {
      EXPECT_TRUE(got == some_bytes(r->position % 1000, r->position));
      EXPECT_TRUE(out.finished(r->position));
      ++answered;
    } else {
      std::this_thread::yield();
    }
  }
  EXPECT_EQ(answered, calls);
  out.stop();
  int status = 0;
  ASSERT_EQ(::waitpid(worker, &status, 0), worker);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace muster::ipc::test
