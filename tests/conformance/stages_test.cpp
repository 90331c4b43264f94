// SPDX-License-Identifier: MIT
// Maps of maps: stages on pools of their own, in order or not, bounded everywhere, ended by the first error.
#include <algorithm>
#include <atomic>
#include <numeric>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

int plus_one(int i) { return i + 1; }
int twice(int i) { return 2 * i; }
std::string as_text(int i) { return std::to_string(i); }
int fail_at_20(int i) {
  if (i == 20) throw std::invalid_argument("it is 20");
  return i;
}
int hold_if_zero(int i, std::string gate) { return i == 0 ? hold(gate + " reached", gate, i) : i; }

std::vector<int> numbers(int count) {
  std::vector<int> all(static_cast<std::size_t>(count));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

// An endless input that counts what was taken of it.
class counter {
public:
  explicit counter(std::atomic<int>& taken) : taken_(&taken) {}
  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    std::atomic<int>* taken = nullptr;
    int at = 0;
    int operator*() const { return at; }
    iterator& operator++() {
      ++at;
      ++*taken;
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator&, std::unreachable_sentinel_t) { return false; }
  };
  [[nodiscard]] iterator begin() const { return {taken_, 0}; }
  [[nodiscard]] std::unreachable_sentinel_t end() const { return {}; }

private:
  std::atomic<int>* taken_;
};

template <class Pool>
struct stages : testing::Test {};
TYPED_TEST_SUITE(stages, both_pools, pool_names);

TYPED_TEST(stages, of_three_pools_keep_the_order_of_the_input) {
  TypeParam a(1), b(2), c(2);
  for (const int count : {0, 1, 2, 500}) {
    std::vector<std::string> expected;
    for (int i = 0; i < count; ++i) expected.push_back(std::to_string(2 * (i + 1)));
    EXPECT_EQ(c.map(as_text, b.map(twice, a.map(plus_one, numbers(count)))).to_vector(), expected);
  }
}

TYPED_TEST(stages, without_order_give_each_element_once) {
  TypeParam a(2), b(2), c(1);
  auto out =
      c.map_unordered(plus_one, b.map_unordered(twice, a.map_unordered(plus_one, numbers(500)))).to_vector();
  std::sort(out.begin(), out.end());
  ASSERT_EQ(out.size(), 500U);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(out[static_cast<std::size_t>(i)], 2 * (i + 1) + 1);
}

TYPED_TEST(stages, on_one_pool_share_its_queue_however_small_it_is) {
  for (const auto full : {when_full::wait, when_full::reject}) {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .queue = {.capacity = 2, .when_full = full}});
    const auto out =
        pool.map(plus_one, pool.map_unordered(twice, pool.map(plus_one, numbers(100)))).to_vector();
    EXPECT_EQ(out.size(), 100U);
    EXPECT_EQ(std::accumulate(out.begin(), out.end(), 0), 2 * (99 * 100 / 2 + 100) + 100);
  }
}

// The first element of an unordered stage is held: the later ones arrive at the end nevertheless.
TYPED_TEST(stages, without_order_do_not_wait_for_one_that_is_held) {
  TypeParam a(2), b(1);
  scratch files;
  auto out = b.map_unordered(plus_one, a.map_unordered(hold_if_zero, numbers(50), files("gate")));
  auto at = out.begin();
  for (int i = 0; i < 49; ++i, ++at) {
    ASSERT_FALSE(at == out.end());
    EXPECT_NE(*at, 1);
  }
  touch(files("gate"));
  EXPECT_EQ(*at, 1);
  ++at;
  EXPECT_TRUE(at == out.end());
}

// A result is given to the reader while the stages before still have much to do: the input never ends.
TYPED_TEST(stages, of_an_endless_input_give_results_and_take_no_more_than_their_bounds_allow) {
  const queue_options small{.capacity = 4};
  TypeParam a(options_of<TypeParam>{.workers = {1}, .queue = small});
  TypeParam b(options_of<TypeParam>{.workers = {1}, .queue = small});
  TypeParam c(options_of<TypeParam>{.workers = {1}, .queue = small});
  std::atomic<int> taken = 0;
  {
    auto out = c.map(as_text, b.map_unordered(twice, a.map(plus_one, counter(taken))));
    int read = 0;
    for (auto at = out.begin(); read < 300; ++at) {
      (void)*at;
      ++read;
      // Three stages with 4 under way or unread in each, and the elements between them and at the ends.
      EXPECT_LE(taken, read + 3 * 4 + 4);
    }
    // Nobody reads: what is there is done, and no more is taken.
    for (TypeParam* pool : {&a, &b, &c}) pool->wait_idle();
    EXPECT_LE(taken, read + 3 * 4 + 4);
  }
  for (TypeParam* pool : {&a, &b, &c}) pool->wait_idle();
}

