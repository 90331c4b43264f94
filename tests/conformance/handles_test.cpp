// SPDX-License-Identifier: MIT
// Descriptors as arguments and results. One text for both kinds of pool.
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {

// A struct of a user's, with all the places in which a descriptor can be.
struct bundle {
  bundle() = default;
  bundle(bundle&&) = default;
  bundle& operator=(bundle&&) = default;
  unique_fd one;
  std::vector<unique_fd> many;
  std::optional<unique_fd> maybe;
  std::map<std::string, unique_fd> named;
};

}  // namespace muster::test

template <>
struct muster::fields<muster::test::bundle> {
  using b = muster::test::bundle;
  static constexpr auto list = std::make_tuple(field("one", &b::one), field("many", &b::many),
                                               field("maybe", &b::maybe), field("named", &b::named));
};

namespace muster::test {
namespace {

struct pipe_ends {
  pipe_ends() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) std::abort();
    reads.reset(ends[0]);
    writes.reset(ends[1]);
  }
  unique_fd reads, writes;
};

bool put(const unique_fd& to, const std::string& text) {
  return ::write(to.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// All until the end, for which somebody has to close every copy of the other end.
std::string read_all(unique_fd from) {
  std::string all;
  for (;;) {
    pollfd ready{.fd = from.get(), .events = POLLIN, .revents = 0};
    if (::poll(&ready, 1, static_cast<int>(std::chrono::milliseconds(watchdog).count())) != 1)
      return all + " and no end";
    std::array<char, 256> part;
    const ssize_t got = ::read(from.get(), part.data(), part.size());
    if (got <= 0) return all;
    all.append(part.data(), static_cast<std::size_t>(got));
  }
}

void say(unique_fd to, std::string text) {
  if (!put(to, text)) throw std::runtime_error("nothing could be written");
}
unique_fd open_with(std::string text) {
  pipe_ends made;
  put(made.writes, text);
  return std::move(made.reads);
}
std::string put_in_all(bundle all) {
  std::string said = put(all.one, "one") ? "1" : "-";
  for (std::size_t i = 0; i < all.many.size(); ++i) said += put(all.many[i], std::to_string(i)) ? "m" : "-";
  said += all.maybe && put(*all.maybe, "maybe") ? "?" : "-";
  for (auto& [name, file] : all.named) said += put(file, name) ? "n" : "-";
  return said;
}

// Ready, and known to the owner by their descriptors.
template <class Pool>
bool all_up(Pool& pool, std::size_t workers) {
  return eventually([&] {
    const auto now = pool.stats().workers;
    return ready_workers(pool) == workers && std::ranges::all_of(now, [](const worker_stats& w) {
             return w.pid != 0 || w.state == worker_state::dead || !has_processes<Pool>;
           });
  });
}

template <class Pool>
struct handles : testing::Test {};
TYPED_TEST_SUITE(handles, both_pools, pool_names);

TYPED_TEST(handles, that_are_arguments_move_to_the_task) {
  TypeParam pool(1);
  pipe_ends made;
  ASSERT_TRUE(put(made.writes, "hello"));
  auto f = pool.submit(read_all, std::move(made.reads));
  EXPECT_FALSE(made.reads);  // NOLINT: what a moved-from one holds is the point
  made.writes.reset();
  EXPECT_EQ(f.get(), "hello");
}

TYPED_TEST(handles, that_are_results_are_the_callers) {
  TypeParam pool(1);
  unique_fd got = pool.submit(open_with, "from afar").get();
  ASSERT_TRUE(got);
  EXPECT_GT(got.get(), 2);
  EXPECT_NE(::fcntl(got.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_EQ(read_all(std::move(got)), "from afar");
}

TYPED_TEST(handles, that_are_empty_arrive_empty) {
  TypeParam pool(1);
  EXPECT_TRUE(pool.submit([](unique_fd none) { return !none; }, unique_fd()).get());
  EXPECT_FALSE(pool.submit([] { return unique_fd(); }).get());
}

TYPED_TEST(handles, arrive_in_order_inside_structs_and_containers) {
  TypeParam pool(1);
  std::vector<pipe_ends> pipes(16);
  bundle all;
  all.one = std::move(pipes[0].writes);
  for (std::size_t i = 1; i < 13; ++i) all.many.push_back(std::move(pipes[i].writes));
  all.maybe = std::move(pipes[13].writes);
  all.named["a"] = std::move(pipes[14].writes);
  all.named["b"] = std::move(pipes[15].writes);
  EXPECT_EQ(pool.submit(put_in_all, std::move(all)).get(), "1" + std::string(12, 'm') + "?nn");
  EXPECT_EQ(read_all(std::move(pipes[0].reads)), "one");
  for (std::size_t i = 1; i < 13; ++i) EXPECT_EQ(read_all(std::move(pipes[i].reads)), std::to_string(i - 1));
  EXPECT_EQ(read_all(std::move(pipes[13].reads)), "maybe");
  EXPECT_EQ(read_all(std::move(pipes[14].reads)), "a");
  EXPECT_EQ(read_all(std::move(pipes[15].reads)), "b");
}

TYPED_TEST(handles, go_beside_arguments_and_results_of_any_size) {
  TypeParam pool(1);
  const std::string large(1'000'000, 'x');
  pipe_ends made;
  auto f = pool.submit(
      [](unique_fd to, std::string text) {
        say(std::move(to), std::to_string(text.size()));
        return std::pair(open_with("back"), text + text);
      },
      std::move(made.writes), large);
  auto [file, text] = f.get();
  EXPECT_EQ(text.size(), 2'000'000U);
  EXPECT_EQ(read_all(std::move(file)), "back");
  EXPECT_EQ(read_all(std::move(made.reads)), "1000000");
}

TYPED_TEST(handles, of_a_task_that_is_cancelled_before_it_begins_are_closed) {
  TypeParam pool(1);
  const blocker<TypeParam> busy(pool);
  pipe_ends made;
  auto f = pool.submit(say, std::move(made.writes), "never");
  f.cancel();
  EXPECT_EQ(outcome_of(f), error_code::cancelled);  // f is gone with it
  EXPECT_EQ(read_all(std::move(made.reads)), "");   // while the worker is still busy
}

TYPED_TEST(handles, of_tasks_that_others_take_over_leave_no_copy_with_a_busy_worker) {
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .strategy = strategy::round_robin});
  const blocker<TypeParam> busy(pool);
  for (int i = 0; i < 20; ++i) {
    pipe_ends made;
    pool.submit(say, std::move(made.writes), std::to_string(i)).get();
    EXPECT_EQ(read_all(std::move(made.reads)), std::to_string(i));
  }
}

TYPED_TEST(handles, pass_through_calls_of_posts_and_leave_nothing_open) {
  TypeParam pool(2);
  pool.submit(read_all, open_with("")).get();
  ASSERT_TRUE(all_up(pool, 2));
  const std::size_t before = entries_in("/proc/self/fd");
  for (int i = 0; i < 200; ++i) {
    pool.post(say, unique_fd(::memfd_create("test", MFD_CLOEXEC)), "into nowhere");
    EXPECT_EQ(read_all(pool.submit(open_with, std::to_string(i)).get()), std::to_string(i));
  }
  pool.wait_idle();
  EXPECT_TRUE(eventually([&] { return entries_in("/proc/self/fd") == before; }))
      << before << " before, " << entries_in("/proc/self/fd") << " now";
}

// -----------------------------------------------------------------------------------------------------------
// processes

// S54: a large block without a copy. Both sides have the same memory; the worker has none of its own for it.
long private_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("RssAnon:")) return std::atol(line.c_str() + 8);
  return -1;
}

