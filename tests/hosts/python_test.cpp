// SPDX-License-Identifier: MIT
// Functions of Python modules, in a real Python.
#include <algorithm>
#include <tuple>

#include "hosts/kit.hpp"

namespace muster::test {
namespace {

python tasks() { return {.module = "./tasks.py", .base = program_file(""), .command = python_command()}; }

TEST(python_hosts, call_functions_plain_and_async_with_values_of_every_kind) {
  host_pool pool(tasks(), one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
  EXPECT_EQ(pool.call<std::string>("later", "done", 0.001).get(), "done");
  const std::map<std::string, std::vector<std::optional<double>>> value{{"a é 😀", {1, {}, 0.1}}, {"", {}}};
  EXPECT_EQ((pool.call<std::map<std::string, std::vector<std::optional<double>>>>("echo", value).get()),
            value);
  EXPECT_EQ(pool.call<std::string>("neighbours").get(), "neighbour");
  EXPECT_EQ(pool.call<double>({"math", "sqrt"}, 16).get(), 4.0);
}

TEST(python_hosts, find_modules_by_name_in_their_base) {
  host_pool pool(python{.module = "tasks", .base = program_file(""), .command = python_command()},
                 one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(python_hosts, have_coroutines_and_plain_functions_at_once) {
  host_pool pool(tasks(), one_host(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 50; ++i) all.push_back(pool.call<int>("ten_in_reverse", i));
  for (int i = 0; i < 50; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
  const scratch files;
  std::filesystem::create_directory(files("here"));
  all.clear();
  for (int i = 0; i < 10; ++i) all.push_back(pool.call<int>("meet", files("here"), i, 10));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TEST(python_hosts, name_the_module_and_the_function_that_are_not_there) {
  host_pool pool(tasks(), one_host());
  const std::string missing = error_of<invalid_call>(pool.call<int>("subtract", 1, 2))->what();
  expect_text(missing, "tasks.py' has no function 'subtract'; it has: ");
  expect_text(missing, "add, echo");
  const std::string nowhere = error_of<invalid_call>(pool.call<int>({"no_such", "add"}, 1))->what();
  expect_text(nowhere, "there is no module 'no_such'");
  expect_text(nowhere, "; it was wanted for its function 'add'");
  expect_text(error_of<invalid_call>(pool.call<int>({"./nowhere.py", "add"}, 1))->what(), "nowhere.py'");
}

TEST(python_hosts, pass_on_what_is_raised_with_its_traceback) {
  host_pool pool(tasks(), one_host());
  const auto thrown = error_of<worker_error>(pool.call<int>("fail"));
  EXPECT_EQ(thrown->type(), "tasks.BadPhoto");
  EXPECT_EQ(thrown->text(), "too dark");
  expect_text(thrown->backtrace(), "tasks.py\", line ");
  expect_text(thrown->backtrace(), "in fail");
  EXPECT_EQ(thrown->backtrace().find("<string>"), std::string::npos);
  EXPECT_EQ(error_of<worker_error>(pool.call<int>("fail_later"))->type(), "KeyError");
  expect_text(error_of<worker_error>(pool.call<int>("add", 1))->what(),
              "TypeError: add() missing 1 required");
}

TEST(python_hosts, refuse_what_json_would_change) {
  host_pool pool(tasks(), one_host());
  const int pid = pool.call<int>("pid").get();
  expect_text(error_of<worker_error>(pool.call<int>("nan"))->what(), "ValueError");
  expect_text(error_of<worker_error>(pool.call<int>("a_set"))->what(), "TypeError");
  expect_text(error_of<worker_error>(pool.call<json>("deep", 100'000))->what(), "RecursionError");
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

// Python reads no JSON that nests deeper than its stack, and no number of more than 4,300 digits.
TEST(python_hosts, that_cannot_read_a_call_fail_that_call_and_live_on) {
  host_pool pool(tasks(), one_host());
  const int pid = pool.call<int>("pid").get();
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  expect_text(error_of<worker_error>(pool.call<json>("echo", json{.text = deep, .attachments = {}}))->what(),
              "RecursionError: its arguments: ");
  const std::vector<std::byte> beside(100'000, std::byte{'\n'});
  expect_text(error_of<worker_error>(pool.call_json("echo", {.text = "[{\"$bytes\":0}," + deep + "]",
                                                             .attachments = {beside, {}}}))
                  ->what(),
              "RecursionError");
  // What its other editions do read.
  const std::string digits(5'000, '9');
  auto large = pool.call<json>("echo", json{.text = digits, .attachments = {}});
  const auto code = outcome_of(large);
  EXPECT_TRUE(!code || code == error_code::worker_error);
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

buffer filled(host_pool& pool, std::size_t size, int value) {
  buffer made = pool.lease(size);
  std::ranges::fill(made.bytes(), static_cast<std::byte>(value));
  return made;
}

TEST(python_hosts, see_buffers_as_they_lie_in_memory_and_give_them_back) {
  host_pool pool(tasks(), one_host());
  for (int round = 0; round < 3; ++round) {
    buffer given = filled(pool, 100'000, 21);
    const std::byte* const at = given.bytes().data();
    buffer back = pool.call<buffer>("double_each", std::move(given)).get();
    EXPECT_EQ(back.bytes().data(), at) << "the same memory";
    EXPECT_TRUE(std::ranges::all_of(back.bytes(), [](std::byte b) { return b == std::byte{42}; }));
    EXPECT_EQ(pool.call<int>("maps", std::move(back)).get(), 1) << "it is mapped once";
  }
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 0; }));
}

TEST(python_hosts, may_read_shared_buffers_and_not_write_them) {
  host_pool pool(tasks(), one_host());
  const shared_buffer all = filled(pool, 100'000, 1).share();
  buffer own = filled(pool, 5'000, 2).part(1'000, 3'000);
  const auto seen = pool.call<std::vector<std::tuple<std::string, bool, int, int>>>(
                            "describe", all, std::move(own), all.part(10, 20))
                        .get();
  using row = std::tuple<std::string, bool, int, int>;
  EXPECT_EQ(seen, (std::vector{row("memoryview", true, 100'000, 100'000),
                               row("memoryview", false, 3'000, 6'000), row("memoryview", true, 20, 20)}));
  expect_text(error_of<worker_error>(pool.call<buffer>("double_each", all))->what(),
              "TypeError: cannot modify");
  EXPECT_EQ(pool.call<int>("maps", all).get(), 2) << "one for the call, and one that was leased";
}

TEST(python_hosts, give_back_parts_of_a_buffer_and_other_bytes_as_fresh_ones) {
  host_pool pool(tasks(), one_host());
  const buffer part = pool.call<buffer>("front", filled(pool, 100'000, 7), 50).get();
  EXPECT_EQ(part.size(), 50U);
  EXPECT_EQ(part.bytes()[49], std::byte{7});
  EXPECT_EQ(pool.call<buffer>("reverse", std::vector(3, std::byte{5})).get().size(), 3U);
  EXPECT_EQ(pool.call<std::vector<std::byte>>("double_each", filled(pool, 70'000, 4)).get(),
            std::vector(70'000, std::byte{8}))
      << "where the caller wants bytes it gets bytes";
  expect_text(error_of<decode_error>(pool.call<buffer>("add", 1, 2))->what(),
              "the result of 'add' is no buffer");
}

TEST(python_hosts, have_more_buffers_than_they_keep_mapped) {
  process_options options = one_host();
  options.arena = {.bytes = 64_MiB, .blocks = 100};
  host_pool pool(tasks(), options);
  std::vector<buffer> held;
  for (int i = 0; i < 80; ++i) held.push_back(filled(pool, 64_KiB, i));
  for (auto& each : held) each = pool.call<buffer>("front", std::move(each), 1 << 20).get();
  for (auto& each : held) each = pool.call<buffer>("double_each", std::move(each).part(0, 3)).get();
  for (std::size_t i = 0; i < held.size(); ++i)
    EXPECT_EQ(held[i].bytes()[0], static_cast<std::byte>(2 * i)) << i;
  EXPECT_LE(pool.call<int>("maps", std::move(held.back())).get(), 65);
}

TEST(python_hosts, that_fail_a_call_with_buffers_give_their_memory_back_and_live_on) {
  host_pool pool(tasks(), one_host());
  const int pid = pool.call<int>("pid").get();
  EXPECT_EQ(error_of<worker_error>(pool.call<int>("fail", filled(pool, 100'000, 1)))->type(), "TypeError");
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  expect_text(error_of<worker_error>(
                  pool.call<json>("echo", filled(pool, 100'000, 1), json{.text = deep, .attachments = {}}))
                  ->what(),
              "RecursionError: its arguments: ");
  EXPECT_EQ(pool.call<int>("maps", filled(pool, 100'000, 1)).get(), 1);
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 0; }));
}

TEST(python_hosts, carry_bytes_without_base64) {
  host_pool pool(tasks(), one_host());
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3'000'000}}) {
    std::vector<std::byte> given(size);
    for (std::size_t i = 0; i < size; ++i) given[i] = static_cast<std::byte>(i * 7);
    const auto back = pool.call<std::vector<std::byte>>("reverse", given).get();
    std::reverse(given.begin(), given.end());
    EXPECT_EQ(back, given);
  }
  const json pieces = pool.call<json>("pieces").get();
  EXPECT_EQ(pieces.text, R"({"one":{"$bytes":0},"two":[{"$bytes":1},{"$bytes":2}]})");
  ASSERT_EQ(pieces.attachments.size(), 3U);
  EXPECT_EQ(pieces.attachments[1].size(), 3U);
}

TEST(python_hosts, are_not_harmed_by_what_functions_print) {
  process_options options = one_host();
  options.env.set.emplace_back("PYTHONUNBUFFERED", "1");
  host_pool pool(tasks(), options);
  EXPECT_EQ(pool.call<int>("show", "{\"id\":1}").get(), 8);
  const auto dead = error_of<unexpected_exit>(pool.call<int>("leave", 3));
  EXPECT_EQ(dead->death().exit_code, 3);
  expect_text(dead->death().last_stderr, "{\"id\":1}\n{\"id\":1,\"value\":\"forged\"}\nand past Python\n");
}

TEST(python_hosts, cancel_coroutines_and_tell_plain_functions) {
  for (const int at_once : {1, 4}) {
    process_options options = one_host(at_once);
    options.grace = watchdog;
    host_pool pool(tasks(), options);
    const int pid = pool.call<int>("pid").get();
    for (const char* const how : {"until_cancelled", "compute_until_cancelled"}) {
      const scratch files;
      auto call = pool.call<int>(how, files("begun"), files("told"));
      ASSERT_TRUE(appears(files("begun")));
      call.cancel();
      EXPECT_EQ(outcome_of(call), error_code::cancelled);
      EXPECT_TRUE(exists(files("told")));
    }
    EXPECT_EQ(pool.call<int>("pid").get(), pid);
  }
}

TEST(python_hosts, tell_how_far_a_call_is) {
  host_pool pool(tasks(), one_host());
  std::atomic<bool> seen{false};
  pool.call<void>({.on_progress = [&](const task_progress& now) { seen = now.text == "half way"; }},
                  "half_way")
      .get();
  EXPECT_TRUE(eventually([&] { return seen.load(); }));
}

TEST(python_hosts, that_end_are_deaths_with_their_cause) {
  host_pool pool(tasks(), one_host());
  EXPECT_EQ(error_of<unexpected_exit>(pool.call<int>("die", SIGSEGV))->death().signal, SIGSEGV);
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(python_hosts, end_as_programs_of_python_do_when_the_pool_stops) {
  process_options options = one_host();
  options.grace = watchdog;
  const scratch files;
  host_pool pool(tasks(), options);
  pool.call<void>("at_exit", files("exit")).get();
  EXPECT_FALSE(pool.stop().forced);
  EXPECT_EQ(lines_of(files("exit")), std::vector<std::string>{"exit"});
}

TEST(python_hosts, find_their_arguments_behind_the_module) {
  process_options options = one_host();
  options.args = {"--verbose"};
  host_pool pool(tasks(), options);
  const auto argv = pool.call<std::vector<std::string>>("argv").get();
  ASSERT_EQ(argv.size(), 2U);
  EXPECT_EQ(argv[1], "--verbose");
}

TEST(python_hosts, load_a_changed_module_with_a_recycle) {
  expect_reload(python{.command = python_command()}, "edition.py", R"(
import os, time
def edition():
    return 'EDITION'
def held():
    open(__file__ + '.begun', 'w').close()
    for _ in range(60_000):
        if os.path.exists(__file__ + '.gate'):
            return edition()
        time.sleep(0.001)
)");
}

TEST(python_hosts, whose_module_cannot_be_loaded_do_not_come_up_and_say_why) {
  expect_text(
      start_failure_of(python{.module = "broken", .base = program_file(""), .command = python_command()}),
      "is not ready: ModuleNotFoundError: No module named 'no_such_package'");
}

}  // namespace
}  // namespace muster::test
