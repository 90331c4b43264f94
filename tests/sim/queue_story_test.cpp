// SPDX-License-Identifier: MIT
// Single stories of the queue in virtual time: how fast tasks start, who waits and who does not.
#include <gtest/gtest.h>

#include "world.hpp"

namespace muster::sim {
namespace {

// An engine with virtual workers that do no wrong; each attempt of a task takes and ends as its script says.
class queue_story {
public:
  queue_story(const queue_options& queue, int workers, const retry_options& retry = {}) {
    engine::settings chosen;
    chosen.plan = {.min = workers, .max = workers};
    chosen.queue = queue;
    chosen.retry = retry;
    auto made = std::make_unique<fake_crew>(fake_crew::settings{.can_kill = false}, *clock, met_);
    crew_ = made.get();
    crew_->write_script = [this](sim_task& t) { return scripts_[&t]; };
    engine = std::make_unique<engine::engine>(chosen, std::move(made), clock);
    engine->start(false);
    wake_at_ = engine->act();
  }
  detail::task_ref<> submit(script plays, const std::string& key = {}) {
    auto* made = new sim_task;
    made->submitted_at = clock->at;
    scripts_[made] = plays;
    auto t = detail::task_ref<>::adopt(made);
    if (!key.empty()) made->own_names().key = key;
    engine->submit(t);
    return t;
  }
  // Until all is settled, or the time is over.
  void pass(duration by) {
    const time_point until = clock->at + by;
    for (;;) {
      if (crew_->woken()) wake_at_ = engine->act();
      const time_point next = std::min(crew_->next_event(), wake_at_);
      if (next > until) break;
      clock->at = std::max(clock->at, next);
      crew_->advance();
      if (wake_at_ <= clock->at) wake_at_ = engine->act();
      if (const stats s = engine->snapshot(); s.queued + s.running + s.waiting == 0) return;
    }
    EXPECT_EQ(crew_->broken(), "");
    clock->at = until;
  }
  [[nodiscard]] std::size_t succeeded() const { return engine->snapshot().succeeded; }

  std::shared_ptr<virtual_clock> clock = std::make_shared<virtual_clock>();
  std::unique_ptr<engine::engine> engine;

private:
  fake_crew* crew_ = nullptr;
  fake_crew::coverage met_;
  std::map<const sim_task*, script> scripts_;
  time_point wake_at_{};
};

TEST(queue_story, a_hundred_tasks_at_fifty_a_second_take_1980_ms) {
  queue_story s({.rate = rate_options{.per_second = 50, .burst = 1}}, 4);
  s.pass(1s);  // the workers come up
  const time_point begin = s.clock->at;
  std::vector<detail::task_ref<>> all;
  for (int i = 0; i < 100; ++i) all.push_back(s.submit({.takes = 0ns}));
  s.pass(10s);
  EXPECT_EQ(s.succeeded(), 100u);
  EXPECT_GE(s.clock->at - begin, 1'980ms);
  EXPECT_LE(s.clock->at - begin, 2'000ms) << "in virtual time";
}

TEST(queue_story, a_burst_starts_at_once_and_the_rest_at_the_rate) {
  queue_story s({.rate = rate_options{.per_second = 10, .burst = 5}}, 8);
  s.pass(1s);
  const time_point begin = s.clock->at;
  std::vector<detail::task_ref<>> all;
  for (int i = 0; i < 10; ++i) all.push_back(s.submit({.takes = 0ns}));
  s.pass(5ms);
  EXPECT_EQ(s.succeeded(), 5u);
  s.pass(10s);
  EXPECT_EQ(s.succeeded(), 10u);
  EXPECT_GE(s.clock->at - begin, 500ms);
}

TEST(queue_story, tasks_that_wait_for_another_attempt_hold_up_nobody) {
  queue_story s(
      {}, 4,
      {.attempts = 3, .backoff = {.first = 10s, .max = 10s, .jitter = jitter::none}, .on_error = true});
  std::vector<detail::task_ref<>> all;
  for (int i = 0; i < 4; ++i) all.push_back(s.submit({.takes = 1ms, .throws = true}));
  for (int i = 0; i < 100; ++i) all.push_back(s.submit({.takes = 1ms}));
  s.pass(1s);
  EXPECT_EQ(s.succeeded(), 100u) << "no worker slept through a backoff";
  EXPECT_EQ(s.engine->snapshot().waiting, 4u);
  s.pass(60s);
  EXPECT_EQ(s.engine->snapshot().failed, 4u);
}

TEST(queue_story, a_key_holds_up_its_own_tasks_only) {
  queue_story s({}, 4);
  std::vector<detail::task_ref<>> all;
  for (int i = 0; i < 5; ++i) all.push_back(s.submit({.takes = 1s}, "slow"));
  for (int i = 0; i < 30; ++i) all.push_back(s.submit({.takes = 1ms}));
  s.pass(900ms);
  EXPECT_EQ(s.succeeded(), 30u);
  s.pass(3'900ms);
  EXPECT_EQ(s.succeeded(), 34u);
  s.pass(10s);
  EXPECT_EQ(s.succeeded(), 35u);
}

TEST(queue_story, a_stop_does_not_wait_for_tokens_beyond_its_deadline) {
  queue_story s({.rate = rate_options{.per_second = 0.01}}, 1);
  std::vector<detail::task_ref<>> all;
  for (int i = 0; i < 10; ++i) all.push_back(s.submit({.takes = 1ms}));
  s.pass(1s);
  EXPECT_EQ(s.succeeded(), 1u);
  s.engine->begin_stop(s.clock->at + 2s, false);
  s.pass(3s);
  for (const auto& t : all) EXPECT_TRUE(t->settled());
}

}  // namespace
}  // namespace muster::sim
