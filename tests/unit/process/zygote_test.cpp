// SPDX-License-Identifier: MIT
//
// Workers come from tests/children/zygote_user run as a zygote: its workers obey commands
// (obedient_worker.hpp).
#include "process/zygote.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/sanitizer.hpp"
#include "children/zygote_kit.hpp"
#include "process/zygote_link.hpp"

namespace muster::process {
namespace {

using namespace muster::test;

std::string child_program(const std::string& name) { return std::string(MUSTER_CHILDREN_DIR) + "/" + name; }

zygote_link opened() {
  auto link = zygote_link::open(child_program("zygote_user"));
  if (!link) throw std::runtime_error(link.error().text());
  return std::move(*link);
}

// One worker, started.
struct running {
  ordered_worker worker;
  started born;
};

// Ends of earlier workers, whose owner's half a test has let go of, are passed over.
running start(zygote_link& link, ipc::worker_birth birth) {
  auto worker = order_worker(link, std::move(birth));
  auto answer = next_answer(link);
  while (std::holds_alternative<ended>(answer)) answer = next_answer(link);
  if (auto* born = std::get_if<started>(&answer)) return {std::move(worker), std::move(*born)};
  const auto* failed = std::get_if<start_failed>(&answer);
  throw std::runtime_error("the worker did not start: " +
                           (failed != nullptr ? failed->reason.text() : "lost"));
}

TEST(zygote, twenty_workers_start_and_each_answers_as_itself) {
  auto link = opened();
  std::vector<ordered_worker> workers;
  for (std::uint32_t slot = 0; slot < 20; ++slot)
    workers.push_back(order_worker(link, birth_of(slot, 100 + slot)));
  std::map<std::uint32_t, pid_t> pids;
  for (int i = 0; i < 20; ++i) {
    const auto born = next<started>(link);
    EXPECT_EQ(born.generation, 100 + born.slot);
    EXPECT_FALSE(base::is_dead(born.pidfd.get()));
    pids[born.slot] = born.pid;
  }
  ASSERT_EQ(pids.size(), 20U);
  for (std::uint32_t slot = 0; slot < 20; ++slot)
    EXPECT_EQ(workers[slot].ask("pid"), std::to_string(pids[slot]));
}

TEST(zygote, an_end_is_reported_with_its_exit_code_or_signal_and_what_it_used) {
  auto link = opened();
  const auto leaver = start(link, birth_of(3, 5));
  ASSERT_TRUE(base::send_message(leaver.worker.control.get(), std::as_bytes(std::span("return 42", 10))));
  const auto left = next<ended>(link);
  EXPECT_EQ(left.slot, 3U);
  EXPECT_EQ(left.generation, 5U);
  EXPECT_EQ(left.pid, leaver.born.pid);
  EXPECT_TRUE(WIFEXITED(left.wait_status) && WEXITSTATUS(left.wait_status) == 42);
  EXPECT_GT(left.max_rss_kib, 0U);
  EXPECT_GT((left.user_time + left.system_time).count(), 0);
  EXPECT_TRUE(base::is_dead(leaver.born.pidfd.get()));

  const auto killed = start(link, birth_of(3, 6));
  ASSERT_TRUE(base::send_signal(killed.born.pidfd.get(), SIGUSR1));
  const auto died = next<ended>(link);
  EXPECT_EQ(died.generation, 6U);
  EXPECT_TRUE(WIFSIGNALED(died.wait_status) && WTERMSIG(died.wait_status) == SIGUSR1);
}

TEST(zygote, a_dead_worker_takes_its_process_group_with_it) {
  auto link = opened();
  const auto worker = start(link, birth_of(0));
  const auto grandchild = know(std::stoi(worker.worker.ask("fork")));
  ASSERT_FALSE(is_gone(grandchild));
  ASSERT_TRUE(base::send_message(worker.worker.control.get(), std::as_bytes(std::span("return 0", 9))));
  next<ended>(link);
  EXPECT_EQ(still_there({grandchild}, watchdog), 0U);
}

TEST(zygote, a_kill_order_reaches_the_whole_group_and_only_the_named_generation) {
  auto link = opened();
  const auto worker = start(link, birth_of(0, 9));
  const auto grandchild = know(std::stoi(worker.worker.ask("fork")));
  ASSERT_TRUE(link.kill(0, 8, SIGKILL));
  EXPECT_EQ(worker.worker.ask("pid"), std::to_string(worker.born.pid));
  ASSERT_TRUE(link.kill(0, 9, SIGTERM));
  EXPECT_EQ(WTERMSIG(next<ended>(link).wait_status), SIGTERM);
  EXPECT_EQ(still_there({grandchild}, watchdog), 0U);
}

TEST(zygote, ended_links_take_their_workers_and_no_others) {
  auto staying = opened();
  const auto stays = start(staying, birth_of(0));
  std::vector<known_process> gone;
  {
    auto link = opened();
    EXPECT_EQ(link.zygote_pid(), staying.zygote_pid());
    const auto worker = start(link, birth_of(0));
    gone = {know(worker.born.pid), know(std::stoi(worker.worker.ask("fork")))};
  }
  EXPECT_EQ(still_there(gone, watchdog), 0U);
  EXPECT_EQ(stays.worker.ask("pid"), std::to_string(stays.born.pid));
}

TEST(zygote, ending_the_workers_reports_every_end_and_then_closes) {
  auto link = opened();
  const auto first = start(link, birth_of(0)), second = start(link, birth_of(1));
  link.end_workers();
  EXPECT_EQ(WTERMSIG(next<ended>(link).wait_status), SIGKILL);
  EXPECT_EQ(WTERMSIG(next<ended>(link).wait_status), SIGKILL);
  next<lost>(link);
  EXPECT_FALSE(base::is_dead(link.zygote_descriptor()));
  EXPECT_FALSE(link.kill(0, 1, SIGKILL));
}

TEST(zygote, with_the_last_link_go_daemons_whose_worker_is_dead) {
  known_process daemon;
  {
    auto link = opened();
    const auto worker = start(link, birth_of(0));
    daemon = know(std::stoi(worker.worker.ask("daemon")));
    ASSERT_FALSE(is_gone(daemon));
  }
  EXPECT_EQ(still_there({daemon}, watchdog), 0U);
}

TEST(zygote, when_it_is_killed_links_say_lost_its_workers_die_and_a_new_link_works) {
  auto link = opened();
  const auto worker = start(link, birth_of(0));
  const std::vector gone = {know(worker.born.pid), know(std::stoi(worker.worker.ask("fork")))};
  const auto idle = opened();
  ASSERT_TRUE(base::send_signal(link.zygote_descriptor(), SIGKILL));
  next<lost>(link);
  next<lost>(link);
  EXPECT_TRUE(base::wait_until_dead(link.zygote_descriptor(), watchdog));
  EXPECT_EQ(still_there(gone, watchdog), 0U);
  EXPECT_FALSE(link.spawn({.birth = birth_of(1),
                           .control = 0,
                           .board = 0,
                           .requests = 0,
                           .replies = 0,
                           .bell = 0,
                           .error_output = 0}));
  auto fresh = opened();
  EXPECT_NE(fresh.zygote_pid(), link.zygote_pid());
  const auto next_worker = start(fresh, birth_of(0));
  EXPECT_EQ(next_worker.worker.ask("pid"), std::to_string(next_worker.born.pid));
}

// The processes that this zygote has forked and not yet told which worker they are.
std::vector<pid_t> spares_of(const zygote_link& link) {
  auto found = base::children_of(link.zygote_pid());
  std::erase_if(found, [](pid_t pid) {
    const auto status = base::status_of(pid);
    return !status || status->name != "muster-spare";
  });
  return found;
}

pid_t await_spare(const zygote_link& link) {
  const auto deadline = std::chrono::steady_clock::now() + watchdog;
  while (std::chrono::steady_clock::now() < deadline)
    if (const auto found = spares_of(link); !found.empty()) return found.front();
  throw std::runtime_error("no spare came");
}

TEST(zygote, a_worker_that_was_prepared_for_is_the_process_that_was_forked_ahead) {
  auto link = opened();
  EXPECT_TRUE(spares_of(link).empty()) << "nobody has asked for one";
  link.prepare();
  const pid_t spare = await_spare(link);
  const auto status = base::status_of(spare);
  ASSERT_TRUE(status);
  EXPECT_EQ(status->group, spare) << "it is no part of the zygote's group";
  link.prepare();
  const auto first = start(link, birth_of(0));
  EXPECT_EQ(first.born.pid, spare);
  const auto second = start(link, birth_of(1));
  EXPECT_NE(second.born.pid, spare);
  EXPECT_EQ(second.worker.ask("pid"), std::to_string(second.born.pid));
}

TEST(zygote, a_process_forked_ahead_that_has_died_is_forked_again) {
  auto link = opened();
  for (int round = 0; round < 20; ++round) {
    link.prepare();
    const auto spare = base::open_pidfd(await_spare(link));
    ASSERT_TRUE(spare);
    ASSERT_TRUE(base::send_signal(spare->get(), SIGKILL));
    ASSERT_TRUE(base::wait_until_dead(spare->get(), watchdog)) << "with all its threads";
    const auto worker = start(link, birth_of(0, 1 + static_cast<std::uint64_t>(round)));
    EXPECT_EQ(worker.worker.ask("pid"), std::to_string(worker.born.pid));
    ASSERT_TRUE(link.kill(0, 1 + static_cast<std::uint64_t>(round), SIGKILL));
    EXPECT_EQ(next<ended>(link).pid, worker.born.pid) << "and only workers are reported";
  }
}

TEST(zygote, after_a_crash_and_no_other_end_the_process_of_the_replacement_waits) {
  auto link = opened();
  const auto leaver = start(link, birth_of(0, 1));
  ASSERT_TRUE(base::send_message(leaver.worker.control.get(), std::as_bytes(std::span("return 0", 9))));
  next<ended>(link);
  const auto crasher = start(link, birth_of(0, 2));
  EXPECT_TRUE(spares_of(link).empty());
  ASSERT_TRUE(base::send_signal(crasher.born.pidfd.get(), SIGKILL));
  next<ended>(link);
  const pid_t spare = await_spare(link);
  EXPECT_EQ(start(link, birth_of(0, 3)).born.pid, spare);
}

TEST(zygote, with_the_last_link_goes_what_was_forked_ahead) {
  known_process spare;
  {
    auto link = opened();
    link.prepare();
    spare = know(await_spare(link));
  }
  EXPECT_EQ(still_there({spare}, watchdog), 0U);
}

TEST(zygote, it_is_named_single_threaded_in_its_own_session_and_deaf_to_ctrl_c) {
  auto link = opened();
  const auto status = base::status_of(link.zygote_pid());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->name, "muster-zygote");
  EXPECT_EQ(status->session, link.zygote_pid());
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::kill(link.zygote_pid(), signal);
  const auto worker = start(link, birth_of(0));
  EXPECT_EQ(worker.worker.ask("pid"), std::to_string(worker.born.pid));
}

TEST(zygote, a_program_that_ends_before_init_is_an_error_that_says_so_at_once) {
  const auto path =
      std::filesystem::temp_directory_path() / ("muster-" + std::to_string(::getpid()) + "-ends_with_7");
  std::filesystem::create_symlink(child_program("never_initialises"), path);
  const auto link = zygote_link::open(path.string(), watchdog);
  std::filesystem::remove(path);
  ASSERT_FALSE(link);
  EXPECT_NE(link.error().text().find("ended with exit code 7 before"), std::string::npos)
      << link.error().text();
}

TEST(zygote, a_program_that_never_calls_init_is_an_error_after_the_timeout_and_is_ended) {
  const auto link = zygote_link::open(child_program("never_initialises"), 200ms);
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ETIMEDOUT);
  EXPECT_NE(link.error().text().find("did not reach muster::init"), std::string::npos) << link.error().text();
  for (const pid_t pid : base::children_of(::getpid()))
    EXPECT_NE(base::status_of(pid).value_or(base::process_status()).name, "never_initialis");
}

