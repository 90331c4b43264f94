// SPDX-License-Identifier: MIT
// What the engine promises on every crew: one text for virtual workers in virtual time, threads and
// processes.
#include <algorithm>
#include <map>

#include "kit/pools.hpp"
#include "sim/fake_crew.hpp"

namespace muster::test {
namespace {

using base::time_point;

enum class end : std::uint8_t { value, own_error, cancelled, timeout, stopped };
enum class does : std::uint8_t { gives, throws, holds };  // holds: until release()

struct pool_of {
  int workers = 1;
  std::optional<std::size_t> capacity = 1'024;
  int attempts = 1;
};
struct task_of {
  int priority = 0;
  std::optional<duration> queue_timeout{}, run_timeout{};
};

// A pool of virtual workers; its time passes when somebody waits.
class virtual_workers {
public:
  explicit virtual_workers(const pool_of& o) {
    engine::settings chosen;
    chosen.plan = {.min = o.workers, .max = o.workers, .grace = 10ms, .ready_timeout = 1s, .can_kill = true};
    chosen.queue = {.capacity = o.capacity, .when_full = when_full::reject};
    chosen.retry = {.attempts = o.attempts, .backoff = {.first = 1ms, .max = 1ms}, .on_error = true};
    auto made = std::make_unique<sim::fake_crew>(sim::fake_crew::settings{}, *clock_, met_);
    crew_ = made.get();
    crew_->write_script = [this](sim::sim_task& t) {
      const auto& [name, what] = plays_.at(&t);
      begun_.push_back(name);
      return sim::script{.takes = what == does::holds ? duration(24h) : duration(1us),
                         .throws = what == does::throws};
    };
    engine_ = std::make_unique<engine::engine>(chosen, std::move(made), clock_);
    engine_->start(false);
    wake_at_ = engine_->act();
    pass(100ms);
  }
  ~virtual_workers() {
    if (!engine_->finished()) stop_by(clock_->at);
    engine_->conclude();
  }
  virtual_workers(const virtual_workers&) = delete;

