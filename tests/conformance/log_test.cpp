// SPDX-License-Identifier: MIT
// What tasks say while they run: lines of a log, and progress. One text for both kinds of pool.
#include <sys/wait.h>

#include <atomic>
#include <cmath>
#include <condition_variable>
#include <mutex>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// Lines as they arrive; a sink that a test can hold.
class listener {
public:
  log_sink sink() {
    return [this](const log_line& line) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return !held_; });
      lines_.push_back(line);
      changed_.notify_all();
    };
  }
  void hold(bool held) {
    const std::lock_guard lock(mutex_);
    held_ = held;
    changed_.notify_all();
  }
  std::vector<log_line> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, watchdog, [&] { return lines_.size() >= count; }));
    return lines_;
  }
  std::vector<log_line> now() {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  std::vector<log_line> lines_;
};

void say(log_level level, std::string text) { log(level, text); }
void say_often(int count) {
  for (int i = 0; i < count; ++i) log(log_level::info, std::to_string(i));
}
void say_from_a_thread(std::string text) {
  std::thread([&] { log(log_level::warning, text); }).join();
}

template <class Pool>
struct logs : testing::Test {};
TYPED_TEST_SUITE(logs, both_pools, pool_names);

TYPED_TEST(logs, arrive_with_their_task_and_worker_before_its_future_goes_on) {
  listener heard;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .log = heard.sink(), .name = "pages"});
  ASSERT_TRUE(eventually([&] {  // its pid comes from the zygote, perhaps after its first words
    return ready_workers(pool) == 1 && (pool.stats().workers[0].pid != 0 || !has_processes<TypeParam>);
  }));
  const auto before = std::chrono::system_clock::now();
  std::size_t heard_before = 0;
  auto f = pool.submit({.id = "page 3"}, say, log_level::warning, "no colour profile");
  const auto number = f.task();
  f.then([&] { heard_before = heard.now().size(); }).get();
  EXPECT_EQ(heard_before, 1U);
  const log_line line = heard.wait_for(1)[0];
  EXPECT_EQ(line.level, log_level::warning);
  EXPECT_EQ(line.text, "no colour profile");
  EXPECT_EQ(line.task, number);
  EXPECT_EQ(line.task_id, "page 3");
  EXPECT_EQ(line.pool, "pages");
  EXPECT_EQ(line.worker, 0U);
  EXPECT_GE(line.time, before);
  EXPECT_LE(line.time, std::chrono::system_clock::now());
  EXPECT_EQ(line.pid != 0, has_processes<TypeParam>);
  EXPECT_EQ(line.dropped, 0U);
  EXPECT_EQ(line.line(), "[pages-0 task " + std::to_string(number) + " (page 3)] warning: no colour profile");
}

TYPED_TEST(logs, of_a_task_come_in_order_and_by_its_context_too) {
  listener heard;
  TypeParam pool(options_of<TypeParam>{.workers = {2}, .log = heard.sink()});
  auto f = pool.submit(
      [](context& about, int count) {
        for (int i = 0; i < count; ++i) about.log(log_level::debug, std::to_string(i));
      },
      50);
  const auto number = f.task();
  f.get();
  const auto lines = heard.wait_for(50);
  for (std::size_t i = 0; i < 50; ++i) {
    EXPECT_EQ(lines[i].text, std::to_string(i));
    EXPECT_EQ(lines[i].task, number);
  }
}