TEST(zygote, a_program_that_does_not_exist_is_an_error_with_its_name) {
  const auto link = zygote_link::open("/no/such/program");
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ENOENT);
  EXPECT_NE(link.error().text().find("/no/such/program"), std::string::npos);
}

TEST(zygote, code_in_a_worker_that_calls_init_is_told_that_it_is_a_worker) {
  auto link = opened();
  EXPECT_EQ(start(link, birth_of(0)).worker.ask("init"), "this is a worker");
}

// ---- what a worker is born with ----

TEST(worker_birth, a_worker_has_only_its_own_descriptors) {
  auto link = opened();
  const auto worker = start(link, birth_of(0));
  EXPECT_EQ(worker.worker.ask("descriptors"), "0 1 2 3c 4c 5c 6c 7c ");
}

TEST(worker_birth, a_worker_ignores_catches_and_blocks_no_signal) {
  auto link = opened();
  const std::string found = start(link, birth_of(0)).worker.ask("signals");
  if (base::is_sanitized) {
    EXPECT_TRUE(found.starts_with("blocked: ignored: caught:")) << found;  // it catches faults
  } else {
    EXPECT_EQ(found, "blocked: ignored: caught:");
  }
}

TEST(worker_birth, a_worker_has_its_name_and_group_and_gains_no_privileges) {
  auto link = opened();
  auto birth = birth_of(12);
  EXPECT_EQ(start(link, birth).worker.ask("identity"), "muster-test-12 leader=1 privileges=1");
  birth.pool = "photographs";
  birth.generation = 2;
  EXPECT_EQ(start(link, birth).worker.ask("identity"), "muster-photo-12 leader=1 privileges=1");
}

