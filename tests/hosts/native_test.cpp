// SPDX-License-Identifier: MIT
// Programs in C that are workers themselves (muster/worker.h): calls, failures, and how they live and end.
#include <array>
#include <cstdio>
#include <string>

#include <muster/worker.h>  // which is C++ too

#include "hosts/kit.hpp"

namespace muster::test {
namespace {

using bytes = std::vector<std::byte>;

native c_talker(const std::string& how = {}) {
  native what{.command = {MUSTER_NATIVES_DIR "/talker"}};
  if (!how.empty()) what.command.push_back(how);
  return what;
}

bytes bytes_of(std::string_view text) {
  const auto* const from = reinterpret_cast<const std::byte*>(text.data());
  return {from, from + text.size()};
}

std::string text_of(const bytes& from) { return {reinterpret_cast<const char*>(from.data()), from.size()}; }

std::string ask(host_pool& pool, const std::string& function, std::string_view input = {}) {
  return text_of(pool.call_bytes(function, bytes_of(input)).get());
}

TEST(native_programs, give_back_bytes_of_every_size_as_they_were) {
  host_pool pool(c_talker(), one_host());
  for (const std::size_t size :
       {0U, 1U, 72U, 73U, 254U, 255U, 256U, 60'000U, 70'000U, 1U << 20U, 2U << 20U}) {
    bytes given(size);
    for (std::size_t i = 0; i < size; ++i) given[i] = static_cast<std::byte>(i * 7 + i / 251);
    EXPECT_TRUE(pool.call_bytes("echo", given).get() == given) << size;
    EXPECT_TRUE(pool.call_bytes("give", bytes_of(std::to_string(size))).get() ==
                bytes(size, std::byte{0x5a}));
  }
}

TEST(native_programs, exchange_payloads_of_a_mebibyte_with_many_calls_in_flight) {
  host_pool pool(c_talker(), one_host(2));
  std::vector<bytes> given;
  std::vector<future<bytes>> all;
  for (int i = 0; i < 16; ++i) {
    given.emplace_back(1U << 20U, static_cast<std::byte>(i));
    all.push_back(pool.call_bytes("echo", given.back()));
  }
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_TRUE(all[i].get() == given[i]) << i;
}

TEST(native_programs, are_the_worker_and_not_its_child) {
  host_pool pool(c_talker(), one_host());
  const int pid = std::stoi(ask(pool, "pid"));
  ASSERT_EQ(pool.stats().workers.size(), 1U);
  EXPECT_EQ(pool.stats().workers[0].pid, pid);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(std::stoi(ask(pool, "pid")), pid);
}

TEST(native_programs, know_what_they_are_called_and_what_they_have_registered) {
  host_pool pool(c_talker(), one_host());
  EXPECT_EQ(ask(pool, "about").substr(0, 6), "about ");
  expect_text(ask(pool, "about"), " 1 with data");
}

TEST(native_programs, say_what_failed_in_them_and_live_on) {
  host_pool pool(c_talker(), one_host());
  const std::string pid = ask(pool, "pid");
  const auto failed = error_of<worker_error>(pool.call_bytes("fail", bytes_of("no light"), {.id = "cat"}));
  EXPECT_EQ(failed->type(), "too_dark");
  EXPECT_EQ(failed->text(), "no light");
  EXPECT_EQ(failed->subject().task_id, "cat");
  EXPECT_EQ(error_of<worker_error>(pool.call_bytes("silent", {}))->type(), "no_answer");
  expect_text(error_of<invalid_call>(pool.call_bytes("no such", {}))->what(), "no function 'no such'");
  EXPECT_EQ(ask(pool, "twice"), "first");
  EXPECT_EQ(ask(pool, "pid"), pid);
}

TEST(native_programs, tell_log_and_print_while_a_call_runs) {
  process_options options = one_host();
  std::mutex mutex;
  std::vector<log_line> lines;
  options.log = [&](const log_line& line) {
    const std::lock_guard lock(mutex);
    lines.push_back(line);
  };
  host_pool pool(c_talker(), options);
  task_progress seen;
  auto done =
      pool.call_bytes("tell", {}, {.capture = capture::keep, .on_progress = [&](const task_progress& now) {
                                     const std::lock_guard lock(mutex);
                                     seen = now;
                                   }});
  done.wait();
  EXPECT_EQ(done.output()->out, "printed");
  EXPECT_EQ(text_of(done.get()), "told");
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen.text == "half way" && seen.fraction == 0.5 && lines.size() == 1 &&
           lines[0].text == "it is dark" && lines[0].level == log_level::warning;
  }));
}

TEST(native_programs, are_told_of_a_cancelled_call_and_live_on) {
  process_options options = one_host();
  options.grace = watchdog;
  host_pool pool(c_talker(), options);
  const std::string pid = ask(pool, "pid");
  const scratch files;
  auto call = pool.call_bytes("until cancelled", bytes_of(files("begun") + "\n" + files("told")));
  ASSERT_TRUE(appears(files("begun")));
  call.cancel();
  EXPECT_TRUE(appears(files("told")));
  EXPECT_EQ(outcome_of(call), error_code::worker_error);
  EXPECT_EQ(ask(pool, "pid"), pid);
}

