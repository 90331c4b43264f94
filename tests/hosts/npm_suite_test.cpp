// SPDX-License-Identifier: MIT
// The tests that the npm package @jjavery/worker-pool 0.5.0 has of itself, one by one: what it expects of its
// pool is expected of ours, with its own options (presets::node_worker_pool). Where ours does otherwise on
// purpose, the test says so. And the example of its page, in three languages.
#include <atomic>
#include <set>
#include <thread>

#include "hosts/kit.hpp"

namespace muster::test {
namespace {

process_options their_options() {
  process_options options = presets::node_worker_pool();
  options.ready_timeout = watchdog;  // there and in the preset 1 s, which says nothing on a busy machine
  options.worker_stderr = worker_stderr::keep;
  return options;
}

host_function of_suite(const char* name) { return {"./suite_worker", name}; }

// No module of the pool's own: as there, each call names one.
node without_module() { return {.base = program_file("")}; }

// getProcessCount(): workers, each of which has a Node.
std::size_t process_count(const host_pool& pool) { return pool.stats().alive(); }

// ---- the pool

TEST(npm_suite, a_pool_that_is_made_without_start_has_not_started) {
  process_options options = their_options();
  options.start = false;
  const host_pool pool(without_module(), options);
  EXPECT_FALSE(pool.is_started());
  EXPECT_FALSE(pool.is_stopping());
  // There it "is stopped" before it ever was started. Here that is a state of its own.
  EXPECT_FALSE(pool.is_stopped());
  EXPECT_EQ(pool.state(), pool_state::not_started);
}

TEST(npm_suite, a_pool_starts) {
  process_options options = their_options();
  options.start = false;
  host_pool pool(without_module(), options);
  pool.start();
  EXPECT_TRUE(pool.is_started());
  EXPECT_FALSE(pool.is_stopping());
  EXPECT_FALSE(pool.is_stopped());
}

TEST(npm_suite, a_pool_stops) {
  host_pool pool(without_module(), their_options());
  // There `stop` gives a promise and an idle pool is looked at before that is kept. Here it comes back when
  // all is over, so a call holds it up meanwhile.
  const scratch files;
  auto held = pool.call<int>(of_suite("held"), files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  std::thread stopping([&] { EXPECT_FALSE(pool.stop(watchdog).forced); });
  EXPECT_TRUE(eventually([&] { return pool.is_stopping(); }));
  EXPECT_FALSE(pool.is_started());
  EXPECT_FALSE(pool.is_stopped());
  touch(files("gate"));
  stopping.join();
  EXPECT_NE(held.get(), 0) << "and the call is answered, which there it is not";
  EXPECT_FALSE(pool.is_started());
  EXPECT_FALSE(pool.is_stopping());
  EXPECT_TRUE(pool.is_stopped());
}

TEST(npm_suite, a_pool_has_its_minimum_of_workers_from_start_to_stop) {
  process_options options = their_options();
  options.workers.min = 2;
  options.start = false;
  host_pool pool(without_module(), options);
  EXPECT_EQ(process_count(pool), 0U);
  pool.start();
  EXPECT_EQ(process_count(pool), 2U);
  pool.stop();
  EXPECT_EQ(process_count(pool), 0U);
}

TEST(npm_suite, a_function_of_a_module_is_called) {
  host_pool pool(without_module(), their_options());
  EXPECT_EQ(pool.call<std::string>(of_suite("same"), "test").get(), "test");
  EXPECT_EQ(pool.call<std::string>(of_suite("sameLater"), "test", 100).get(), "test");
}

TEST(npm_suite, a_function_of_a_module_is_called_through_a_proxy) {
  host_pool pool(without_module(), their_options());
  const auto same = pool.proxy<std::string(std::string)>(of_suite("same"));
  EXPECT_EQ(same("test").get(), "test");
}

// There three calls one after the other are two processes, since a worker is chosen before it is known who
// has nothing to do. Here one after the other is work for one; three at once are work for as many as there
// may be.
TEST(npm_suite, a_pool_has_no_more_workers_than_its_maximum) {
  process_options options = their_options();
  options.workers.max = 2;
  options.strategy = strategy::round_robin;
  std::atomic<int> most = 0;
  host_pool pool(without_module(), options);
  pool.on(event_kind::scaled, [&](const event& e) { most = std::max(most.load(), e.to); });
  const scratch files;
  std::vector<future<int>> calls;
  for (const char* const begun : {"1", "2", "3"})
    calls.push_back(pool.call<int>(of_suite("held"), files(begun), files("gate")));
  EXPECT_TRUE(eventually([&] { return exists(files("1")) + exists(files("2")) + exists(files("3")) == 2; }));
  EXPECT_EQ(process_count(pool), 2U);
  touch(files("gate"));
  std::set<int> pids;
  for (auto& call : calls) pids.insert(call.get());
  EXPECT_EQ(pids.size(), 2U);
  EXPECT_EQ(process_count(pool), 2U);
  EXPECT_LE(most, 2);
}

TEST(npm_suite, a_worker_that_exits_unexpectedly_fails_its_call_and_no_later_one) {
  host_pool pool(without_module(), their_options());
  const auto exit = pool.proxy<void()>(of_suite("exit"));
  // The exit code 0 is a death too.
  EXPECT_EQ(error_of<unexpected_exit>(exit())->death().exit_code, 0);
  EXPECT_EQ(error_of<unexpected_exit>(pool.call<void>(of_suite("exitLater"), 1))->death().exit_code, 0);
  const auto same = pool.proxy<std::string(std::string)>(of_suite("same"));
  EXPECT_EQ(same("test").get(), "test");
}

TEST(npm_suite, a_pool_is_recycled_beside_its_calls) {
  host_pool pool(without_module(), their_options());
  const auto same = pool.proxy<std::string(std::string, int)>(of_suite("sameLater"));
  auto before = same("before", 100);
  // `recycle` comes back when all is over; there it is a promise that nobody waits for.
  recycle_report report;
  std::thread recycling([&] { report = pool.recycle(); });
  EXPECT_EQ(same("meanwhile", 100).get(), "meanwhile");
  recycling.join();
  EXPECT_EQ(report.why, "");
  EXPECT_EQ(before.get(), "before") << "which there is lost";
}

TEST(npm_suite, a_call_of_a_stopped_pool_is_refused) {
  host_pool pool(without_module(), their_options());
  pool.stop();
  const auto same = pool.proxy<std::string(std::string)>(of_suite("same"));
  // There NotStartedError says it for both; here `not_started` is of a pool that was never started.
  EXPECT_THROW((void)same("test"), pool_stopped);
  process_options options = their_options();
  options.start = false;
  host_pool waiting(without_module(), options);
  EXPECT_THROW((void)waiting.call<std::string>(of_suite("same"), "test"), not_started);
}

TEST(npm_suite, what_a_function_throws_is_the_error_of_its_call) {
  host_pool pool(without_module(), their_options());
  const auto fail = pool.proxy<void()>(of_suite("fail"));
  EXPECT_EQ(error_of<worker_error>(fail())->text(), "as the test says");
}

class npm_strategies : public testing::TestWithParam<strategy> {};

TEST_P(npm_strategies, serve_calls) {
  process_options options = their_options();
  options.strategy = GetParam();
  host_pool pool(without_module(), options);
  EXPECT_EQ(pool.call<std::string>(of_suite("same"), "test").get(), "test");
}

INSTANTIATE_TEST_SUITE_P(each, npm_strategies,
                         testing::Values(strategy::fewest, strategy::fill, strategy::random,
                                         strategy::round_robin),
                         [](const auto& shown) { return std::string(name(shown.param)); });

// ---- a worker: there a class of its own, here what a pool of one has

process_options one_of_theirs() {
  process_options options = their_options();
  options.workers.min = options.workers.max = 1;
  options.start = false;
  return options;
}

TEST(npm_suite, a_worker_that_is_made_has_no_process_yet) {
  const host_pool pool(without_module(), one_of_theirs());
  EXPECT_EQ(process_count(pool), 0U);
}

TEST(npm_suite, a_worker_that_starts_has_a_process_until_it_stops) {
  host_pool pool(without_module(), one_of_theirs());
  pool.start();
  ASSERT_EQ(process_count(pool), 1U);
  int pid = 0;
  ASSERT_TRUE(eventually([&] { return (pid = pool.stats().workers.at(0).pid) != 0; }));
  EXPECT_TRUE(lives(pid));
  pool.stop();
  EXPECT_EQ(process_count(pool), 0U);
  EXPECT_FALSE(lives(pid));
}

TEST(npm_suite, a_worker_that_is_asked_gives_a_result) {
  host_pool pool(without_module(), one_of_theirs());
  pool.start();
  char name[256] = {};
  ASSERT_EQ(::gethostname(name, sizeof name - 1), 0);
  EXPECT_EQ(pool.call<std::string>({"os", "hostname"}).get(), name);
}

// ---- what runs in a worker: there it is called by itself, here through its pool

TEST(npm_suite, a_request_is_answered_under_its_number) {
  host_pool pool(without_module(), their_options());
  EXPECT_FALSE(pool.call<std::string>({"os", "hostname"}).get().empty());
  std::vector<future<int>> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(pool.call<int>(of_suite("same"), i));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(calls[static_cast<std::size_t>(i)].get(), i);
}

TEST(npm_suite, a_module_that_is_not_there_is_an_error) {
  host_pool pool(without_module(), their_options());
  const std::string nowhere = "a-module-that-nobody-has-installed-4711";
  const std::string told = error_of<invalid_call>(pool.call<std::string>({nowhere, "hostname"}))->what();
  expect_text(told, "there is no module '" + nowhere + "'");
  expect_text(told, "; it was wanted for its function 'hostname'");
}

TEST(npm_suite, a_function_that_is_not_there_is_an_error) {
  host_pool pool(without_module(), their_options());
  expect_text(error_of<invalid_call>(pool.call<std::string>({"os", "nobodysFunction"}))->what(),
              "module 'os' has no function 'nobodysFunction'; it has: ");
}

TEST(npm_suite, what_a_synchronous_function_throws_is_an_error) {
  host_pool pool(without_module(), their_options());
  const auto thrown = error_of<worker_error>(pool.call<void>(of_suite("fail")));
  EXPECT_EQ(thrown->type(), "Error");
  expect_text(thrown->backtrace(), "suite_worker.js:");
}

TEST(npm_suite, what_an_asynchronous_function_throws_is_an_error) {
  host_pool pool(without_module(), their_options());
  const auto thrown = error_of<worker_error>(pool.call<void>(of_suite("failLater")));
  EXPECT_EQ(thrown->type(), "Error");
  EXPECT_EQ(thrown->text(), "as the test says");
}

// ---- what its page says and its tests do not: its options, as a worker sees them

using words = std::vector<std::string>;

TEST(npm_options, cwd_args_and_env_are_those_of_the_worker_and_change_with_a_recycle_or_a_start) {
  const scratch one, two;
  process_options options = their_options();
  options.workers.min = 1;
  options.cwd = one("");
  options.args = {"--verbose"};
  options.env.set = {{"TOKEN", "old"}};
  host_pool pool(without_module(), options);
  const auto surroundings = pool.proxy<words()>(of_suite("surroundings"));
  const auto found = [&] {
    words all = surroundings().get();
    all.at(0) += "/";
    return all;
  };
  EXPECT_EQ(found(), (words{one(""), "old", "--verbose"}));
  EXPECT_EQ(pool.recycle({.cwd = two(""),
                          .args = words{"--quiet", "x y"},
                          .env = environment_options{.set = {{"TOKEN", "new"}}}})
                .why,
            "");
  EXPECT_EQ(found(), (words{two(""), "new", "--quiet", "x y"}));
  pool.stop();
  pool.start({.cwd = one(""), .args = words{}, .env = environment_options{}});
  EXPECT_EQ(found(), (words{one(""), "none"}));
}

TEST(npm_options, min_workers_stay_and_others_end_after_the_idle_timeout) {
  process_options options = their_options();
  options.workers = {.min = 1, .max = 3, .idle_timeout = 50ms};
  host_pool pool(without_module(), options);
  const scratch files;
  std::vector<future<int>> calls;
  for (const char* const begun : {"1", "2", "3"})
    calls.push_back(pool.call<int>(of_suite("held"), files(begun), files("gate")));
  for (const char* const begun : {"1", "2", "3"}) ASSERT_TRUE(appears(files(begun)));
  EXPECT_EQ(process_count(pool), 3U);
  touch(files("gate"));
  for (auto& call : calls) (void)call.get();
  EXPECT_TRUE(eventually([&] { return process_count(pool) == 1; }));
  EXPECT_EQ(pool.call<std::string>(of_suite("same"), "test").get(), "test");
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

class npm_stop_signals : public testing::TestWithParam<int> {};

TEST_P(npm_stop_signals, reach_the_modules_handler_when_the_pool_stops) {
  const scratch files;
  process_options options = their_options();
  options.stop = {{.signal = GetParam(), .patience = watchdog}};
  host_pool pool(without_module(), options);
  pool.call<void>(of_suite("listen"), files("log")).get();
  EXPECT_FALSE(pool.stop().forced);
  const words none;  // SIGKILL leaves no time for a handler
  EXPECT_EQ(lines_of(files("log")),
            GetParam() == SIGKILL ? none : words{"SIG" + std::string(sigabbrev_np(GetParam()))});
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

INSTANTIATE_TEST_SUITE_P(each, npm_stop_signals, testing::Values(SIGTERM, SIGINT, SIGHUP, SIGKILL),
                         [](const auto& of) { return std::string(sigabbrev_np(of.param)); });

TEST(npm_options, the_stop_timeout_ends_who_does_not_heed_the_signal) {
  const scratch files;
  process_options options = their_options();
  options.stop = {{.signal = SIGTERM, .patience = 50ms}};
  host_pool pool(without_module(), options);
  // Its handler does not end it, and it has always something to do.
  pool.call<void>(of_suite("stay"), files("log")).get();
  int pid = 0;
  ASSERT_TRUE(eventually([&] { return (pid = pool.stats().workers.at(0).pid) != 0; }));
  const stop_report report = pool.stop();
  EXPECT_EQ(lines_of(files("log")), words{"SIGTERM"});
  EXPECT_EQ(report.killed, 1U);
  EXPECT_FALSE(lives(pid));
}

// ---- the example of its page: 1 to 5 workers that are filled with 10 calls each, 1,000 calls, and stop at
// once (S148, T36). There all results are lost.

process_options of_the_example() {
  process_options options = their_options();
  options.workers = {.min = 1, .max = 5, .at_once = 10};
  options.strategy = strategy::fill;
  options.choose.full = 10;
  options.stop = {{.signal = SIGTERM, .patience = watchdog}};
  return options;
}

template <class Pool, class Function>
void expect_a_thousand_results(Pool& pool, const Function& do_some_work) {
  std::vector<future<std::string>> all;
  for (int i = 0; i < 1'000; ++i) all.push_back(do_some_work("bar"));
  EXPECT_FALSE(pool.stop(std::chrono::minutes(5)).forced);
  std::set<std::string> pids;
  for (auto& each : all) {
    const std::string text = each.get();
    expect_text(text, "Work \"bar\" completed in");
    pids.insert(text.substr(0, text.find(']')));
  }
  EXPECT_LE(pids.size(), 5U);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(npm_example, gives_all_its_results_in_javascript) {
  host_pool pool(node{.base = program_file("")}, of_the_example());
  expect_a_thousand_results(pool, pool.proxy<std::string(std::string)>({"./work", "doSomeWork"}));
}

TEST(npm_example, gives_all_its_results_in_python) {
  host_pool pool(python{.module = "./work.py", .base = program_file(""), .command = python_command()},
                 of_the_example());
  expect_a_thousand_results(pool, pool.proxy<std::string(std::string)>("do_some_work"));
}

TEST(npm_example, gives_all_its_results_in_cpp) {
  process_pool pool(of_the_example());
  expect_a_thousand_results(
      pool, pool.proxy<std::string(std::string)>(MUSTER_MODULES_DIR "/work.so", "do_some_work"));
}

}  // namespace
}  // namespace muster::test