TEST(worker_birth, a_worker_sees_the_passed_environment_and_nothing_secret) {
  ::setenv("MUSTER_TEST_SECRET", "x", 1);
  ::setenv("LC_MUSTER_TEST", "passed", 1);
  // A zygote that was made after these variables.
  const auto path =
      std::filesystem::temp_directory_path() / ("muster-" + std::to_string(::getpid()) + "-zygote");
  std::filesystem::create_symlink(child_program("zygote_user"), path);
  auto link = zygote_link::open(path.string());
  std::filesystem::remove(path);
  ASSERT_TRUE(link);
  auto birth = birth_of(0);
  birth.environment.set = {{"GREETING", "hello = you"}, {"HOME", "/elsewhere"}};
  const std::string usual = start(*link, birth).worker.ask("environment");
  EXPECT_NE(usual.find("GREETING=hello = you\n"), std::string::npos);
  EXPECT_NE(usual.find("HOME=/elsewhere\n"), std::string::npos);
  EXPECT_NE(usual.find("LC_MUSTER_TEST=passed\n"), std::string::npos);
  EXPECT_NE(usual.find("PATH="), std::string::npos);
  EXPECT_EQ(usual.find("MUSTER_TEST_SECRET"), std::string::npos);
  EXPECT_EQ(usual.find("MUSTER_ZYGOTE"), std::string::npos);
  birth.environment = {.pass_all = true, .pass = {}, .set = {}};
  const std::string all = start(*link, birth).worker.ask("environment");
  EXPECT_NE(all.find("MUSTER_TEST_SECRET=x\n"), std::string::npos);
  EXPECT_EQ(all.find("MUSTER_ZYGOTE"), std::string::npos);
  birth.environment = {.pass_all = false, .pass = {}, .set = {}};
  EXPECT_EQ(start(*link, birth).worker.ask("environment"), "(end)");
  ::unsetenv("MUSTER_TEST_SECRET");
  ::unsetenv("LC_MUSTER_TEST");
}

