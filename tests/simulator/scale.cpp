// SPDX-License-Identifier: MIT
#include "scale.hpp"

#include <algorithm>
#include <deque>
#include <functional>
#include <iomanip>
#include <vector>

#include "engine/intake.hpp"
#include "engine/plan.hpp"
#include "policy/choose.hpp"
#include "sim/fake_crew.hpp"

namespace muster::sim {

namespace {

using engine::plan;
using engine::worker_id;
namespace happened = engine::happened;
namespace todo = engine::todo;

using clock = std::chrono::steady_clock;

// Nanoseconds an operation, of so many.
template <class F>
double cost(std::size_t times, F operation) {
  const auto began = clock::now();
  for (std::size_t i = 0; i < times; ++i) operation(i);
  return std::chrono::duration<double, std::nano>(clock::now() - began).count() / static_cast<double>(times);
}

constexpr time_point hour_one{std::chrono::hours(1)};

// A plan whose workers are started and ready, moved by hand.
class many_workers {
public:
  many_workers(int workers, const std::function<void(engine::plan_settings&)>& change = {})
      : decides_(settings_of(workers, change)) {
    tell(happened::start_asked{});
  }
  template <class What>
  void tell(const What& what) {
    decides_.observe(what, now);
    follow();
  }
  // Performs what the plan says: whoever is to start is ready at once, whoever is to go is gone.
  void follow() {
    while (retired < enough) {
      const auto next = decides_.next(now);
      if (!next) return;
      if (const auto* start = std::get_if<todo::start_worker>(&*next)) {
        ++started;
        decides_.observe(happened::worker_ready{start->worker}, now);
        alive.resize(std::max<std::size_t>(alive.size(), start->worker.slot + std::size_t{1}));
        alive[start->worker.slot] = start->worker;
      } else if (const auto* go = std::get_if<todo::retire_worker>(&*next)) {
        ++retired;
        decides_.observe(happened::worker_ended{go->worker, true}, now);
      } else if (std::get_if<todo::survey_workers>(&*next) != nullptr && answers_survey) {
        happened::surveyed answer;
        for (const worker_id w : alive) answer.idle.push_back({w, hour_one});
        decides_.observe(answer, now);
      }
    }
  }
  void pass(duration by) {
    now += by;
    follow();
  }

  time_point now = hour_one;
  std::vector<worker_id> alive;  // by slot
  std::size_t started = 0, retired = 0;
  std::size_t enough = ~std::size_t{0};  // retired ones; then nothing more is done
  bool answers_survey = false;

private:
  static engine::plan_settings settings_of(int workers,
                                           const std::function<void(engine::plan_settings&)>& change) {
    engine::plan_settings s{
        .min = workers, .max = workers, .idle_timeout = 1s, .ready_timeout = 10s, .can_kill = true};
    if (change) change(s);
    return s;
  }
  plan decides_;
};

// --------------------------------------------------------------------------------- by the number of workers

double replace_a_dead_worker(int workers) {
  many_workers pool(workers);
  base::random dice(1);
  return cost(20'000, [&](std::size_t) {
    pool.tell(happened::worker_ended{pool.alive[dice.below(pool.alive.size())], true});
  });
}

double grow_by_one_worker(int workers) {
  many_workers pool(workers, [](engine::plan_settings& s) { s.min = 0; });
  return cost(static_cast<std::size_t>(workers), [&](std::size_t) { pool.tell(happened::backlog{1}); });
}

// Of all that are idle too long: the survey, the decision and the end, for each.
double shrink_by_one_worker(int workers) {
  many_workers pool(workers, [](engine::plan_settings& s) { s.min = 0; });
  pool.tell(happened::backlog{static_cast<std::size_t>(workers)});
  pool.answers_survey = true;
  const double all = cost(1, [&](std::size_t) { pool.pass(2s); });
  return all / static_cast<double>(std::max<std::size_t>(1, pool.retired));
}

double replace_a_worn_worker(int workers) {
  many_workers pool(workers);
  base::random dice(1);
  return cost(20'000, [&](std::size_t) {
    pool.tell(
        happened::worker_worn{pool.alive[dice.below(pool.alive.size())], engine::recycle_reason::tasks});
  });
}

// All of them, one after the other: for each of the first.
double recycle_a_worker(int workers) {
  many_workers pool(workers);
  pool.enough = 1'000;
  const double all = cost(1, [&](std::size_t) { pool.tell(happened::recycle_asked{.call = 1}); });
  return all / static_cast<double>(pool.retired);
}

double look_at_a_worker(int workers) {
  many_workers pool(workers, [](engine::plan_settings& s) { s.health.interval = 1s; });
  return cost(20'000, [&](std::size_t i) {
    pool.tell(happened::worker_looked_at{pool.alive[i % pool.alive.size()], i % 2 == 0, ""});
  });
}

