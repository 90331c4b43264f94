// SPDX-License-Identifier: MIT
// Programs that speak the lines of a host: calls, values, errors, and how they live and end with their
// worker.
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "hosts/kit.hpp"

namespace muster::test {

struct photo {
  std::string name;
  int width = 0;
  std::optional<double> scale{};
  friend bool operator==(const photo&, const photo&) = default;
};

}  // namespace muster::test

template <>
struct muster::fields<muster::test::photo> {
  static constexpr auto list =
      std::make_tuple(field("name", &muster::test::photo::name), field("width", &muster::test::photo::width),
                      field("scale", &muster::test::photo::scale));
};

namespace muster::test {
namespace {

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto* const from = reinterpret_cast<const std::byte*>(text.data());
  return {from, from + text.size()};
}

template <class T>
void expect_echo(host_pool& pool, const T& value) {
  EXPECT_EQ(pool.call<T>("echo", value).get(), value);
}

TEST(programs, give_back_values_of_every_kind_as_they_were) {
  host_pool pool(talker(), one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
  expect_echo(pool, true);
  expect_echo(pool, -7);
  expect_echo(pool, std::numeric_limits<std::int64_t>::min());
  expect_echo(pool, std::numeric_limits<std::uint64_t>::max());
  expect_echo(pool, 0.1);
  expect_echo(pool, std::numeric_limits<double>::denorm_min());
  expect_echo(pool, std::string("\"\\ \n\t\x01 äöü € 😀"));
  expect_echo(pool, std::vector<std::string>{"a", "", "b"});
  expect_echo(pool, std::vector<bool>{true, false});
  expect_echo(pool, std::map<std::string, std::vector<int>>{{"one", {1}}, {"", {}}});
  expect_echo(pool, std::map<int, std::string>{{1, "one"}, {2, "two"}});
  expect_echo(pool, std::set<int>{3, 1, 2});
  expect_echo(pool, std::tuple(1, std::string("two"), 3.5));
  expect_echo(pool, std::optional<int>());
  expect_echo(pool, std::optional<int>(5));
  expect_echo(pool, photo{.name = "cat", .width = 200, .scale = {}});
  expect_echo(pool, std::vector{photo{.name = "cat", .width = 200, .scale = 0.5}});
  EXPECT_NO_THROW(pool.call<void>("echo", 1).get());
  EXPECT_EQ(pool.call<std::string>("echo", "a literal").get(), "a literal");
}

// S41: what JSON has no form for is refused where it is given.
TEST(programs, are_not_sent_what_json_cannot_hold) {
  host_pool pool(talker(), one_host());
  EXPECT_THROW((void)pool.call<int>("echo", std::nan("")), encode_error);
  EXPECT_THROW((void)pool.call<int>("echo", std::vector{1.0, std::numeric_limits<double>::infinity()}),
               encode_error);
  EXPECT_THROW((void)pool.call<int>("echo", std::string("\xff")), encode_error);
  EXPECT_THROW((void)pool.call<int>("echo", json{.text = "[1,", .attachments = {}}), encode_error);
  EXPECT_THROW((void)pool.call_json("echo", {.text = "{}", .attachments = {}}), encode_error);
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(programs, take_text_and_give_text_to_who_has_a_json_library_of_his_own) {
  host_pool pool(talker(), one_host());
  EXPECT_EQ(pool.call_json("add", {.text = "[1,\n 2]", .attachments = {}}).get().text, "3");
  EXPECT_EQ(pool.call<json>("echo", json{.text = "{\"a\": [1, null]}", .attachments = {}}).get().text,
            "{\"a\": [1, null]}");
  // However deep: a misfit is found where it is decoded.
  const std::string deep = pool.call<json>("deep", 100'000).get().text;
  EXPECT_EQ(deep.size(), 200'000U);
  expect_text(error_of<decode_error>(pool.call<std::vector<int>>("deep", 100'000))->what(),
              "expected a number");
}

TEST(programs, exchange_bytes_beside_the_text) {
  host_pool pool(talker(), one_host());
  const std::vector<std::byte> one = bytes_of(std::string("\0\n\xff{\"id\":1}\n", 12));
  const std::vector<std::byte> large(3U << 20U, std::byte{0x5a});
  using both = std::vector<std::vector<std::byte>>;
  EXPECT_EQ(pool.call<both>("bytes", one, large).get(), (both{large, one}));
  EXPECT_EQ(pool.call<both>("bytes", std::vector<std::byte>()).get(), both(1));
  const json text = pool.call_json("bytes", {.text = "[{\"$bytes\":0}]", .attachments = {one}}).get();
  EXPECT_EQ(text.attachments, both{one});
}

// T1, S55: replies are matched by number, whatever their order.
TEST(programs, answer_ten_calls_in_reverse_and_each_caller_gets_its_own) {
  host_pool pool(talker(), one_host(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 100; ++i) all.push_back(pool.call<int>("ten in reverse", i));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TEST(programs, say_what_was_thrown_in_them_and_live_on) {
  host_pool pool(talker(), one_host());
  const int pid = pool.call<int>("pid").get();
  const auto thrown = error_of<worker_error>(pool.call<int>({.id = "cat"}, "fail"));
  EXPECT_EQ(thrown->type(), "BadPhoto");
  EXPECT_EQ(thrown->text(), "too dark");
  EXPECT_EQ(thrown->backtrace(), "at shrink\nat main");
  EXPECT_EQ(thrown->subject().task_id, "cat");
  expect_text(error_of<invalid_call>(pool.call<int>("no such"))->what(), "no function 'no such'");
  expect_text(error_of<decode_error>(pool.call<int>("echo", "no number"))->what(),
              "result of 'echo' is not what the caller expects: expected a number, found \"no number\"");
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

TEST(programs, are_called_through_a_proxy_from_any_thread) {
  host_pool pool(talker(), one_host(4));
  const auto add = pool.proxy<int(int, int)>("add");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&add, i] {
      for (int k = 0; k < 25; ++k) EXPECT_EQ(add(i, k).get(), i + k);
    });
  for (std::thread& each : threads) each.join();
}

TEST(programs, find_their_arguments_where_they_expect_them_and_recycle_changes_them) {
  process_options options = one_host();
  options.args = {"--verbose"};
  host_pool pool(talker("well"), options);
  EXPECT_EQ(pool.call<std::vector<std::string>>("argv").get(),
            (std::vector<std::string>{"well", "--verbose"}));
  const scratch files;
  const auto report =
      pool.recycle(worker_changes{.cwd = files(""), .args = std::vector<std::string>{"--quiet"}});
  EXPECT_FALSE(report.rolled_back);
  EXPECT_EQ(pool.call<std::vector<std::string>>("argv").get(), (std::vector<std::string>{"well", "--quiet"}));
  EXPECT_EQ(pool.call<std::string>("cwd").get() + "/", files(""));
}

// A host_pool is a process_pool: who knows it as one may change its workers too, and its program stays.
TEST(programs, stay_when_the_pool_is_changed_by_who_knows_it_as_a_process_pool) {
  process_options options = one_host();
  options.args = {"--verbose"};
  host_pool pool(talker("well"), options);
  process_pool& plain = pool;
  using words = std::vector<std::string>;
  EXPECT_FALSE(plain.recycle(worker_changes{.args = words{"--quiet"}}).rolled_back);
  EXPECT_EQ(pool.call<words>("argv").get(), (words{"well", "--quiet"}));
  EXPECT_FALSE(plain.stop().forced);
  plain.start(worker_changes{.args = words{"--again"}});
  EXPECT_EQ(pool.call<words>("argv").get(), (words{"well", "--again"}));
  // A canary runs in the worker beside the program; another init would leave it without one.
  EXPECT_FALSE(plain.recycle({.canary = [] {}}).rolled_back);
  EXPECT_EQ(pool.call<words>("argv").get(), (words{"well", "--again"}));
  EXPECT_THROW((void)plain.recycle(worker_changes{.init = [] {}}), invalid_options);
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(programs, may_speak_on_a_descriptor_of_their_own) {
  program what = talker("descriptor");
  what.descriptor = 5;
  host_pool pool(what, one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(programs, may_be_ready_without_saying_so) {
  program what = talker("silent");
  what.says_ready = false;
  host_pool pool(what, one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(programs, that_print_among_their_messages_are_put_up_with_where_that_is_asked_for) {
  program what = talker("greets");
  what.stray = stray_lines::forward;
  host_pool pool(what, one_host());
  pool.call<void>("print", "nothing to see here").get();
  const auto dead = error_of<unexpected_exit>(pool.call<int>("exit", 3));
  EXPECT_EQ(dead->death().last_stderr, "welcome to talker 1.0\nnothing to see here\nlast words\n");
}

TEST(programs, that_print_very_much_before_they_are_ready_come_up_all_the_same) {
  program what = talker("chatters");
  what.stray = stray_lines::forward;
  host_pool pool(what, one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(programs, have_no_descriptors_of_their_worker) {
  host_pool pool(talker(), one_host());
  EXPECT_EQ(pool.call<std::vector<int>>("descriptors").get(), (std::vector<int>{0, 1, 2}));
}

TEST(programs, are_fresh_for_each_call_where_that_is_asked_for) {
  process_options options = one_host();
  options.lifetime = lifetime::per_task;
  host_pool pool(talker(), options);
  std::set<int> pids;
  for (int i = 0; i < 5; ++i) pids.insert(pool.call<int>("pid").get());
  EXPECT_EQ(pids.size(), 5U);
}

TEST(programs, that_have_grown_too_large_are_replaced_and_cost_no_call) {
  process_options options = one_host();
  options.limits.memory_soft = 64_MiB;
  host_pool pool(talker(), options);
  const int pid = pool.call<int>("grow", 100 << 20).get();
  EXPECT_TRUE(eventually([&] { return pool.call<int>("pid").get() != pid; }));
  EXPECT_EQ(pool.stats().workers_died, 0U);
  EXPECT_GE(pool.stats().workers_recycled, 1U);
}

TEST(programs, tell_how_far_a_call_is) {
  host_pool pool(talker(), one_host());
  std::mutex mutex;
  task_progress seen;
  auto done = pool.call<void>({.on_progress =
                                   [&](const task_progress& now) {
                                     const std::lock_guard lock(mutex);
                                     seen = now;
                                   }},
                              "progress");
  done.get();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.text == "half way" && seen.fraction == 0.5;
  }));
}

TEST(programs, are_told_of_a_cancelled_call_and_live_on) {
  process_options options = one_host();
  options.grace = watchdog;
  host_pool pool(talker(), options);
  const int pid = pool.call<int>("pid").get();
  const scratch files;
  auto call = pool.call<int>("until cancelled", files("begun"), files("told"));
  ASSERT_TRUE(appears(files("begun")));
  call.cancel();
  EXPECT_EQ(outcome_of(call), error_code::cancelled);
  EXPECT_TRUE(exists(files("told")));
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

// ---- the end

TEST(programs, that_end_are_deaths_with_their_own_status) {
  host_pool pool(talker(), one_host());
  const auto left = error_of<unexpected_exit>(pool.call<int>("exit", 3));
  EXPECT_EQ(left->death().cause, death_cause::exited);
  EXPECT_EQ(left->death().exit_code, 3);
  EXPECT_EQ(left->death().last_stderr, "last words\n");
  expect_text(left->death().detail, "talker.py exited with code 3");
  for (const int signal : {SIGSEGV, SIGKILL, SIGABRT}) {
    const auto died = error_of<unexpected_exit>(pool.call<int>("die", signal));
    EXPECT_EQ(died->death().cause, death_cause::signalled);
    EXPECT_EQ(died->death().signal, signal);
    EXPECT_EQ(died->death().backtrace_missing, "");
    expect_text(died->death().detail, "ended by SIG");
  }
  EXPECT_EQ(error_of<unexpected_exit>(pool.call<int>("exit", 0))->death().exit_code, 0);
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(programs, that_end_while_idle_are_replaced_and_cost_no_call) {
  host_pool pool(talker(), one_host());
  const int pid = pool.call<int>("pid").get();
  ASSERT_TRUE(signal_process(pid, SIGKILL));
  ASSERT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  EXPECT_NE(pool.call<int>("pid").get(), pid);
}

TEST(programs, run_a_call_again_in_another_one_where_that_is_asked_for) {
  process_options options = one_host();
  options.retry = {.attempts = 2, .backoff = {.first = 1ms}};
  host_pool pool(talker(), options);
  const scratch files;
  EXPECT_EQ(pool.call<std::string>("exit once", files("once")).get(), "well");
}

TEST(programs, go_with_their_worker_when_it_is_killed) {
  host_pool pool(talker(), one_host());
  const int pid = pool.call<int>("pid").get();
  ASSERT_TRUE(signal_process(state_of(pid).parent, SIGKILL));
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  EXPECT_NE(pool.call<int>("pid").get(), pid);
}

TEST(programs, get_the_end_of_their_input_when_the_pool_stops) {
  process_options options = one_host();
  options.grace = watchdog;
  const scratch files;
  host_pool pool(talker(), options);
  const int pid = pool.call<int>("pid").get();
  pool.call<void>("at the end", std::map<std::string, std::string>{{"closed", files("closed")},
                                                                   {"signalled", files("signalled")}})
      .get();
  EXPECT_FALSE(pool.stop().forced);
  EXPECT_EQ(lines_of(files("closed")), std::vector<std::string>{"end of input"});
  EXPECT_FALSE(exists(files("signalled")));
  EXPECT_FALSE(lives(pid));
}

TEST(programs, get_the_first_of_the_stop_signals_once_when_the_pool_stops) {
  process_options options = one_host();
  options.stop = {{.signal = SIGTERM, .patience = watchdog}};
  const scratch files;
  host_pool pool(talker(), options);
  pool.call<void>("at the end", std::map<std::string, std::string>{{"closed", files("closed")},
                                                                   {"signalled", files("signalled")}})
      .get();
  (void)pool.stop();
  EXPECT_EQ(lines_of(files("signalled")), std::vector<std::string>{"SIGTERM"});
  EXPECT_EQ(lines_of(files("closed")), std::vector<std::string>{"end of input"});
}

TEST(programs, that_do_not_end_get_each_of_the_stop_signals_once_in_order) {
  process_options options = one_host();
  options.stop = {{.signal = SIGTERM, .patience = 20ms}, {.signal = SIGINT, .patience = watchdog}};
  const scratch files;
  host_pool pool(talker(), options);
  pool.call<void>("at the end",
                  std::map<std::string, std::string>{
                      {"closed", files("closed")}, {"signalled", files("signalled")}, {"stays", ""}})
      .get();
  (void)pool.stop();
  EXPECT_EQ(lines_of(files("signalled")), (std::vector<std::string>{"SIGTERM", "SIGINT"}));
}

TEST(programs, that_run_a_call_too_long_get_the_stop_signals_too) {
  process_options options = one_host();
  options.stop = {{.signal = SIGTERM, .patience = watchdog}};
  const scratch files;
  host_pool pool(talker(), options);
  pool.call<void>("at the end", std::map<std::string, std::string>{{"signalled", files("signalled")}}).get();
  auto late = pool.call<int>({.run_timeout = 20ms}, "misbehave", "mute");
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  EXPECT_TRUE(appears(files("signalled")));
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

// T36: whatever was accepted is answered, though the pool is told to stop at once.
TEST(programs, answer_everything_that_was_accepted_before_a_stop) {
  host_pool pool(talker(), one_host(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 1'000; ++i) all.push_back(pool.call<int>("add", i, 1));
  EXPECT_FALSE(pool.stop(watchdog).forced);
  for (int i = 0; i < 1'000; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i + 1);
}

TEST(programs, are_refused_with_every_problem_of_their_options) {
  const auto problems_of = [](const program& what, process_options options) {
    try {
      const host_pool pool(what, std::move(options));
    } catch (const invalid_options& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  const std::string own = problems_of({.command = {}, .descriptor = 1, .max_line = 1}, {});
  expect_text(own, "command: is empty");
  expect_text(own, "descriptor = 1");
  expect_text(own, "max_line = 1");
  const std::string others = problems_of(
      talker(), {.init = [] {}, .program = "/bin/true", .hooks = {.close = [] {}, .keep_alive = {}}});
  expect_text(others, "init: ");
  expect_text(others, "hooks.close: ");
  expect_text(others, "program = /bin/true");
}

}  // namespace
}  // namespace muster::test