TEST(worker_birth, directory_arguments_init_call_limits_and_priority_are_as_ordered) {
  auto link = opened();
  auto birth = birth_of(0);
  birth.directory = "/proc";
  birth.arguments = {"--one", "two words", ""};
  birth.init_call = {std::byte{'a'}, std::byte{0}, std::byte{'b'}};
  birth.limits.open_files = 77;
  birth.nice = 3;
  const auto worker = start(link, birth);
  EXPECT_EQ(worker.worker.ask("directory"), "/proc");
  EXPECT_EQ(worker.worker.ask("arguments"), "--one|two words||");
  EXPECT_EQ(worker.worker.ask("init_call"), std::string("a\0b", 3));
  EXPECT_TRUE(worker.worker.ask("limits").starts_with("0 77 "));
  EXPECT_EQ(worker.worker.ask("nice"), std::to_string(::nice(0) + 3));
}

TEST(worker_birth, what_a_worker_writes_to_its_error_output_reaches_the_owner) {
  auto link = opened();
  const auto worker = start(link, birth_of(0));
  EXPECT_EQ(worker.worker.ask("complain"), "done");
  char text[64];
  EXPECT_EQ(
      std::string(text, static_cast<std::size_t>(::read(worker.worker.errors.get(), text, sizeof text))),
      "a complaint\n");
}

TEST(worker_birth, a_failing_step_is_reported_by_name_and_cause_and_only_once) {
  auto link = opened();
  auto birth = birth_of(4, 2);
  birth.directory = "/no/such/directory";
  static_cast<void>(order_worker(link, birth));
  const auto failed = next<start_failed>(link);
  EXPECT_EQ(failed.slot, 4U);
  EXPECT_EQ(failed.generation, 2U);
  EXPECT_EQ(failed.reason.code, ENOENT);
  EXPECT_EQ(failed.reason.text(), "enter the directory: No such file or directory (/no/such/directory)");
  birth.directory.reset();
  birth.environment.set = {{"", "x"}};
  birth.generation = 3;
  static_cast<void>(order_worker(link, birth));
  EXPECT_EQ(next<start_failed>(link).reason.step, "set the environment");
  // Nothing more came of the two: the next answer is the next worker's.
  EXPECT_EQ(start(link, birth_of(4, 4)).born.generation, 4U);
}

TEST(worker_birth, a_start_that_hangs_holds_up_nobody_and_can_be_killed) {
  auto link = opened();
  const auto fifo =
      std::filesystem::temp_directory_path() / ("muster-" + std::to_string(::getpid()) + "-fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  auto birth = birth_of(0, 1);
  birth.cgroup_procs = fifo;  // opening it for writing waits for a reader that never comes
  static_cast<void>(order_worker(link, birth));
  EXPECT_EQ(start(link, birth_of(1)).born.slot, 1U);
  ASSERT_TRUE(link.kill(0, 1, SIGKILL));
  auto answer = next_answer(link);
  while (std::holds_alternative<ended>(answer)) answer = next_answer(link);
  const auto& failed = std::get<start_failed>(answer);
  EXPECT_EQ(failed.reason.text(), "set up the worker (killed by signal 9)");
  std::filesystem::remove(fifo);
}

}  // namespace
}  // namespace muster::process