  void submit(int name, does what, const task_of& o = {}) {
    auto t = detail::task_ref<sim::sim_task>::adopt(new sim::sim_task);
    t->priority = o.priority;
    if (o.queue_timeout || o.run_timeout) {
      t->extras = std::make_unique<detail::task_extras>();
      t->extras->queue_timeout = o.queue_timeout;
      t->extras->run_timeout = o.run_timeout;
      t->mark(detail::task::watched);
    }
    plays_[t.get()] = {name, what};
    detail::acquire(*t);
    engine_->submit(detail::task_ref<>::adopt(t.get()));
    tasks_.insert_or_assign(name, std::move(t));
  }
  void wait_begun(int name) {
    for (int i = 0; i < 1'000 && std::ranges::count(begun_, name) == 0; ++i) pass(1ms);
  }
  end outcome(int name) {
    sim::sim_task& t = *tasks_.at(name);
    for (int i = 0; i < 1'000 && !t.settled(); ++i) pass(100ms);
    if (!t.settled()) throw std::logic_error("it never settled");
    if (!t.error) return end::value;
    try {
      std::rethrow_exception(t.error);
    } catch (const error& e) {
      return end_of(e);
    } catch (...) {
      return end::own_error;
    }
  }
  static end end_of(const error& e) {
    switch (e.code()) {
      case error_code::task_timeout: return end::timeout;
      case error_code::cancelled: return end::cancelled;
      case error_code::pool_stopped: return end::stopped;
      default: throw;
    }
  }
  void cancel(int name) { engine_->cancel(*tasks_.at(name)); }
  void release() { pass(48h); }
  void stop() { stop_by(clock_->at + 1h); }
  void terminate() { stop_by(clock_->at, true); }
  std::vector<int> begun() { return begun_; }
  muster::stats stats() {
    pass(100ms);
    return engine_->snapshot();
  }

private:
  void stop_by(time_point deadline, bool at_once = false) {
    engine_->begin_stop(deadline, at_once);
    pass(72h);
  }
  void pass(duration by) {
    const time_point until = clock_->at + by;
    for (;;) {
      if (crew_->woken()) wake_at_ = engine_->act();
      const time_point next = std::min(crew_->next_event(), wake_at_);
      if (next > until || engine_->finished()) break;
      clock_->at = std::max(clock_->at, next);
      crew_->advance();
      if (wake_at_ <= clock_->at) wake_at_ = engine_->act();
    }
    clock_->at = until;
  }

  std::shared_ptr<sim::virtual_clock> clock_ = std::make_shared<sim::virtual_clock>();
  sim::fake_crew::coverage met_;
  sim::fake_crew* crew_ = nullptr;
  std::map<const detail::task*, std::pair<int, does>> plays_;
  std::vector<int> begun_;
  std::unique_ptr<engine::engine> engine_;
  std::map<int, detail::task_ref<sim::sim_task>> tasks_;
  time_point wake_at_{};
};

// A real one. What tasks do is seen in files, which threads and processes have in common.
int play(std::string log, std::string gate, int name, int what) {
  append(log, std::to_string(name));
  if (what == static_cast<int>(does::throws)) throw std::runtime_error("as told");
  if (what == static_cast<int>(does::holds) && !appears(gate)) throw std::logic_error("nobody let it go");
  return name;
}

template <class Pool>
class real_workers {
public:
  explicit real_workers(const pool_of& o)
      : pool_(options_of<Pool>{
            .workers = {o.workers},
            .queue = {.capacity = o.capacity, .when_full = when_full::reject},
            .retry = {.attempts = o.attempts, .backoff = {.first = 1ms, .max = 1ms}, .on_error = true},
            .grace = 10ms}) {
    pool_.start();
  }
  ~real_workers() { touch(files_("gate")); }  // threads cannot be ended
  real_workers(const real_workers&) = delete;

  void submit(int name, does what, const task_of& o = {}) {
    task_options options{.priority = o.priority};
    options.queue_timeout = o.queue_timeout;
    options.run_timeout = o.run_timeout;
    tasks_.insert_or_assign(
        name, pool_.submit(options, play, files_("log"), files_("gate"), name, static_cast<int>(what)));
  }
  void wait_begun(int name) {
    ASSERT_TRUE(eventually([&] { return std::ranges::count(begun(), name) > 0; }));
  }
  end outcome(int name) {
    auto& f = tasks_.at(name);
    if (!f.wait_for(watchdog)) throw std::logic_error("it never settled");
    try {
      return f.get() == name ? end::value : throw std::logic_error("another's value");
    } catch (const error& e) {
      return virtual_workers::end_of(e);
    } catch (const std::runtime_error&) {
      return end::own_error;
    }
  }
  void cancel(int name) { tasks_.at(name).cancel(); }
  void release() { touch(files_("gate")); }
  void stop() { (void)pool_.stop(watchdog); }
  void terminate() { (void)pool_.terminate(); }
  std::vector<int> begun() {
    std::vector<int> names;
    for (const auto& line : lines_of(files_("log"))) names.push_back(std::stoi(line));
    return names;
  }
  muster::stats stats() {
    pool_.wait_idle();
    return pool_.stats();
  }

private:
  scratch files_;
  std::map<int, future<int>> tasks_;
  Pool pool_;
};

template <class Workers>
class every_crew : public testing::Test {};
using crews = testing::Types<virtual_workers, real_workers<thread_pool>, real_workers<process_pool>>;
struct crew_names {
  template <class Workers>
  static std::string GetName(int) {
    if constexpr (std::is_same_v<Workers, virtual_workers>)
      return "virtual";
    else
      return std::is_same_v<Workers, real_workers<thread_pool>> ? "threads" : "processes";
  }
};
TYPED_TEST_SUITE(every_crew, crews, crew_names);

TYPED_TEST(every_crew, gives_each_task_its_own_outcome_and_counts_it) {
  TypeParam pool({.workers = 2});
  for (int i = 0; i < 30; ++i) pool.submit(i, i % 3 == 0 ? does::throws : does::gives);
  for (int i = 0; i < 30; ++i) EXPECT_EQ(pool.outcome(i), i % 3 == 0 ? end::own_error : end::value) << i;
  const auto s = pool.stats();
  EXPECT_EQ(s.submitted, 30u);
  EXPECT_EQ(s.succeeded, 20u);
  EXPECT_EQ(s.failed, 10u);
  EXPECT_EQ(s.queued + s.running + s.waiting + s.cancelled, 0u);
}

TYPED_TEST(every_crew, begins_the_urgent_first_and_equals_in_order) {
  TypeParam pool({});
  pool.submit(0, does::holds);
  pool.wait_begun(0);
  for (const auto& [name, priority] : {std::pair{1, -5}, {2, 0}, {3, 7}, {4, 0}, {5, 7}, {6, -5}})
    pool.submit(name, does::gives, {.priority = priority});
  pool.release();
  for (int i = 0; i <= 6; ++i) EXPECT_EQ(pool.outcome(i), end::value);
  EXPECT_EQ(pool.begun(), (std::vector{0, 3, 5, 2, 4, 1, 6}));
}

TYPED_TEST(every_crew, never_begins_what_was_cancelled_before) {
  TypeParam pool({});
  pool.submit(0, does::holds);
  pool.wait_begun(0);
  for (int i = 1; i <= 6; ++i) pool.submit(i, does::gives);
  for (int i = 2; i <= 6; i += 2) pool.cancel(i);
  for (int i = 2; i <= 6; i += 2) EXPECT_EQ(pool.outcome(i), end::cancelled);
  pool.release();
  for (int i = 1; i <= 5; i += 2) EXPECT_EQ(pool.outcome(i), end::value);
  EXPECT_EQ(pool.begun(), (std::vector{0, 1, 3, 5}));
}

TYPED_TEST(every_crew, refuses_what_is_beyond_its_capacity_and_loses_nothing) {
  TypeParam pool({.capacity = 20});
  pool.submit(0, does::holds);
  pool.wait_begun(0);
  int refused = 0, name = 1;
  for (int i = 0; i < 200; ++i) {
    try {
      pool.submit(name, does::gives);
      ++name;
    } catch (const queue_full&) {
      ++refused;
    }
  }
  EXPECT_GE(refused, 1);
  pool.release();
  for (int i = 0; i < name; ++i) EXPECT_EQ(pool.outcome(i), end::value);
  EXPECT_EQ(pool.stats().submitted, static_cast<std::size_t>(name));
  EXPECT_EQ(pool.stats().rejected, static_cast<std::size_t>(refused));
}

TYPED_TEST(every_crew, drops_what_no_worker_took_in_time) {
  TypeParam pool({});
  pool.submit(0, does::holds);
  pool.wait_begun(0);
  pool.submit(1, does::gives, {.queue_timeout = 20ms});
  EXPECT_EQ(pool.outcome(1), end::timeout);
  pool.release();
  EXPECT_EQ(pool.outcome(0), end::value);
  EXPECT_EQ(pool.begun(), std::vector{0});
}

TYPED_TEST(every_crew, settles_what_runs_too_long_and_goes_on) {
  TypeParam pool({.workers = 2});
  pool.submit(0, does::holds, {.run_timeout = 20ms});
  EXPECT_EQ(pool.outcome(0), end::timeout);
  for (int i = 1; i <= 10; ++i) pool.submit(i, does::gives);
  for (int i = 1; i <= 10; ++i) EXPECT_EQ(pool.outcome(i), end::value);
}

TYPED_TEST(every_crew, tries_what_fails_as_often_as_told) {
  TypeParam pool({.attempts = 3});
  pool.submit(1, does::throws);
  EXPECT_EQ(pool.outcome(1), end::own_error);
  EXPECT_EQ(pool.begun(), (std::vector{1, 1, 1}));
  EXPECT_EQ(pool.stats().retried, 2u);
}

TYPED_TEST(every_crew, finishes_what_it_accepted_when_it_stops) {
  TypeParam pool({.workers = 2});
  for (int i = 0; i < 50; ++i) pool.submit(i, does::gives);
  pool.stop();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(pool.outcome(i), end::value);
  EXPECT_THROW(pool.submit(50, does::gives), pool_stopped);
}

TYPED_TEST(every_crew, settles_everything_when_it_is_terminated) {
  TypeParam pool({});
  pool.submit(0, does::holds);
  pool.wait_begun(0);
  for (int i = 1; i <= 20; ++i) pool.submit(i, does::gives);
  pool.terminate();
  for (int i = 0; i <= 20; ++i) EXPECT_EQ(pool.outcome(i), end::stopped) << i;
  EXPECT_EQ(pool.begun(), std::vector{0});
}

}  // namespace
}  // namespace muster::test
