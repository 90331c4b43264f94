// SPDX-License-Identifier: MIT
// Functions of Node modules, in a real Node.
#include "hosts/kit.hpp"

namespace muster::test {
namespace {

node tasks() { return {.module = program_file("tasks.cjs")}; }

std::vector<std::byte> some_bytes(std::size_t count) {
  std::vector<std::byte> all(count);
  for (std::size_t i = 0; i < count; ++i) all[i] = static_cast<std::byte>(i * 7);
  return all;
}

TEST(node_hosts, call_functions_plain_and_async_with_values_of_every_kind) {
  host_pool pool(tasks(), one_host());
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
  EXPECT_EQ(pool.call<std::string>("later", "done", 1).get(), "done");
  const std::map<std::string, std::vector<std::optional<double>>> value{{"a é 😀", {1, {}, 0.1}}, {"", {}}};
  EXPECT_EQ((pool.call<std::map<std::string, std::vector<std::optional<double>>>>("echo", value).get()),
            value);
  EXPECT_EQ(pool.call<std::optional<int>>("nothing").get(), std::nullopt);
  EXPECT_EQ(pool.call<std::optional<int>>("aFunction").get(), std::nullopt);
  EXPECT_EQ(pool.call<std::string>("date").get(), "1970-01-01T00:00:00.000Z");
}

TEST(node_hosts, have_ten_calls_at_once_and_answer_each_its_own) {
  host_pool pool(tasks(), one_host(10));
  std::vector<future<int>> all;
  for (int i = 0; i < 100; ++i) all.push_back(pool.call<int>("tenInReverse", i));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(all[static_cast<std::size_t>(i)].get(), i);
}

TEST(node_hosts, load_es_modules_other_modules_and_packages_of_node) {
  host_pool pool(node{.module = "./tasks.mjs", .base = program_file("")}, one_host());
  EXPECT_EQ(pool.call<int>("plus", 2).get(), 42);
  EXPECT_EQ(pool.call<int>("double", 21).get(), 42);
  EXPECT_EQ(pool.call<int>("halve", 84).get(), 42);
  EXPECT_EQ(pool.call<int>({"./tasks.cjs", "add"}, 40, 2).get(), 42);
  EXPECT_EQ(pool.call<std::string>({"node:path", "basename"}, "/a/b.txt").get(), "b.txt");
}

// S36, S38: both are named; and a module is that of when the pool was made, wherever the process goes.
TEST(node_hosts, name_the_module_and_the_function_that_are_not_there) {
  host_pool pool(tasks(), one_host());
  const std::string missing = error_of<invalid_call>(pool.call<int>("subtract", 1, 2))->what();
  expect_text(missing, "tasks.cjs' has no function 'subtract'; it has: add, echo");
  expect_text(error_of<invalid_call>(pool.call<int>("toString"))->what(), "has no function 'toString'");
  expect_text(error_of<invalid_call>(pool.call<int>({"./nowhere", "add"}, 1))->what(), "nowhere'");
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(node_hosts, find_a_proxys_module_wherever_the_process_has_gone_since) {
  const std::string before = std::filesystem::current_path().string();
  std::filesystem::current_path(program_file(""));
  host_pool pool(node{}, one_host());
  const auto add = pool.proxy<int(int, int)>({"./tasks.cjs", "add"});
  std::filesystem::current_path("/");
  EXPECT_EQ(add(1, 2).get(), 3);
  EXPECT_EQ(pool.call<int>({"./tasks.cjs", "add"}, 1, 2).get(), 3);
  std::filesystem::current_path(before);
  EXPECT_THROW((void)pool.call<int>("add", 1, 2), invalid_call);
}

TEST(node_hosts, pass_on_what_is_thrown_with_its_name_message_and_stack) {
  host_pool pool(tasks(), one_host());
  for (const char* const how : {"fail", "failLater"}) {
    const auto thrown = error_of<worker_error>(pool.call<int>(how));
    EXPECT_EQ(thrown->type(), "BadPhoto");
    expect_text(thrown->text(), "too dark");
    expect_text(thrown->backtrace(), "tasks.cjs:");
  }
  EXPECT_EQ(error_of<worker_error>(pool.call<int>("throwText"))->text(), "just text");
  EXPECT_EQ(error_of<worker_error>(pool.call<int>("throwStrange"))->text(),
            "what was thrown cannot be shown");
}

TEST(node_hosts, refuse_what_json_would_change) {
  host_pool pool(tasks(), one_host());
  const int pid = pool.call<int>("pid").get();
  expect_text(error_of<worker_error>(pool.call<int>("nan"))->what(), "TypeError: NaN has no JSON form");
  expect_text(error_of<worker_error>(pool.call<int>("infinite"))->what(), "Infinity has no JSON form");
  expect_text(error_of<worker_error>(pool.call<int>("big"))->what(), "a BigInt has no JSON form");
  expect_text(error_of<worker_error>(pool.call<int>("circle"))->what(), "contains itself");
  expect_text(error_of<worker_error>(pool.call<json>("deep", 1'000'000))->what(), "RangeError");
  expect_text(error_of<decode_error>(pool.call<std::string>("surrogate"))->what(), "half a surrogate pair");
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

TEST(node_hosts, that_are_given_what_nests_very_deep_live_on) {
  host_pool pool(tasks(), one_host());
  const int pid = pool.call<int>("pid").get();
  const std::string deep = std::string(1'000'000, '[') + std::string(1'000'000, ']');
  expect_text(error_of<worker_error>(pool.call<json>("echo", json{.text = deep, .attachments = {}}))->what(),
              "RangeError");
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

TEST(node_hosts, get_buffers_as_bytes_and_return_bytes_as_buffers) {
  host_pool pool(tasks(), one_host());
  buffer given = pool.lease(100'000);
  std::ranges::fill(given.bytes(), std::byte{7});
  const buffer back = pool.call<buffer>("echo", std::move(given)).get();
  EXPECT_EQ(back.size(), 100'000U);
  EXPECT_TRUE(std::ranges::all_of(back.bytes(), [](std::byte b) { return b == std::byte{7}; }));
  EXPECT_TRUE(eventually([&] { return pool.stats().arena.leased == 0; }));
}

TEST(node_hosts, carry_bytes_without_base64) {
  host_pool pool(tasks(), one_host());
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{3'000'000}}) {
    std::vector<std::byte> given = some_bytes(size);
    const auto back = pool.call<std::vector<std::byte>>("reverse", given).get();
    std::reverse(given.begin(), given.end());
    EXPECT_EQ(back, given);
  }
  const json typed = pool.call<json>("typed").get();
  EXPECT_EQ(typed.text, R"({"shorts":{"$bytes":0},"buffer":{"$bytes":1},"list":[{"$bytes":2}]})");
  ASSERT_EQ(typed.attachments.size(), 3U);
  EXPECT_EQ(typed.attachments[0].size(), 4U);
}

TEST(node_hosts, are_not_harmed_by_what_functions_print) {
  host_pool pool(tasks(), one_host());
  EXPECT_EQ(pool.call<int>("print", "{\"id\":1}").get(), 8);
  const auto dead = error_of<unexpected_exit>(pool.call<int>("exit", 3));
  EXPECT_EQ(dead->death().exit_code, 3);
  EXPECT_EQ(dead->death().last_stderr, "{\"id\":1}\n{\"id\":1,\"value\":\"forged\"}\n");
}

TEST(node_hosts, are_told_of_a_cancelled_call_by_an_abort_signal) {
  process_options options = one_host(2);
  options.grace = watchdog;
  host_pool pool(tasks(), options);
  const int pid = pool.call<int>("pid").get();
  const scratch files;
  auto call = pool.call<int>("untilCancelled", files("begun"), files("told"));
  ASSERT_TRUE(appears(files("begun")));
  call.cancel();
  EXPECT_EQ(outcome_of(call), error_code::cancelled);
  EXPECT_TRUE(exists(files("told")));
  EXPECT_EQ(pool.call<int>("pid").get(), pid);
}

TEST(node_hosts, that_compute_for_ever_are_ended_at_the_run_timeout) {
  host_pool pool(tasks(), one_host());
  const scratch files;
  auto call = pool.call<int>({.run_timeout = 300ms}, "spin", files("begun"));
  EXPECT_EQ(outcome_of(call), error_code::task_timeout);
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(node_hosts, tell_how_far_a_call_is) {
  host_pool pool(tasks(), one_host());
  std::atomic<bool> seen{false};
  pool.call<void>({.on_progress = [&](const task_progress& now) { seen = now.text == "half way"; }},
                  "halfWay")
      .get();
  EXPECT_TRUE(eventually([&] { return seen.load(); }));
}

TEST(node_hosts, that_end_are_deaths_with_their_cause) {
  host_pool pool(tasks(), one_host());
  EXPECT_EQ(error_of<unexpected_exit>(pool.call<int>("die", "SIGSEGV"))->death().signal, SIGSEGV);
  const auto escaped = error_of<unexpected_exit>(pool.call<int>("escape"));
  EXPECT_EQ(escaped->death().exit_code, 1);
  expect_text(escaped->death().last_stderr, "nobody caught this");
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

TEST(node_hosts, run_the_modules_own_handler_once_when_the_pool_stops) {
  for (const bool asked : {false, true}) {
    process_options options = one_host();
    options.grace = watchdog;
    if (asked) options.stop = {{.signal = SIGTERM, .patience = watchdog}};
    const scratch files;
    host_pool pool(tasks(), options);
    pool.call<void>("onTerm", files("term")).get();
    EXPECT_FALSE(pool.stop().forced);
    EXPECT_EQ(lines_of(files("term")), std::vector<std::string>{"SIGTERM"});
  }
}

TEST(node_hosts, find_their_arguments_behind_the_module) {
  process_options options = one_host();
  options.args = {"--verbose", "{}"};
  host_pool pool(tasks(), options);
  EXPECT_EQ(pool.call<std::vector<std::string>>("argv").get(),
            (std::vector<std::string>{program_file("tasks.cjs"), "--verbose", "{}"}));
}

TEST(node_hosts, load_a_changed_module_with_a_recycle) {
  expect_reload(node{}, "edition.js", R"(
const fs = require('node:fs');
exports.edition = () => 'EDITION';
exports.held = async () => {
  fs.writeFileSync(__filename + '.begun', '');
  while (!fs.existsSync(__filename + '.gate')) await new Promise((resolve) => setTimeout(resolve, 1));
  return exports.edition();
};
)");
}

TEST(node_hosts, whose_module_cannot_be_loaded_do_not_come_up_and_say_why) {
  expect_text(start_failure_of(node{.module = program_file("broken.cjs")}),
              "is not ready: RangeError: this module cannot be loaded");
}

}  // namespace
}  // namespace muster::test
