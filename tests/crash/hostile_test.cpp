// SPDX-License-Identifier: MIT
// Tasks that write garbage wherever their process can write what its owner reads. They may ruin themselves
// and what their worker had begun; the owner goes on, and so do the tasks of other workers.
#include <fcntl.h>
#include <sys/socket.h>

#include <cinttypes>
#include <cstring>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

// Writes random bytes over the memory that this worker shares with its owner: `most` of them, all over it; 0:
// all.
std::size_t scribble(std::uint64_t seed, std::size_t most) {
  std::mt19937_64 dice(seed);
  std::ifstream maps("/proc/self/maps");
  std::size_t written = 0;
  for (std::string line; std::getline(maps, line);) {
    if (line.find("muster-replies") == std::string::npos) continue;
    std::uintptr_t from = 0, to = 0;
    char access[5] = {};
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " %4s", &from, &to, access) != 3 ||
        access[1] != 'w')
      continue;
    auto* bytes = reinterpret_cast<volatile unsigned char*>(from);
    // The head of the region, where the words are, is hit as often as all the rest.
    const std::size_t size = to - from, head = std::min<std::size_t>(size, 40'000);
    for (std::size_t i = 0; i < (most == 0 ? size : most); ++i, ++written) {
      const std::size_t at = most == 0 ? i : dice() % (dice() % 2 == 0 ? head : size);
      bytes[at] = static_cast<unsigned char>(dice());
    }
  }
  return written;
}

