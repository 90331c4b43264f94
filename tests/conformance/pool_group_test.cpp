// SPDX-License-Identifier: MIT
// Named pools behind one door: routing by type, one stop, nothing left.
#include <csignal>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

pool_group_options three_kinds() {
  pool_group_options o;
  o.threads["cpu"].workers = {2};
  o.threads["io"].workers = {3};
  o.processes["memory"].workers = {1};
  o.default_pool = "cpu";
  return o;
}

std::size_t submitted(pool_group& group, const std::string& name) { return group.stats().at(name).submitted; }

TEST(pool_groups, run_each_type_on_its_own_pool) {
  pool_group group(three_kinds());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(group.submit("cpu", echo, i).get(), i);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(group.submit("io", {.priority = priority::high}, echo, i).get(), i);
  EXPECT_NE(group.submit("memory", process_id).get(), ::getpid());
  EXPECT_EQ(group.submit("io", process_id).get(), ::getpid());
  EXPECT_EQ(submitted(group, "cpu"), 5U);
  EXPECT_EQ(submitted(group, "io"), 4U);
  EXPECT_EQ(submitted(group, "memory"), 1U);
  EXPECT_EQ(group.names(), (std::vector<std::string>{"cpu", "io", "memory"}));
  EXPECT_EQ(group.pool("io").name(), "io");
}

TEST(pool_groups, send_unknown_types_to_the_default_or_refuse_them_naming_what_there_is) {
  {
    pool_group group(three_kinds());
    EXPECT_EQ(group.submit("xyz", echo, 1).get(), 1);
    EXPECT_EQ(submitted(group, "cpu"), 1U);
    EXPECT_EQ(group.pool_for("xyz"), "cpu");
  }
  auto options = three_kinds();
  options.default_pool = std::nullopt;
  pool_group group(options);
  try {
    (void)group.submit("xyz", echo, 1);
    FAIL() << "it was accepted";
  } catch (const unknown_pool& e) {
    EXPECT_EQ(e.code(), error_code::unknown_pool);
    for (const char* part : {"'xyz'", "'cpu'", "'io'", "'memory'"})
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
}

TEST(pool_groups, route_by_a_function_from_type_to_name) {
  auto options = three_kinds();
  options.route = [](std::string_view type) -> std::string {
    if (type == "bad") throw std::domain_error("no such type");
    return type.starts_with("read") ? "io" : std::string(type);
  };
  pool_group group(options);
  EXPECT_EQ(group.submit("read a file", echo, 1).get(), 1);
  EXPECT_EQ(submitted(group, "io"), 1U);
  EXPECT_EQ(group.submit({.label = "read a file"}, echo, 2).get(), 2);
  EXPECT_EQ(submitted(group, "io"), 2U);
  EXPECT_EQ(group.submit("else", echo, 1).get(), 1);
  EXPECT_EQ(submitted(group, "cpu"), 1U);
  EXPECT_THROW((void)group.submit("bad", echo, 1), std::domain_error);
}

TEST(pool_groups, give_each_pool_by_its_kind) {
  pool_group group(three_kinds());
  int here = 3;
  EXPECT_EQ(group.thread("cpu").submit([&here] { return ++here; }).get(), 4);
  EXPECT_NE(group.process("memory").submit(process_id).get(), ::getpid());
  EXPECT_EQ(code_of([&] { (void)group.process("cpu"); }), error_code::unknown_pool);
  EXPECT_EQ(code_of([&] { (void)group.thread("memory"); }), error_code::unknown_pool);
  EXPECT_EQ(code_of([&] { (void)group.pool("other"); }), error_code::unknown_pool);
}

TEST(pool_groups, tell_all_problems_of_all_pools_at_once_and_start_none) {
  auto options = three_kinds();
  options.threads["cpu"].workers = {-1};
  options.processes["memory"].retry.attempts = 0;
  options.processes["io"].workers = {1};
  options.default_pool = "nowhere";
  try {
    const pool_group group(options);
    FAIL() << "it was made";
  } catch (const invalid_options& e) {
    for (const char* part : {"'cpu'", "workers", "'memory'", "attempts", "'io'", "'nowhere'"})
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << e.what();
  }
  EXPECT_EQ(code_of([] { const pool_group none(pool_group_options{}); }), error_code::invalid_options);
}

// Each pool has a task that goes on until it is told to stop, so none could end before the deadline: had the
// pools been stopped one after the other, the second would still take tasks while the first is waited for.
TEST(pool_groups, stop_all_pools_side_by_side_within_one_deadline) {
  auto options = three_kinds();
  for (auto& [name, o] : options.threads) o.grace = 10s;
  for (auto& [name, o] : options.processes) o.grace = 10s;
  pool_group group(options);
  scratch files;
  std::vector<future<int>> running;
  for (const std::string name : {"cpu", "io", "memory"}) {
    running.push_back(group.submit(name, until_stopped, files(name), files(name + " seen")));
    ASSERT_TRUE(appears(files(name)));
  }
  const group_stop_report report = group.stop(1ms);
  EXPECT_TRUE(report.all.forced);
  EXPECT_EQ(report.pools.size(), 3U);
  for (const std::string name : {"cpu", "io", "memory"}) {
    EXPECT_TRUE(exists(files(name + " seen")));
    EXPECT_TRUE(report.pools.at(name).forced);
    EXPECT_EQ(code_of([&] { (void)group.submit(name, echo, 1); }), error_code::pool_stopped);
  }
  for (auto& f : running) EXPECT_EQ(f.get(), 1);
}

TEST(pool_groups, leave_no_worker_when_they_are_destroyed) {
  pid_t worker = 0;
  {
    pool_group group(three_kinds());
    worker = group.submit("memory", process_id).get();
    EXPECT_TRUE(signal_process(worker, 0));
    for (int i = 0; i < 100; ++i) (void)group.submit(i % 2 == 0 ? "io" : "memory", echo, i).wait_for(0ns);
  }
  EXPECT_TRUE(!signal_process(worker, 0) && errno == ESRCH);
}

TEST(pool_groups, close_and_wait_for_all) {
  pool_group group(three_kinds());
  std::atomic<int> ran = 0;
  for (int i = 0; i < 20; ++i) group.thread("cpu").post([&] { group.thread("io").post([&ran] { ++ran; }); });
  group.wait_idle();  // also for what one pool gives to another
  EXPECT_EQ(ran, 20);
  auto last = group.submit("memory", echo, 8);
  group.close();
  EXPECT_EQ(code_of([&] { (void)group.submit("io", echo, 1); }), error_code::pool_stopped);
  EXPECT_EQ(last.get(), 8);
}

TEST(pool_groups, have_a_beginning_of_three_specialised_pools) {
  const auto options = specialised_pools();
  EXPECT_EQ(options.threads.at("cpu").workers.min, 4);
  EXPECT_EQ(options.threads.at("io").workers.min, 8);
  EXPECT_EQ(options.threads.at("memory").workers.min, 2);
  pool_group group(options);
  group.start();
  for (const auto& [name, workers] : std::map<std::string, std::size_t>{{"cpu", 4}, {"io", 8}, {"memory", 2}})
    EXPECT_EQ(group.stats().at(name).workers.size(), workers) << name;
  EXPECT_EQ(group.submit("something else", echo, 1).get(), 1);
  EXPECT_EQ(submitted(group, "cpu"), 1U);
}

}  // namespace
}  // namespace muster::test