// All are busy with some tasks, and may have more.
double choose_a_worker(const policy::named_strategy& by, int workers) {
  policy::chooser_memory memory(by.how, {}, 1);
  std::vector<policy::load> loads(static_cast<std::size_t>(workers), {.open = true, .stays = true});
  base::random dice(1);
  for (policy::load& each : loads) each.in_flight = static_cast<std::uint32_t>(1 + dice.below(4));
  return cost(static_cast<std::size_t>(20'000'000 / (1'000 + workers)), [&](std::size_t i) {
    memory.key = i + 1;
    if (!by.choose(loads, memory)) std::abort();
  });
}

// --------------------------------------------------------------------------------- by the number of tasks

// An intake without a bound, with so many tasks in it, of so many priorities.
class many_tasks {
public:
  many_tasks(std::uint64_t count, std::uint64_t priorities) : queue({.capacity = std::nullopt}) {
    queue.open();
    for (std::uint64_t i = 0; i < count; ++i) {
      tasks.emplace_back();
      tasks.back().priority = static_cast<int>(i % priorities);
      push(tasks.back());
    }
  }
  ~many_tasks() {
    const auto lock = queue.lock();
    while (queue.take() != nullptr) {}
  }
  many_tasks(const many_tasks&) = delete;
  void push(sim_task& t) {
    auto lock = queue.lock();
    if (queue.admit(lock, false) != engine::admission::admitted) std::abort();
    queue.number(t);
    queue.push(t);
  }
  engine::intake queue;
  std::deque<sim_task> tasks;
};

double queue_and_take(std::uint64_t tasks, std::uint64_t priorities) {
  std::deque<sim_task> more(10'000);  // outlives the queue, which may still have some of them
  many_tasks pool(tasks, priorities);
  return cost(more.size(), [&](std::size_t i) {
    more[i].priority = static_cast<int>(i % priorities);
    pool.push(more[i]);
    const auto lock = pool.queue.lock();
    pool.queue.take();
  });
}

double cancel_a_queued(std::uint64_t tasks) {
  many_tasks pool(tasks, 1);
  base::random dice(1);
  return cost(std::min<std::uint64_t>(tasks, 10'000), [&](std::size_t) {
    const auto lock = pool.queue.lock();
    pool.queue.remove(pool.tasks[dice.below(pool.tasks.size())]);
  });
}

// With so many that have a limit: one more comes, begins and is over.
double watch_a_task(std::uint64_t tasks) {
  many_workers pool(1);
  base::random dice(1);
  const auto watch = [&](std::uint64_t id) {
    pool.tell(happened::task_watched{id, pool.now + 1h + duration(dice.below(1'000'000'000)), {}});
  };
  for (std::uint64_t id = 0; id < tasks; ++id) watch(id);
  return cost(20'000, [&](std::size_t i) {
    watch(tasks + i);
    pool.tell(happened::task_began{tasks + i, {0, 1}, pool.now + 1h});
    pool.tell(happened::task_over{tasks + i});
  });
}

// All of them: for each.
double expire_a_task(std::uint64_t tasks) {
  many_workers pool(1);
  base::random dice(1);
  for (std::uint64_t id = 0; id < tasks; ++id)
    pool.tell(happened::task_watched{id, pool.now + 1s + duration(dice.below(1'000'000'000)), {}});
  const double all = cost(1, [&](std::size_t) { pool.pass(1h); });
  return all / static_cast<double>(tasks);
}

// --------------------------------------------------------------------------------- the tables

void print(std::ostream& to, const char* what, const std::vector<double>& figures) {
  to << std::left << std::setw(44) << what << std::right << std::fixed << std::setprecision(0);
  for (const double each : figures) to << std::setw(12) << each;
  to << std::endl;
}

void print_head(std::ostream& to, const char* what, const std::vector<std::uint64_t>& sizes, const char* of) {
  to << std::left << std::setw(44) << what << std::right;
  for (const std::uint64_t size : sizes) to << std::setw(12) << size;
  to << ' ' << of << '\n';
}

}  // namespace

int print_scale(std::ostream& to, std::uint64_t most_workers, std::uint64_t most_tasks) {
  std::vector<std::uint64_t> workers{10, 1'000, 100'000};
  std::erase_if(workers, [&](std::uint64_t n) { return n > most_workers; });
  print_head(to, "ns a decision", workers, "workers");
  const auto by_workers = [&](const char* what, const std::function<double(int)>& measure) {
    std::vector<double> figures;
    for (const std::uint64_t n : workers) figures.push_back(measure(static_cast<int>(n)));
    print(to, what, figures);
  };
  by_workers("replace a worker that died", &replace_a_dead_worker);
  by_workers("grow by one", &grow_by_one_worker);
  by_workers("shrink by one", &shrink_by_one_worker);
  by_workers("replace a worn one", &replace_a_worn_worker);
  by_workers("replace each, when asked", &recycle_a_worker);
  by_workers("hear of a look at one", &look_at_a_worker);
  for (const policy::named_strategy& by : policy::strategies())
    by_workers(("choose one: " + std::string(by.name)).c_str(),
               [&by](int n) { return choose_a_worker(by, n); });

  std::vector<std::uint64_t> tasks;
  for (std::uint64_t n = 10; n <= most_tasks; n *= 100) tasks.push_back(n);
  if (tasks.empty() || tasks.back() != most_tasks) tasks.push_back(most_tasks);
  to << '\n';
  print_head(to, "ns a decision", tasks, "tasks that wait");
  const auto by_tasks = [&](const char* what, const std::function<double(std::uint64_t)>& measure) {
    std::vector<double> figures;
    for (const std::uint64_t n : tasks) figures.push_back(measure(n));
    print(to, what, figures);
  };
  by_tasks("queue and take, one priority", [](auto n) { return queue_and_take(n, 1); });
  by_tasks("queue and take, 1,000 priorities", [](auto n) { return queue_and_take(n, 1'000); });
  by_tasks("cancel one that waits", &cancel_a_queued);
  by_tasks("a task with limits comes, begins, is over", &watch_a_task);
  by_tasks("a queue timeout passes", &expire_a_task);
  return 0;
}

}  // namespace muster::sim