// With so many copies of descriptor 2, which nobody asked for.
bool send_with_descriptors(int socket, std::string& text, std::size_t count) {
  const std::vector<int> descriptors(count, STDERR_FILENO);
  alignas(cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
  iovec part{.iov_base = text.data(), .iov_len = text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (count > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* const head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(count * sizeof(int));
    std::memcpy(CMSG_DATA(head), descriptors.data(), count * sizeof(int));
  }
  return ::sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
}

std::size_t send_garbage(std::uint64_t seed) {
  std::mt19937_64 dice(seed);
  std::size_t sent = 0;
  for (int descriptor = 3; descriptor < 64; ++descriptor) {
    struct stat about{};
    if (::fstat(descriptor, &about) != 0 || !S_ISSOCK(about.st_mode)) continue;
    for (int i = 0; i < 20; ++i) {
      std::string message(1 + dice() % 300, '\0');
      for (char& c : message) c = static_cast<char>(dice());
      if (send_with_descriptors(descriptor, message, static_cast<std::size_t>(i) % 5)) ++sent;
    }
  }
  return sent;
}

process_options for_strangers() {
  return {.workers = {2},
          .grace = 10ms,
          .restart = {.first = 1ms, .max = 10ms},
          .worker_stderr = worker_stderr::keep};
}

// What a hostile task may end as. Its own value counts too: it may forge that.
template <class T>
void expect_own_ruin_only(future<T>& f) {
  const auto how = code_of([&] {
    try {
      (void)f.get();
    } catch (const error&) {
      throw;
    } catch (const std::exception&) {  // a forged exception
    }
  });
  if (!how) return;
  EXPECT_TRUE(*how == error_code::protocol_violation || *how == error_code::unexpected_exit ||
              *how == error_code::task_timeout || *how == error_code::decode_error ||
              *how == error_code::invalid_call || *how == error_code::worker_error)
      << name(*how);
}

TEST(hostile_worker, that_scribbles_over_its_replies_harms_only_what_it_had_begun) {
  const std::uint64_t seed = seed_of_test();
  const int rounds = long_tests() ? 500 : 40;
  for (int round = 0; round < rounds; ++round) {
    process_pool pool(for_strangers());
    pool.start();
    const std::size_t most = round % 4 == 0 ? 0 : std::size_t{1} << (round % 14);
    scratch files;
    auto f = pool.submit(
        {.run_timeout = watchdog},
        [](std::uint64_t s, std::size_t m, std::string begun, std::string gate) {
          touch(begun);
          (void)appears(gate);
          return scribble(s, m);
        },
        seed + static_cast<std::uint64_t>(round), most, files("begun"), files("gate"));
    ASSERT_TRUE(appears(files("begun")));
    ASSERT_EQ(pool.submit(echo, round).get(), round);  // by the other worker
    touch(files("gate"));
    ASSERT_TRUE(f.wait_for(watchdog)) << "round " << round;
    expect_own_ruin_only(f);
    // A ruined worker may live on and may be given more: with a time limit everything settles.
    for (int i = 0; i < 4; ++i) {
      auto next = pool.submit({.run_timeout = 500ms}, echo, i);
      ASSERT_TRUE(next.wait_for(watchdog)) << "round " << round;
      expect_own_ruin_only(next);
    }
    pool.wait_idle();
    expect_sums(pool.stats());
  }
}

// Scribbles for ever, on a thread of its own, while its worker goes on to answer and its owner to read.
int scribble_for_ever(std::uint64_t seed) {
  std::thread([seed] {
    std::mt19937_64 dice(seed);
    for (std::uint64_t round = dice();; ++round) (void)scribble(round, 1 + dice() % 8);
  }).detach();
  return 7;
}

TEST(hostile_worker, that_scribbles_while_it_is_read_harms_nobody_else) {
  const std::uint64_t seed = seed_of_test();
  const char* wanted = std::getenv("MUSTER_SCRIBBLE_SECONDS");
  const auto how_long =
      std::chrono::seconds(wanted != nullptr ? std::atoi(wanted) : (long_tests() ? 1'800 : 3));
  const auto end = std::chrono::steady_clock::now() + how_long;
  {
    process_pool warm(1);  // what the library keeps for good is there from here on
    holdings::zygote = state_of(warm.submit(process_id).get()).parent;
  }
  const holdings before;
  std::uint64_t scribblers = 0, ruined = 0;
  {
    process_pool innocent(for_strangers());  // another pool of this owner
    process_pool pool(for_strangers());
    while (std::chrono::steady_clock::now() < end) {
      auto f = pool.submit({.run_timeout = 1s}, scribble_for_ever, seed + scribblers++);
      std::vector<future<std::string>> next;
      for (int i = 0; i < 20; ++i)
        next.push_back(pool.submit(
            {.run_timeout = 1s}, [](int n) { return std::string(static_cast<std::size_t>(n), 'x'); },
            i % 5 == 0 ? 100'000 : i));
      ASSERT_TRUE(f.wait_for(watchdog));
      expect_own_ruin_only(f);
      for (auto& each : next) {
        ASSERT_TRUE(each.wait_for(watchdog));
        expect_own_ruin_only(each);
      }
      ASSERT_EQ(innocent.submit(echo, 5).get(), 5);
    }
    pool.wait_idle();
    expect_sums(pool.stats());
    ruined = pool.stats().workers_died;
    EXPECT_FALSE(innocent.stats().workers_died);
  }
  EXPECT_GT(ruined, 0U);
  EXPECT_TRUE(eventually([&] { return holdings() == before; })) << before << " became " << holdings();
  std::printf("%llu scribblers, %llu workers ended for it\n", static_cast<unsigned long long>(scribblers),
              static_cast<unsigned long long>(ruined));
}

TEST(hostile_worker, that_overwrites_all_it_shares_is_killed_for_it) {
  process_pool pool(for_strangers());
  auto f = pool.submit(scribble, std::uint64_t{7}, std::size_t{0});
  f.wait();
  expect_own_ruin_only(f);  // its own reply may still have been a proper one
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2 && pool.stats().workers_died == 1; }));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
}

TEST(hostile_worker, that_sends_garbage_is_killed_for_it_and_nothing_it_sent_stays_open) {
  process_pool pool(for_strangers());
  pool.start();
  const std::size_t open_before = entries_in("/proc/self/fd");
  const std::uint64_t seed = seed_of_test();
  auto f = pool.submit(
      [](std::uint64_t s) {
        const auto sent = send_garbage(s);
        for (;;) ::pause();
        return sent;
      },
      seed);
  try {
    (void)f.get();
    FAIL();
  } catch (const protocol_violation& e) {
    EXPECT_EQ(e.death().cause, death_cause::protocol_violation);
    EXPECT_FALSE(e.death().detail.empty());
  }
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
  EXPECT_TRUE(eventually([&] { return entries_in("/proc/self/fd") == open_before; }));
}

TEST(hostile_worker, that_closes_every_descriptor_ends_alone) {
  process_pool pool(for_strangers());
  auto f = pool.submit({.run_timeout = 2s}, [] {
    for (int descriptor = 0; descriptor < 64; ++descriptor) ::close(descriptor);
    return 1;
  });
  ASSERT_TRUE(f.wait_for(watchdog));
  expect_own_ruin_only(f);
  for (int i = 0; i < 20; ++i) {
    auto next = pool.submit({.run_timeout = 2s}, echo, i);
    ASSERT_TRUE(next.wait_for(watchdog));
    (void)code_of([&] { (void)next.get(); });
  }
  pool.wait_idle();
}

}  // namespace
}  // namespace muster::test
