// SPDX-License-Identifier: MIT
// What a submitter calls a task, and the trace it belongs to: carried to the worker, in every error, event
// and log line, and gone after the task.
#include <mutex>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

const std::string a_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const std::string another_parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

std::string seen_by_context(context& about) {
  return std::string(about.id()) + "|" + std::string(about.label()) + "|" + about.trace().traceparent + "|" +
         about.trace().tracestate;
}
std::string seen_here() { return current_trace().traceparent + "|" + current_trace().tracestate; }
int fails_in_its_trace() { throw std::runtime_error(seen_here()); }

template <class Pool>
struct labels : testing::Test {};
TYPED_TEST_SUITE(labels, both_pools, pool_names);

TYPED_TEST(labels, and_traces_are_known_to_the_task) {
  TypeParam pool(1);
  const task_options options{.id = "page 3", .label = "thumbnail", .trace = {a_parent, "vendor=1,other=a b"}};
  EXPECT_EQ(pool.submit(options, seen_by_context).get(),
            "page 3|thumbnail|" + a_parent + "|vendor=1,other=a b");
  EXPECT_EQ(pool.submit(options, seen_here).get(), a_parent + "|vendor=1,other=a b");
  EXPECT_EQ(pool.submit(seen_by_context).get(), "|||");
}

TYPED_TEST(labels, of_traces_are_gone_after_the_task_also_when_it_threw) {
  TypeParam pool(1);
  EXPECT_EQ(pool.submit({.trace = {a_parent}}, seen_here).get(), a_parent + "|");
  EXPECT_EQ(pool.submit(seen_here).get(), "|");
  try {
    pool.submit({.trace = {a_parent}}, fails_in_its_trace).get();
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_EQ(e.what(), a_parent + "|");
  }
  EXPECT_EQ(pool.submit(seen_here).get(), "|");
  EXPECT_TRUE(current_trace().empty());
}

TYPED_TEST(labels, travel_with_arguments_of_every_size_and_with_each_attempt) {
  TypeParam pool(1);
  const auto length_and_trace = [](std::string text) {
    return std::to_string(text.size()) + " " + seen_here();
  };
  for (const std::size_t size : {std::size_t{0}, std::size_t{10}, std::size_t{5'000}, std::size_t{3'000'000}})
    EXPECT_EQ(
        pool.submit({.label = "long", .trace = {a_parent}}, length_and_trace, std::string(size, 'x')).get(),
        std::to_string(size) + " " + a_parent + "|");
  const scratch files;
  const auto fail_once = [](std::string mark) {
    if (exists(mark)) return seen_here();
    touch(mark);
    throw std::runtime_error("the first time");
  };
  const task_options twice{.retry = retry_options{.attempts = 2, .backoff = {.first = 1ms}, .on_error = true},
                           .trace = {a_parent}};
  EXPECT_EQ(pool.submit(twice, fail_once, files("mark")).get(), a_parent + "|");
}

TYPED_TEST(labels, are_in_errors_events_and_log_lines) {
  std::mutex mutex;
  std::vector<event> events;
  std::vector<log_line> lines;
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .log = [&](const log_line& line) {
                                           const std::lock_guard lock(mutex);
                                           lines.push_back(line);
                                         }});
    pool.on(event_kind::task_failed, [&](const event& e) {
      const std::lock_guard lock(mutex);
      events.push_back(e);
    });
    pool.post({.id = "page 3", .label = "thumbnail"}, [] {
      log(log_level::info, "no colour profile");
      throw std::runtime_error("torn");
    });
    blocker busy(pool);
    auto late = pool.submit({.queue_timeout = 1ms, .id = "page 4", .label = "thumbnail"}, echo, 1);
    try {
      late.get();
      FAIL();
    } catch (const task_timeout& e) {
      EXPECT_EQ(e.subject().label, "thumbnail");
      EXPECT_NE(std::string(e.what()).find("(thumbnail: page 4)"), std::string::npos) << e.what();
    }
  }
  const std::lock_guard lock(mutex);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].label, "thumbnail");
  EXPECT_EQ(events[0].task_id, "page 3");
  EXPECT_NE(events[0].text.find("(thumbnail: page 3)"), std::string::npos) << events[0].text;
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0].label, "thumbnail");
  EXPECT_NE(lines[0].line().find("(thumbnail: page 3)"), std::string::npos) << lines[0].line();
}

TYPED_TEST(labels, that_are_too_long_and_traces_that_are_none_are_refused_all_at_once) {
  TypeParam pool(1);
  try {
    pool.post({.label = std::string(257, 'x'), .trace = {"00-no-trace-01", "=,"}}, nothing);
    FAIL();
  } catch (const invalid_options& e) {
    for (const char* part : {"label = 257 bytes", "trace.traceparent = '00-no-trace-01'", "trace.tracestate"})
      EXPECT_NE(std::string(e.what()).find(part), std::string::npos) << part << " is missing in " << e.what();
  }
  EXPECT_EQ(code_of([&] { pool.post({.trace = {"", "a=b"}}, nothing); }), error_code::invalid_options);
}

TEST(traces, go_on_in_tasks_that_a_task_submits_unless_given_another) {
  thread_pool pool(2);
  const auto outer = [&pool] {
    return pool.submit(seen_here).get() + " " + pool.submit({.trace = {another_parent}}, seen_here).get() +
           " " + pool.submit({.priority = priority::high}, seen_here).get() + " " + seen_here();
  };
  EXPECT_EQ(pool.submit({.trace = {a_parent, "a=b"}}, outer).get(),
            a_parent + "|a=b " + another_parent + "| " + a_parent + "|a=b " + a_parent + "|a=b");
  EXPECT_EQ(pool.submit(outer).get(), "| " + another_parent + "| | |");
}

TEST(traces, go_on_from_a_worker_process_into_a_pool_of_threads_inside_it) {
  process_pool pool(1);
  const auto outer = [] {
    thread_pool inner(1);
    return inner.submit(seen_here).get();
  };
  EXPECT_EQ(pool.submit({.trace = {a_parent}}, outer).get(), a_parent + "|");
  EXPECT_EQ(pool.submit(outer).get(), "|");
}

}  // namespace
}  // namespace muster::test
