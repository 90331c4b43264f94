// SPDX-License-Identifier: MIT
// Mistakes that pools of such workers are known for (T36, T40, T42, T43, T45), with a program behind each
// worker.
#include <atomic>
#include <map>

#include "hosts/kit.hpp"

namespace muster::test {
namespace {

// T36: those under way when workers are told to go are answered all the same.
TEST(workers_with_hosts, that_are_recycled_under_load_lose_no_call) {
  process_options options = one_host(4);
  options.workers.min = options.workers.max = 2;
  options.grace = watchdog;
  host_pool pool(talker(), options);
  std::atomic<bool> over = false;
  std::vector<future<int>> calls;
  std::thread submitter([&] {
    for (int i = 0; !over || i < 1'000; ++i) {
      calls.push_back(pool.call<int>("add", i, 1));
      if (i >= 200) calls[static_cast<std::size_t>(i) - 200].wait();  // no faster than they are answered
    }
  });
  for (int round = 0; round < 3; ++round) EXPECT_EQ(pool.recycle().why, "");
  over = true;
  submitter.join();
  for (std::size_t i = 0; i < calls.size(); ++i) ASSERT_EQ(calls[i].get(), static_cast<int>(i) + 1);
  EXPECT_EQ(pool.stats().failed, 0U);
  EXPECT_EQ(pool.stats().workers_recycled, 6U);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

// T40: a start that fails is no reason not to start again.
TEST(workers_with_hosts, that_do_not_come_up_are_tried_again_until_they_do) {
  const scratch files;
  process_options options = one_host();
  options.start = false;
  std::atomic<int> failed = 0;
  host_pool pool(talker("fails unless " + files("licence")), options);
  pool.on(event_kind::start_failed, [&](const event&) { ++failed; });
  pool.on(event_kind::degraded, [](const event&) {});  // is expected
  std::thread starter([&] { EXPECT_NO_THROW(pool.start()); });
  EXPECT_TRUE(eventually([&] { return failed >= 2; }));
  touch(files("licence"));
  starter.join();
  EXPECT_EQ(pool.call<int>("add", 1, 2).get(), 3);
}

// T40: who is not ready in time is not left behind.
TEST(workers_with_hosts, that_are_not_ready_in_time_are_gone_with_their_program) {
  const scratch files;
  process_options options = one_host();
  options.ready_timeout = 500ms;
  const char* const script =
      "[ -e \"$1\" ] || { echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; }; exec sleep 1000";
  host_pool pool(program{.command = {"sh", "-c", script, "sh", files("pid")}}, options);
  pool.on(event_kind::degraded, [](const event&) {});  // is expected
  ASSERT_TRUE(appears(files("pid")));
  EXPECT_TRUE(eventually([&] { return !lives(std::stoi(lines_of(files("pid")).at(0))); }));
}

// T42: whoever is killed before a call has reached it does not answer it with nothing.
TEST(workers_with_hosts, that_are_killed_just_before_a_call_never_make_up_a_result) {
  host_pool pool(talker(), one_host());
  for (int round = 0; round < 6; ++round) {
    const int pid = pool.call<int>("pid").get();
    // Sometimes the program, sometimes its worker.
    ASSERT_TRUE(signal_process(round % 2 == 0 ? pid : state_of(pid).parent, SIGKILL));
    auto call = pool.call<int>("pid");
    try {
      EXPECT_NE(call.get(), pid);
    } catch (const unexpected_exit& e) {
      EXPECT_EQ(e.death().signal, SIGKILL);
    }
  }
}

// T43: that nobody reads what is being written harms that call alone.
TEST(workers_with_hosts, that_are_killed_while_much_is_sent_to_them_lose_that_call_alone) {
  host_pool pool(talker(), one_host());
  const std::string large(10U << 20U, 'x');
  for (int round = 0; round < 3; ++round) {
    const int pid = pool.call<int>("pid").get();
    ASSERT_TRUE(signal_process(pid, SIGSTOP));  // so it cannot have read it all
    auto call = pool.call<std::size_t>("echo", large);
    EXPECT_FALSE(call.wait_for(round * 10ms));
    ASSERT_TRUE(signal_process(pid, SIGKILL));
    EXPECT_EQ(error_of<unexpected_exit>(std::move(call))->death().signal, SIGKILL);
    EXPECT_EQ(pool.call<int>("add", round, 1).get(), round + 1);
  }
}

// T45: who calls while the only worker is ending, and takes its time, waits no longer than that one is let.
TEST(workers_with_hosts, that_end_slowly_when_idle_hold_up_no_call_for_long) {
  process_options options = one_host();
  options.workers = {.min = 0, .max = 1, .idle_timeout = 1ms};
  host_pool pool(talker(), options);
  for (int round = 0; round < 3; ++round) {
    pool.call<void>("at the end", std::map<std::string, std::string>{{"closed", "/dev/null"}, {"stays", ""}})
        .get();
    EXPECT_TRUE(eventually([&] { return pool.stats().count(worker_state::stopping) == 1; }));
    EXPECT_EQ(pool.call<int>("add", round, 2).get(), round + 2);
  }
  EXPECT_EQ(pool.stats().failed, 0U);
}

}  // namespace
}  // namespace muster::test
