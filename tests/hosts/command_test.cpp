// SPDX-License-Identifier: MIT
// Commands run anew for each task, and persistent workers in Bazel's protocol.
#include <unordered_set>

#include "hosts/kit.hpp"

namespace muster::test {
namespace {

command shell(const std::string& script) { return {.words = {"sh", "-c", script, "sh", "{}"}}; }

TEST(commands, run_anew_for_each_task_with_its_inputs_in_them) {
  host_pool pool(command{{"printf", "%s|", "{}", "{/.}", "{2}"}}, one_host(2));
  const program_result one = pool.run({"a b/c.d", "x"}).get();
  EXPECT_EQ(one.out, "a b/c.d|x|c x|x|");
  EXPECT_EQ(one.err, "");
  EXPECT_EQ(one.exit_code, 0);
  std::vector<future<program_result>> all;
  host_pool pids(shell("echo $$"), one_host(4));
  for (int i = 0; i < 40; ++i) all.push_back(pids.run({}));
  std::unordered_set<std::string> seen;
  for (auto& each : all) seen.insert(each.get().out);
  EXPECT_EQ(seen.size(), 40U);
}

TEST(commands, that_fail_are_named_errors_with_what_they_said) {
  host_pool pool(shell("echo partly; echo 'no such photo' >&2; eval \"$1\""), one_host());
  const auto failed = error_of<worker_error>(pool.run({"exit 3"}));
  EXPECT_EQ(failed->type(), "exit code 3");
  expect_text(failed->text(), ": no such photo");
  EXPECT_EQ(error_of<worker_error>(pool.run({"kill -SEGV $$"}))->type(), "signal SIGSEGV");
  EXPECT_EQ(pool.run({"true"}).get().out, "partly\n");
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(commands, that_fail_are_results_where_that_is_asked_for) {
  command what = shell("eval \"$1\"");
  what.check = false;
  host_pool pool(what, one_host());
  EXPECT_EQ(pool.run({"exit 3"}).get().exit_code, 3);
  const program_result killed = pool.run({"kill -KILL $$"}).get();
  EXPECT_EQ(killed.signal, SIGKILL);
  EXPECT_EQ(killed.exit_code, 137);
}

TEST(commands, that_cannot_be_started_are_named) {
  host_pool pool(command{{"no-such-command-anywhere", "{}"}}, one_host());
  expect_text(error_of<invalid_call>(pool.run({"x"}))->what(),
              "the command no-such-command-anywhere x could not be started: No such file or directory");
  EXPECT_THROW((void)pool.run({std::string("a\0b", 3)}), encode_error);
  EXPECT_THROW((void)pool.call<int>("add", 1), invalid_call);
}

TEST(commands, that_name_an_input_that_there_is_none_of_are_not_run) {
  host_pool pool(command{{"echo", "{1}/{2}"}}, one_host());
  expect_text(error_of<invalid_call>(pool.run({"x"}))->what(),
              "{2} stands for input 2 of a call, which has 1");
  EXPECT_EQ(pool.run({"x", "y"}).get().out, "x/y\n");
}

TEST(commands, keep_the_last_of_what_they_print_and_count_the_rest) {
  command what = shell("head -c 3000000 /dev/zero | tr '\\0' x; echo end; echo all >&2");
  what.keep = 1'000;
  host_pool pool(what, one_host());
  const program_result done = pool.run({}).get();
  EXPECT_EQ(done.out.size(), 1'000U);
  EXPECT_TRUE(done.out.ends_with("xend\n"));
  EXPECT_EQ(done.out_dropped, 3'000'004U - 1'000U);
  EXPECT_EQ(done.err, "all\n");
}

TEST(commands, that_are_cancelled_get_sigterm_with_all_they_have_started) {
  process_options options = one_host();
  options.grace = watchdog;
  const scratch files;
  host_pool pool(
      shell("trap 'touch \"" + files("told") + "\"; exit 1' TERM; sleep 1000 & echo $! > \"" +
            files("child") + ".new\"; mv \"" + files("child") + ".new\" \"" + files("child") + "\"; wait"),
      options);
  auto call = pool.run({});
  ASSERT_TRUE(appears(files("child")));
  const pid_t child = std::stoi(lines_of(files("child")).at(0));
  call.cancel();
  EXPECT_EQ(outcome_of(call), error_code::cancelled);
  EXPECT_TRUE(appears(files("told")));
  EXPECT_TRUE(eventually([&] { return !lives(child); }));
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(commands, that_are_late_and_deaf_are_ended_with_their_worker) {
  const scratch files;
  host_pool pool(shell("[ -n \"$1\" ] && exit 0; trap '' TERM; echo $$ > \"" + files("pid") +
                       "\"; while :; do sleep 1; done"),
                 one_host());
  auto late = pool.run({}, {.run_timeout = 500ms});
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  ASSERT_TRUE(appears(files("pid")));
  const pid_t pid = std::stoi(lines_of(files("pid")).at(0));
  EXPECT_TRUE(eventually([&] { return !lives(pid); }));
  EXPECT_EQ(pool.run({"well"}).get().exit_code, 0);
}

TEST(commands, leave_nothing_behind_that_runs_on) {
  const scratch files;
  host_pool pool(shell("sleep 1000 >/dev/null 2>&1 & echo $!"), one_host());
  const pid_t left = std::stoi(pool.run({}).get().out);
  EXPECT_TRUE(eventually([&] { return !lives(left); }));
}

// ---- Bazel

program bazel_worker() {
  return {.command = {python_command(), "-IS", program_file("bazel_worker.py"), "--persistent_worker"},
          .protocol = host_protocol::bazel};
}

TEST(bazel_workers, serve_requests_as_they_are) {
  host_pool pool(bazel_worker(), one_host());
  EXPECT_EQ(pool.run({"compile", "-O2", "a é.c"}).get().out, "compile -O2 a é.c");
  EXPECT_EQ(pool.run({"ids"}).get().out, "0");
  const auto failed = error_of<worker_error>(pool.run({"fail", "2"}));
  EXPECT_EQ(failed->type(), "exit code 2");
  expect_text(failed->text(), "no such file: a.c");
  EXPECT_THROW((void)pool.call<int>("add", 1), invalid_call);
}

TEST(bazel_workers, serve_several_requests_at_once_in_any_order) {
  program what = bazel_worker();
  what.command.emplace_back("--multiplex");
  host_pool pool(what, one_host(4));
  std::vector<future<program_result>> all;
  for (int i = 0; i < 16; ++i) all.push_back(pool.run({"hold", std::to_string(i)}));
  for (int i = 0; i < 16; ++i)
    EXPECT_EQ(all[static_cast<std::size_t>(i)].get().out, "hold " + std::to_string(i));
}

TEST(bazel_workers, are_told_to_cancel_where_they_understand_that) {
  program what = bazel_worker();
  what.cancels = true;
  process_options options = one_host();
  options.grace = watchdog;
  host_pool pool(what, options);
  const scratch files;
  auto call = pool.run({"wait", files("begun")});
  ASSERT_TRUE(appears(files("begun")));
  call.cancel();
  EXPECT_EQ(outcome_of(call), error_code::cancelled);
  EXPECT_EQ(pool.run({"still", "here"}).get().out, "still here");
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

}  // namespace
}  // namespace muster::test