struct block_seen {
  std::uint64_t sum = 0;
  long grown_kib = 0;
};

}  // namespace
}  // namespace muster::test

template <>
inline constexpr bool muster::as_bytes<muster::test::block_seen> = true;

namespace muster::test {
namespace {

block_seen add_and_mark(unique_fd memory, std::size_t bytes) {
  const long before = private_kib();
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at == MAP_FAILED) throw std::runtime_error("mmap");
  auto* const words = static_cast<std::uint64_t*>(at);
  block_seen seen;
  for (std::size_t i = 0; i < bytes / sizeof(std::uint64_t); i += 64) seen.sum += words[i];
  words[0] = 77;
  seen.grown_kib = private_kib() - before;
  ::munmap(at, bytes);
  return seen;
}

TEST(handles_of_processes, carry_a_large_block_of_memory_without_a_copy) {
  const std::size_t bytes = long_tests() ? 1_GiB : 64_MiB;
  const unique_fd memory(::memfd_create("block", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(memory.get(), static_cast<off_t>(bytes)), 0);
  void* const at = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  ASSERT_NE(at, MAP_FAILED);
  auto* const words = static_cast<std::uint64_t*>(at);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < bytes / sizeof(std::uint64_t); i += 64) sum += words[i] = i;
  process_pool pool(1);
  const block_seen seen =
      pool.submit(add_and_mark, unique_fd(::fcntl(memory.get(), F_DUPFD_CLOEXEC, 3)), bytes).get();
  EXPECT_EQ(seen.sum, sum);
  EXPECT_EQ(words[0], 77U) << "what the worker writes is here";
  if (!base::is_sanitized) {
    EXPECT_LT(seen.grown_kib, 1'024);
  }
  ::munmap(at, bytes);
}

TEST(handles_of_processes, more_than_sixteen_in_a_call_are_refused) {
  process_pool pool(1);
  std::vector<unique_fd> many;
  for (int i = 0; i < 17; ++i) many.push_back(open_with(""));
  EXPECT_EQ(code_of([&] { pool.submit([](std::vector<unique_fd>) {}, std::move(many)).get(); }),
            error_code::encode_error);
  auto f = pool.submit([] {
    std::vector<unique_fd> results;
    for (int i = 0; i < 17; ++i) results.push_back(open_with(""));
    return results;
  });
  EXPECT_EQ(outcome_of(f), error_code::encode_error);
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(handles_of_processes, an_argument_that_stays_the_callers_is_duplicated) {
  process_pool pool(1);
  pipe_ends made;
  std::vector<unique_fd> kept;
  kept.push_back(std::move(made.writes));
  pool.submit([](std::vector<unique_fd> to) { say(std::move(to[0]), "worker, "); }, kept).get();
  ASSERT_TRUE(kept[0]);
  EXPECT_TRUE(put(kept[0], "owner"));
  kept.clear();
  EXPECT_EQ(read_all(std::move(made.reads)), "worker, owner");
}

TEST(handles_of_processes, come_again_with_every_attempt_and_go_with_the_last) {
  process_pool pool({.workers = {1}, .retry = {.attempts = 3, .backoff = {.first = 1ms, .max = 1ms}}});
  pipe_ends made;
  auto f = pool.submit(
      [](context& about, unique_fd to) {
        put(to, std::to_string(about.attempt()));
        if (about.attempt() < 3) die(SIGKILL, 0);
        return about.attempt();
      },
      std::move(made.writes));
  EXPECT_EQ(f.get(), 3);
  EXPECT_EQ(read_all(std::move(made.reads)), "123");
}

TEST(handles_of_processes, are_told_from_large_arguments_of_calls_that_wait_or_were_taken_back) {
  process_pool pool({.workers = {1}, .strategy = strategy::round_robin});  // so that all are placed at once
  std::vector<pipe_ends> pipes(20);
  std::vector<future<void>> all;
  {
    const blocker<process_pool> busy(pool);
    for (std::size_t i = 0; i < pipes.size(); ++i)
      all.push_back(
          pool.submit([](unique_fd to, std::string text) { say(std::move(to), text.substr(100'000)); },
                      std::move(pipes[i].writes), std::string(100'000, 'x') + std::to_string(i)));
    for (std::size_t i = 0; i < pipes.size(); i += 3) all[i].cancel();
    for (std::size_t i = 0; i < pipes.size(); i += 3) EXPECT_TRUE(all[i].wait_for(watchdog));
  }
  for (std::size_t i = 0; i < pipes.size(); ++i) {
    EXPECT_EQ(outcome_of(all[i]), i % 3 == 0 ? std::optional(error_code::cancelled) : std::nullopt) << i;
    EXPECT_EQ(read_all(std::move(pipes[i].reads)), i % 3 == 0 ? "" : std::to_string(i));
  }
}

TEST(handles_of_processes, are_the_workers_alone_once_it_has_them) {
  process_pool pool(1);
  pipe_ends made;
  scratch files;
  auto f = pool.submit(
      [](unique_fd to, std::string gate) {
        to.reset();
        return appears(gate);
      },
      std::move(made.writes), files("gate"));
  EXPECT_EQ(read_all(std::move(made.reads)), "");  // while the task runs
  touch(files("gate"));
  EXPECT_TRUE(f.get());
}

TEST(handles_of_processes, of_a_task_past_its_time_are_closed_when_it_settles) {
  process_pool pool({.workers = {1}, .retry = {.attempts = 2}});  // so that the owner keeps its own
  pipe_ends made;
  auto f = pool.submit({.run_timeout = 20ms}, [](unique_fd) { ::pause(); }, std::move(made.writes));
  f.wait();
  EXPECT_EQ(read_all(std::move(made.reads)), "");  // though the future is still there
  EXPECT_EQ(outcome_of(f), error_code::task_timeout);
}

TEST(handles_of_processes, of_workers_that_die_at_any_moment_leave_nothing_open) {
  const std::uint64_t seed = seed_of_test();
  std::mt19937_64 dice(seed);
  process_pool pool(
      {.workers = {2}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep});
  ASSERT_TRUE(all_up(pool, 2));
  const std::size_t before = entries_in("/proc/self/fd");
  for (int round = 0; round < (long_tests() ? 300 : 30); ++round) {
    std::vector<future<std::vector<unique_fd>>> all;
    for (int i = 0; i < 10; ++i)
      all.push_back(pool.submit(
          [](unique_fd given, bool dies) {
            std::vector<unique_fd> back;
            for (int k = 0; k < 3; ++k) back.push_back(unique_fd::duplicate_of(given.get()));
            if (dies) die(SIGKILL, 0);
            return back;
          },
          open_with("x"), dice() % 8 == 0));
    const auto workers = pool.stats().workers;
    const int victim = workers[dice() % workers.size()].pid;
    if (victim > 0) signal_process(victim, SIGKILL);
    for (auto& f : all) f.wait();
  }
  pool.wait_idle();
  EXPECT_TRUE(eventually([&] { return all_up(pool, 2) && entries_in("/proc/self/fd") == before; }))
      << before << " before, " << entries_in("/proc/self/fd") << " now";
  expect_sums(pool.stats());
}

}  // namespace
}  // namespace muster::test