TYPED_TEST(stages, end_with_the_error_of_the_second_and_leave_nothing_running) {
  TypeParam a(1), b(2), c(2);
  auto out = c.map(plus_one, b.map(fail_at_20, a.map(plus_one, numbers(100'000))));
  std::vector<int> read;
  std::string told;
  for (auto at = out.begin(); at != out.end(); ++at) try {
      read.push_back(*at);
    } catch (const std::invalid_argument& e) {
      told += e.what();
    }
  ASSERT_EQ(read.size(), 19U);  // all before it, and none after
  for (int i = 0; i < 19; ++i) EXPECT_EQ(read[static_cast<std::size_t>(i)], i + 2);
  EXPECT_NE(told.find("it is 20"), std::string::npos);
  for (TypeParam* pool : {&a, &b, &c}) {
    pool->wait_idle();
    EXPECT_LT(pool->stats().submitted, 10'000U);
  }
}

TYPED_TEST(stages, whose_last_range_is_dropped_cancel_all_that_is_under_way) {
  TypeParam a(options_of<TypeParam>{.workers = {1}, .grace = 10s}), b(1);
  scratch files;
  const auto stays = [](std::stop_token stop, int i, std::string begun, std::string seen) {
    if (i == 5) return until_stopped(std::move(stop), std::move(begun), std::move(seen));
    return i;
  };
  {
    auto out = b.map(plus_one, a.map(stays, numbers(1'000), files("begun"), files("seen")));
    EXPECT_EQ(*out.begin(), 1);
    ASSERT_TRUE(appears(files("begun")));
  }
  a.wait_idle();
  b.wait_idle();
  EXPECT_TRUE(exists(files("seen")));
  EXPECT_GT(a.stats().cancelled, 0U);  // the worker goes on as soon as it was told, and may be fast
}

TYPED_TEST(stages, may_read_a_range_that_stays_with_its_owner) {
  TypeParam a(1), b(1);
  auto first = a.map(plus_one, numbers(10));
  EXPECT_EQ(b.map(twice, first).to_vector().size(), 10U);
  EXPECT_EQ(first.begin(), first.end());
}

TYPED_TEST(stages, that_are_stopped_in_the_middle_say_so_and_end) {
  TypeParam a(1), b(1);
  std::atomic<int> taken = 0;
  auto out = b.map(plus_one, a.map(plus_one, counter(taken)));
  auto at = out.begin();
  EXPECT_EQ(*at, 2);
  a.close();
  int more = 0;
  std::optional<error_code> end;
  for (++at; at != out.end(); ++at) {
    const auto code = code_of([&] { (void)*at; });
    if (code) end = code;
    ++more;
  }
  EXPECT_EQ(end, error_code::pool_stopped);
  EXPECT_GT(more, 1);
}

TEST(stages_of_both_kinds, go_from_threads_to_processes_and_back) {
  thread_pool threads(2);
  process_pool processes(2);
  const auto out =
      threads.map(plus_one, processes.map_unordered(twice, threads.map(plus_one, numbers(300)))).to_vector();
  EXPECT_EQ(out.size(), 300U);
  EXPECT_EQ(std::accumulate(out.begin(), out.end(), 0), 2 * (299 * 300 / 2 + 300) + 300);
}

TEST(stages_of_threads, move_their_elements_on) {
  thread_pool a(1), b(1);
  const auto make = [](int i) { return std::make_unique<int>(i); };
  const auto open = [](std::unique_ptr<int> p) { return *p; };
  EXPECT_EQ(b.map(open, a.map(make, numbers(50))).to_vector(), numbers(50));
}

TEST(stages_of_threads, work_inside_a_task_of_the_only_worker) {
  thread_pool pool(1);
  auto f =
      pool.submit([&pool] { return pool.map(twice, pool.map(plus_one, numbers(50))).to_vector().size(); });
  EXPECT_EQ(f.get(), 50U);
}

// Chained with different windows and at random, against what one loop gives.
TEST(stages_of_both_kinds, give_what_a_loop_gives) {
  std::mt19937_64 dice(seed_of_test());
  for (int round = 0; round < (long_tests() ? 100 : 10); ++round) {
    thread_pool a(thread_options{.workers = {1 + static_cast<int>(dice() % 3)},
                                 .queue = {.capacity = 1 + dice() % 20}});
    process_pool b(process_options{.workers = {1 + static_cast<int>(dice() % 2)},
                                   .queue = {.capacity = 1 + dice() % 20}});
    const int count = static_cast<int>(dice() % 300);
    const bool ordered = dice() % 2 == 0;
    auto first = a.map(plus_one, numbers(count));
    auto second = ordered ? b.map(twice, std::move(first)) : b.map_unordered(twice, std::move(first));
    auto out = a.map(plus_one, std::move(second)).to_vector();
    if (!ordered) std::sort(out.begin(), out.end());
    std::vector<int> expected;
    for (int i = 0; i < count; ++i) expected.push_back(2 * (i + 1) + 1);
    EXPECT_EQ(out, expected);
  }
}

}  // namespace
}  // namespace muster::test