TEST(native_programs, that_do_not_listen_are_ended_at_the_run_timeout) {
  host_pool pool(c_talker(), one_host());
  const std::string pid = ask(pool, "pid");
  auto late = pool.call_bytes("meet", bytes_of("1000"), {.run_timeout = 20ms});
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  EXPECT_NE(ask(pool, "pid"), pid);
}

// S55: all of them run before any returns.
TEST(native_programs, have_ten_calls_at_once_and_answer_each_its_own) {
  host_pool pool(c_talker(), one_host(10));
  std::vector<future<bytes>> all;
  for (int i = 0; i < 10; ++i) all.push_back(pool.call_bytes("meet", bytes_of("10 " + std::to_string(i))));
  for (int i = 0; i < 10; ++i)
    EXPECT_EQ(text_of(all[static_cast<std::size_t>(i)].get()), "10 " + std::to_string(i));
}

TEST(native_programs, find_arguments_and_environment_and_recycle_changes_them) {
  process_options options = one_host();
  options.args = {"--verbose"};
  options.env.set = {{"COLOUR", "green"}};
  host_pool pool(c_talker("well"), options);
  EXPECT_EQ(ask(pool, "argv"), "well --verbose");
  EXPECT_EQ(ask(pool, "env", "COLOUR"), "green");
  EXPECT_EQ(ask(pool, "env", "MUSTER_WORKER"), "(none)");
  process_pool& plain = pool;
  EXPECT_FALSE(plain.recycle(worker_changes{.args = std::vector<std::string>{"--quiet"}}).rolled_back);
  EXPECT_EQ(ask(pool, "argv"), "well --quiet");
}

TEST(native_programs, leave_nothing_of_the_worker_to_what_they_start) {
  host_pool pool(c_talker(), one_host());
  EXPECT_EQ(ask(pool, "child"), "");
}

TEST(native_programs, are_called_as_nothing_else_and_nothing_else_as_they) {
  host_pool pool(c_talker(), one_host());
  expect_text(error_of<invalid_call>(pool.submit([](int x) { return x; }, 7))->what(), "call_bytes");
  expect_text(error_of<invalid_call>(pool.submit([] { return 7; }))->what(), "call_bytes");
  expect_text(error_of<invalid_call>(pool.submit([](const std::string&, const bytes& b) { return b; }, "echo",
                                                 bytes_of("a function of this program's")))
                  ->what(),
              "call_bytes");
  EXPECT_THROW((void)pool.call<int>("echo", 1), invalid_call);
  EXPECT_THROW((void)pool.run({"echo"}), invalid_call);
  EXPECT_EQ(ask(pool, "echo", "well"), "well");
  host_pool lines(talker(), one_host());
  EXPECT_THROW((void)lines.call_bytes("echo", {}), invalid_call);
}

TEST(native_programs, are_refused_the_functions_that_only_this_program_has) {
  process_options options = one_host();
  options.init = [] {};
  options.health.check = [] { return true; };
  options.hooks.keep_alive = [] {};
  options.faults = {{.at = fault_step::before_init}};
  try {
    host_pool pool(c_talker(), options);
    ADD_FAILURE() << "it was made";
  } catch (const invalid_options& e) {
    for (const char* const each : {"init", "health.check", "hooks.keep_alive", "faults"})
      expect_text(e.what(), each);
  }
  EXPECT_THROW(host_pool(native{}, one_host()), invalid_options);
  host_pool pool(c_talker(), one_host());
  process_pool& plain = pool;
  EXPECT_THROW((void)plain.recycle({.canary = [] {}}), invalid_options);
  EXPECT_EQ(ask(pool, "echo", "well"), "well");
}

// ---- the end

TEST(native_programs, that_end_in_a_call_are_deaths_with_their_own_status) {
  host_pool pool(c_talker(), one_host());
  const auto left = error_of<unexpected_exit>(pool.call_bytes("exit", bytes_of("3")));
  EXPECT_EQ(left->death().cause, death_cause::exited);
  EXPECT_EQ(left->death().exit_code, 3);
  EXPECT_EQ(left->death().last_stderr, "last words\n");
  for (const int signal : {SIGABRT, SIGKILL, SIGTERM}) {
    const auto died = error_of<unexpected_exit>(pool.call_bytes("die", bytes_of(std::to_string(signal))));
    EXPECT_EQ(died->death().cause, death_cause::signalled);
    EXPECT_EQ(died->death().signal, signal);
  }
  EXPECT_EQ(ask(pool, "echo", "well"), "well");
  EXPECT_EQ(pool.stats().workers_died, 4U);
}