TYPED_TEST(logs, that_are_too_long_are_cut_and_say_so) {
  listener heard;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .log = heard.sink()});
  pool.submit(say, log_level::info, std::string(100'000, 'x')).get();
  const std::string text = heard.wait_for(1)[0].text;
  EXPECT_LE(text.size(), 4'096U);
  EXPECT_GT(text.size(), 4'000U);
  EXPECT_TRUE(text.starts_with("xxxx"));
  EXPECT_TRUE(text.ends_with(" bytes]")) << text.substr(text.size() - 60);
}

TYPED_TEST(logs, that_nobody_takes_are_dropped_and_counted_and_hold_up_no_task) {
  listener heard;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .log = heard.sink()});
  heard.hold(true);
  pool.submit(say_often, 20'000).get();  // it returns though the sink does not
  heard.hold(false);
  ASSERT_TRUE(eventually([&] {
    pool.submit(say, log_level::info, "last").get();
    const auto lines = heard.now();
    return !lines.empty() && lines.back().text == "last";
  }));
  std::size_t got = 0, lost = 0, lasts = 0;
  int latest = -1;
  // What was dropped after the last line that got through is told by none; here the loop above saw one.
  for (const log_line& line : heard.now()) {
    lost += line.dropped;
    if (line.text == "last") {
      ++lasts;
      continue;
    }
    ++got;
    EXPECT_GT(std::stoi(line.text), latest);
    latest = std::stoi(line.text);
  }
  EXPECT_LT(got, 20'000U);
  EXPECT_GE(got + lost, 20'000U);
  EXPECT_GT(lasts, 0U);
}

TYPED_TEST(logs, of_a_sink_that_throws_harm_nobody) {
  std::atomic<int> calls = 0;
  TypeParam pool(options_of<TypeParam>{.workers = {1}, .log = [&](const log_line&) {
                                         ++calls;
                                         throw std::runtime_error("a sink of a test");
                                       }});
  testing::internal::CaptureStderr();
  pool.submit(say, log_level::info, "one").get();
  pool.submit(say, log_level::info, "two").get();
  EXPECT_TRUE(eventually([&] { return calls == 2; }));
  pool.stop();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("a log sink threw: a sink of a test"),
            std::string::npos);
}

TYPED_TEST(logs, without_a_sink_are_lines_on_standard_error) {
  testing::internal::CaptureStderr();
  {
    TypeParam pool(options_of<TypeParam>{.workers = {1}, .name = "p"});
    pool.submit({.id = "x"}, say, log_level::error, "no sink").get();
    pool.stop();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_NE(text.find("[p-0 task "), std::string::npos) << text;
  EXPECT_NE(text.find(" (x)] error: no sink\n"), std::string::npos) << text;
}

TEST(logs_of_processes, belong_to_the_task_that_runs_whichever_thread_speaks) {
  listener heard;
  process_pool pool({.workers = {1}, .log = heard.sink()});
  auto f = pool.submit(say_from_a_thread, "from a thread");
  const auto number = f.task();
  f.get();
  EXPECT_EQ(heard.wait_for(1)[0].task, number);
}

TEST(logs_of_processes, of_the_init_function_belong_to_no_task) {
  listener heard;
  process_pool pool({.workers = {1}, .init = [] { log(log_level::info, "born"); }, .log = heard.sink()});
  pool.start();
  const log_line line = heard.wait_for(1)[0];
  EXPECT_EQ(line.text, "born");
  EXPECT_EQ(line.task, 0U);
  EXPECT_EQ(line.worker, 0U);
  EXPECT_EQ(line.generation, 1U);
}

// The loop is held, by a sink that runs on it, until the next task is over: so it sees the reply of that one
// and its line together.
TEST(logs_of_processes, have_their_task_though_its_reply_is_seen_first) {
  scratch files;
  std::vector<log_line> lines;  // the loop's until the pool has stopped
  process_pool pool({.workers = {1},
                     .strategy = strategy::round_robin,  // all are placed at once
                     .callbacks = [](const std::function<void()>& work) { work(); },
                     .log =
                         [&](const log_line& line) {
                           lines.push_back(line);
                           if (line.text != "first") return;
                           touch(files("heard"));
                           (void)appears(files("third"));
                         }});
  std::optional<blocker<process_pool>> busy(pool);
  pool.post(say, log_level::info, "first");
  auto second = pool.submit(
      [](std::string heard) {
        (void)appears(heard);
        log(log_level::info, "second");
      },
      files("heard"));
  const auto number = second.task();
  pool.post(touch, files("third"));
  busy.reset();
  second.get();
  pool.stop();
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].text, "second");
  EXPECT_EQ(lines[1].task, number);
}

TEST(logs_of_processes, said_before_a_crash_arrive_with_their_task) {
  listener heard;
  process_pool pool({.workers = {1}, .worker_stderr = worker_stderr::keep, .log = heard.sink()});
  auto f = pool.submit([] {
    log(log_level::error, "goodbye");
    std::abort();
  });
  const auto number = f.task();
  EXPECT_EQ(outcome_of(f), error_code::unexpected_exit);
  const log_line line = heard.wait_for(1)[0];
  EXPECT_EQ(line.text, "goodbye");
  EXPECT_EQ(line.task, number);
}

TEST(logs_of_processes, of_a_child_that_a_task_forks_are_not_the_workers) {
  listener heard;
  process_pool pool({.workers = {1}, .log = heard.sink()});
  pool.submit([](context& about) {
        const pid_t child = ::fork();
        if (child == 0) {
          log(log_level::info, "child");
          about.log(log_level::info, "child");
          about.progress(1, "child");
          ::_exit(0);
        }
        ::waitpid(child, nullptr, 0);
        log(log_level::info, "parent");
      })
      .get();
  EXPECT_EQ(heard.wait_for(1)[0].text, "parent");
  EXPECT_EQ(heard.now().size(), 1U);
}

// -----------------------------------------------------------------------------------------------------------
// progress

class watcher {
public:
  progress_handler handler() {
    return [this](const task_progress& p) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(p);
    };
  }
  std::vector<task_progress> now() {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

private:
  std::mutex mutex_;
  std::vector<task_progress> seen_;
};

int go_on(context& about, int steps) {
  for (int i = 1; i <= steps; ++i)
    about.progress(static_cast<double>(i) / steps, "step " + std::to_string(i));
  return steps;
}
int show_and_hold(context& about, double fraction, std::string gate) {
  about.progress(fraction, "held");
  return appears(gate) ? 1 : 0;
}

template <class Pool>
struct progress_of : testing::Test {};
TYPED_TEST_SUITE(progress_of, both_pools, pool_names);

TYPED_TEST(progress_of, a_task_is_seen_while_it_runs) {
  TypeParam pool(1);
  watcher seen;
  scratch files;
  auto f = pool.submit({.id = "me", .on_progress = seen.handler()}, show_and_hold, 0.25, files("gate"));
  ASSERT_TRUE(eventually([&] { return seen.now().size() == 1; }));
  const task_progress one = seen.now()[0];
  EXPECT_EQ(one.fraction, 0.25);
  EXPECT_EQ(one.text, "held");
  EXPECT_EQ(one.task, f.task());
  EXPECT_EQ(one.task_id, "me");
  touch(files("gate"));
  EXPECT_EQ(f.get(), 1);
}

TYPED_TEST(progress_of, a_task_never_goes_back_and_its_last_comes_before_its_future_goes_on) {
  TypeParam pool(2);
  for (int round = 0; round < 20; ++round) {
    watcher seen;
    double last_before = 0;
    pool.submit({.on_progress = seen.handler()}, go_on, 1'000)
        .then([&](int) {
          const auto all = seen.now();
          last_before = all.empty() ? -1 : all.back().fraction;
        })
        .get();
    EXPECT_EQ(last_before, 1.0);
    double before = 0;
    for (const task_progress& each : seen.now()) {
      EXPECT_GT(each.fraction, before);
      EXPECT_EQ(each.text, "step " + std::to_string(std::lround(each.fraction * 1'000)));
      before = each.fraction;
    }
  }
}

TYPED_TEST(progress_of, tasks_that_follow_each_other_closely_ends_with_the_last_word_of_each) {
  TypeParam pool(1);
  std::vector<watcher> seen(200);
  std::vector<future<void>> all;
  for (watcher& each : seen)
    all.push_back(pool.submit({.on_progress = each.handler()}, go_on, 3).then([](int) {}));
  for (auto& f : all) f.get();
  for (watcher& each : seen) {
    ASSERT_FALSE(each.now().empty());
    EXPECT_EQ(each.now().back().fraction, 1.0);
  }
}

TYPED_TEST(progress_of, a_task_is_between_0_and_1_and_its_text_is_cut) {
  TypeParam pool(1);
  watcher seen;
  const auto said = [&](double fraction, std::string text) {
    const std::size_t before = seen.now().size();
    pool.submit(
            {.on_progress = seen.handler()},
            [](context& about, double f, std::string t) { about.progress(f, t); }, fraction, text)
        .then([] {})
        .get();
    const auto all = seen.now();
    return all.size() > before ? std::optional(all.back()) : std::nullopt;
  };
  EXPECT_EQ(said(-3, "")->fraction, 0);
  EXPECT_EQ(said(7, "")->fraction, 1);
  EXPECT_FALSE(said(std::nan(""), ""));
  EXPECT_EQ(said(0.5, std::string(1'000, 'y'))->text, std::string(192, 'y'));
}

TYPED_TEST(progress_of, a_task_that_nobody_asked_about_is_told_to_nobody) {
  TypeParam pool(1);
  EXPECT_EQ(pool.submit(go_on, 10'000).get(), 10'000);
}

}  // namespace
}  // namespace muster::test