// Who crashes says where, as any worker does: the names are the program's.
TEST(native_programs, that_crash_are_explained_by_their_own_functions) {
  if (base::is_sanitized) GTEST_SKIP() << "the sanitizer's report is the better one";
  host_pool pool(c_talker(), one_host());
  const auto died = error_of<unexpected_exit>(pool.call_bytes("die", bytes_of(std::to_string(SIGSEGV))));
  EXPECT_EQ(died->death().signal, SIGSEGV);
  bool is_named = false;
  for (const auto& frame : died->death().backtrace) is_named = is_named || frame.function == "die";
  EXPECT_TRUE(is_named) << died->death().text();
}

TEST(native_programs, that_end_while_idle_are_replaced_and_cost_no_call) {
  host_pool pool(c_talker(), one_host());
  const int pid = std::stoi(ask(pool, "pid"));
  ASSERT_TRUE(signal_process(pid, SIGKILL));
  ASSERT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  EXPECT_NE(std::stoi(ask(pool, "pid")), pid);
}

// T36
TEST(native_programs, answer_everything_that_was_accepted_before_a_stop) {
  host_pool pool(c_talker(), one_host());
  std::vector<future<bytes>> all;
  for (int i = 0; i < 1'000; ++i) all.push_back(pool.call_bytes("echo", bytes_of(std::to_string(i))));
  EXPECT_FALSE(pool.stop().forced);
  for (std::size_t i = 0; i < all.size(); ++i) EXPECT_EQ(text_of(all[i].get()), std::to_string(i));
}

TEST(native_programs, that_do_not_come_up_are_told_with_their_cause_at_once) {
  expect_text(start_failure_of(native{.command = {"/no/such/program"}}),
              "its program /no/such/program could not be started: No such file or directory");
  expect_text(start_failure_of(native{.command = {MUSTER_SOURCE_DIR "/README.md"}}), "Permission denied");
  expect_text(start_failure_of(c_talker("leaves at once")), "exited with code 7");
  expect_text(start_failure_of(c_talker("leaves when it is open")), "exited with code 8");
  expect_text(start_failure_of(c_talker("refuses")), "there is no licence on this machine");
  // Two editions that do not fit say so, whatever else they do not understand of each other.
  const std::string misfit = start_failure_of(c_talker("is of another edition"));
  expect_text(misfit, "this program is linked with muster " + std::string(version()));
  expect_text(misfit, "is not that of its pool's muster 7.0.0");
}

TEST(native_programs, that_are_no_workers_or_never_run_are_ended_at_the_ready_timeout) {
  for (const native& what : {c_talker("never runs"), native{.command = {"sleep", "1000"}}}) {
    process_options options = one_host();
    options.ready_timeout = 300ms;
    options.start = false;
    host_pool pool(what, options);
    EXPECT_THROW(pool.start(), not_ready);
  }
}

TEST(native_programs, that_nobody_has_started_as_workers_say_so) {
  std::array<char, 500> said{};
  FILE* const output = ::popen(MUSTER_NATIVES_DIR "/talker 2>&1", "r");
  ASSERT_NE(output, nullptr);
  const std::size_t size = std::fread(said.data(), 1, said.size() - 1, output);
  EXPECT_EQ(WEXITSTATUS(::pclose(output)), 1);
  expect_text(std::string(said.data(), size), "a pool has to start it");
}

// ---- and those that lie

TEST(hostile_native_programs, that_send_half_a_message_and_end_cost_their_call_and_nothing_else) {
  host_pool pool(c_talker(), one_host());
  auto f = pool.call_bytes("half a message", {});
  const auto how = outcome_of(f);
  EXPECT_TRUE(how == error_code::protocol_violation || how == error_code::unexpected_exit);
  EXPECT_EQ(ask(pool, "echo", "well"), "well");
  EXPECT_FALSE(start_failure_of(c_talker("sends half a message")).empty());
}

TEST(hostile_native_programs, that_send_what_is_no_message_are_replaced) {
  host_pool pool(c_talker(), one_host());
  const std::string pid = ask(pool, "pid");
  try {
    EXPECT_EQ(text_of(pool.call_bytes("unknown message", bytes_of("answered before it was found")).get()),
              "answered before it was found");
  } catch (const protocol_violation&) {}
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  EXPECT_NE(ask(pool, "pid"), pid);
}

TEST(hostile_native_programs, that_write_over_all_they_share_are_replaced) {
  host_pool pool(c_talker(), one_host());
  const std::string pid = ask(pool, "pid");
  try {  // its own answer comes after that, and is whole
    EXPECT_EQ(ask(pool, "scribble", "answered before it was found"), "answered before it was found");
  } catch (const protocol_violation& e) {
    EXPECT_EQ(e.death().cause, death_cause::protocol_violation);
  }
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  EXPECT_NE(ask(pool, "pid"), pid);
}

TEST(hostile_native_programs, that_hang_up_are_replaced) {
  host_pool pool(c_talker(), one_host());
  const std::string pid = ask(pool, "pid");
  auto f = pool.call_bytes("hang up", {});
  EXPECT_NE(outcome_of(f), std::nullopt);
  EXPECT_NE(ask(pool, "pid"), pid);
}

}  // namespace
}  // namespace muster::test
