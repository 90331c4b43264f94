// SPDX-License-Identifier: MIT
#include "draws.hpp"

namespace muster::sim {

namespace {

std::string ms(duration d) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g ms", std::chrono::duration<double, std::milli>(d).count());
  return text;
}

// Which faults there are at all, and how often.
void draw_faults(fake_crew::settings& crew, fate& chance) {
  const auto rate = [&](std::string_view fault, double most) {
    base::random dice = chance.dice(fault);
    return chance.happens(fault, 0.5) ? dice.fraction() * most : 0.0;
  };
  crew.bad.start_refused = rate("workers cannot be started", 0.3);
  crew.bad.slow = rate("runs are slow", 0.2);
  crew.bad.ignores_stop = rate("tasks ignore that they were told", 0.6);
  if (!crew.can_kill) return;
  crew.bad.start_fails = rate("workers do not come up", 0.6);
  crew.bad.never_ready = rate("workers are never ready", 0.3);
  crew.bad.dies_idle = rate("workers die idle", 0.4);
  crew.bad.dies_at_work = rate("workers die at work", 0.3);
  crew.bad.dies_before_claim = rate("workers die before they claim", 0.2);
  crew.bad.ignores_retire = rate("workers ignore that they shall end", 0.9);
  crew.bad.falls_silent = rate("workers fall silent", 0.1);
  crew.bad.leaves = rate("workers leave", 0.1);
  crew.bad.ignores_signals = rate("workers ignore signals", 0.8);
}

void draw_strategy(fake_crew::settings& crew, int most_workers, fate& chance) {
  if (!chance.happens("strategy", 0.6)) return;
  base::random dice = chance.dice("strategy");
  const auto all = policy::strategies();
  crew.how = all[dice.below(all.size())].how;
  crew.choose.full = 1 + dice.below(4);
  if (dice.fraction() < 0.5) crew.choose.affinity = affinity::hard;
  if (crew.how == strategy::weighted && most_workers > 1)  // somebody must get tasks
    crew.choose.weights = {static_cast<int>(dice.below(4))};
}

scaling_options draw_scaling(fate& chance) {
  scaling_options how;
  base::random dice = chance.dice("scaling");
  how.check_every = 1ms + some(dice, 100ms);
  const double up = 0.4 + dice.fraction() / 2, down = dice.fraction() * 0.35,
               queue = 0.5 + dice.fraction() * 3;
  const duration wait = 1ms + some(dice, 50ms), cool = some(dice, 500ms), life = some(dice, 500ms);
  const double starts = 2 + dice.fraction() * 100;
  if (chance.happens("scaling.up_at", 0.3)) how.up_at = up;
  if (chance.happens("scaling.down_at", 0.3)) how.down_at = 0.01 + down;
  if (chance.happens("scaling.queue_per_worker", 0.2)) how.queue_per_worker = queue;
  if (chance.happens("scaling.waiting_time", 0.2)) how.waiting_time = wait;
  if (chance.happens("scaling.cool_down", 0.2)) how.cool_down = cool;
  if (chance.happens("scaling.least_life", 0.2)) how.least_life = life;
  if (chance.happens("scaling.starts_per_second", 0.2)) how.starts_per_second = starts;
  return how;
}

engine::plan_settings draw_workers(drawn_world& w, fate& chance) {
  const bool can_kill = w.crew.can_kill;
  base::random dice = chance.dice("workers");
  const int max = 1 + static_cast<int>(chance.happens("several workers", 0.85) ? dice.below(6) : 0);
  engine::plan_settings plan{
      .min = static_cast<int>(dice.below(static_cast<std::uint64_t>(max) + 1)),
      .max = max,
      .idle_timeout = 1ms + some(dice, 300ms),
      .grace = chance.happens("no grace", 0.15) ? duration::zero() : some(dice, 100ms),
      .restart = {.first = 1ms + some(dice, 50ms),
                  .max = 500ms,
                  .jitter = chance.happens("jitter", 0.5) ? jitter::equal : jitter::none},
      .can_kill = can_kill,
      .seed = dice.next()};
  if (can_kill) plan.ready_timeout = 6ms + some(dice, 500ms);
  plan.scaling = draw_scaling(chance);

  if (chance.happens("limits.tasks", 0.4)) plan.life.tasks = 1 + chance.dice("limits.tasks").below(30);
  dice = chance.dice("limits.age");
  w.ages = chance.happens("limits.age", 0.3);
  if (w.ages) plan.life.age = 50ms + some(dice, 500ms);
  plan.life.jitter = chance.happens("no jitter of limits", 0.3) ? 0 : dice.fraction() / 2;

  dice = chance.dice("health");
  w.looks = can_kill && chance.happens("health", 0.5);
  if (w.looks)
    plan.health = {.interval = 1ms + some(dice, 60ms), .failures = 1 + static_cast<int>(dice.below(4))};
  if (chance.happens("report", 0.3)) {
    dice = chance.dice("report");
    plan.report = engine::report_settings{.every = 1ms + some(dice, 100ms),
                                          .backing_up_at = 1 + static_cast<unsigned>(dice.below(4))};
  }
  for (const int signal : {SIGTERM, SIGINT})
    if (can_kill && chance.happens("stop signals", 0.5, static_cast<std::uint64_t>(signal))) {
      plan.stop.push_back({.signal = signal, .patience = some(dice, 60ms)});
      w.ladder += plan.stop.back().patience;
    }
  return plan;
}

queue_options draw_queue(fate& chance) {
  const std::uint64_t capacity = chance.dice("queue.capacity").below(40);
  queue_options queue{.capacity = 1 + (chance.happens("a long queue", 0.8) ? capacity : capacity % 4),
                      .when_full = when_full::reject};
  base::random dice = chance.dice("queue.ageing");
  queue.ageing = 1ms * (1 + static_cast<int>(dice.below(60)));
  if (chance.happens("strict priorities", 0.3)) queue.ageing.reset();
  dice = chance.dice("queue.unsettled");
  if (chance.happens("permits", 0.2))
    queue.unsettled = 1 + dice.below(30);
  else if (chance.happens("the oldest is dropped", 0.2))
    queue.when_full = when_full::drop_oldest;
  if (queue.when_full == when_full::reject && chance.happens("the newest is dropped", 0.2))
    queue.when_full = when_full::drop_newest;
  if (chance.happens("a bound of bytes", 0.2)) queue.bytes = 200 + chance.dice("queue.bytes").below(2'000);
  dice = chance.dice("queue.rate");
  const auto rate = [&dice] {
    return rate_options{.per_second = 20 + static_cast<double>(dice.below(400)),
                        .burst = 1 + static_cast<std::uint32_t>(dice.below(5))};
  };
  if (chance.happens("a rate", 0.2)) queue.rate = rate();
  if (chance.happens("several of a key", 0.3))
    queue.each_key.at_once = 1 + static_cast<std::uint32_t>(dice.below(3));
  if (chance.happens("any number of a key", 0.4)) queue.each_key.at_once = engine::intake::any_number;
  if (chance.happens("a key with a rate", 0.3))
    queue.keys = {{"0", {.at_once = 1 + static_cast<std::uint32_t>(dice.below(3)), .rate = rate()}}};
  return queue;
}

// What the pool does about failures.
void draw_safeguards(engine::settings& pool, bool can_kill, fate& chance) {
  base::random dice = chance.dice("restart.limit");
  if (chance.happens("restart.limit", 0.25)) {
    pool.plan.restart.limit = 1 + static_cast<int>(dice.below(4));
    pool.plan.restart.window = 100ms + some(dice, 2s);
    pool.plan.restart.cool_down = 50ms + some(dice, 500ms);
  }
  pool.retry.on_timeout = chance.happens("retry.on_timeout", 0.4);
  if (chance.happens("retry.when", 0.2))
    pool.retry.when = [say = std::make_shared<base::random>(chance.dice("retry.when"))](auto) {
      return say->fraction() < 0.7;
    };
  dice = chance.dice("breaker");
  if (chance.happens("breaker", 0.2))
    pool.safeguards.breaker = breaker_options{.failures = 1 + static_cast<int>(dice.below(6)),
                                              .failure_rate = 0.8,
                                              .window = 1s,
                                              .least_calls = 5,
                                              .slow = 20ms + some(dice, 100ms),
                                              .open_for = 1ms + some(dice, 200ms),
                                              .probes = 1 + static_cast<int>(dice.below(3))};
  dice = chance.dice("quarantine");
  if (can_kill && chance.happens("quarantine", 0.3)) {
    pool.plan.quarantine = quarantine_options{.deaths = 1 + static_cast<int>(dice.below(3)),
                                              .window = 10s,
                                              .stay = 10ms + some(dice, 3s),
                                              .mass_within = 1ms + some(dice, 30ms)};
    pool.safeguards.quarantine = pool.plan.quarantine;
  }
  if (chance.happens("dead letters", 0.2)) pool.safeguards.dead_letters = 5;
}

}  // namespace

drawn_world draw_world(std::uint64_t seed, fate& chance) {
  drawn_world w;
  w.crew.can_kill = chance.happens("processes", 0.65);
  w.crew.seed = seed;
  if (w.crew.can_kill && chance.happens("windows", 0.6)) w.crew.window = 1 + chance.dice("windows").below(4);
  if (w.crew.can_kill && chance.happens("several at once", 0.3))
    w.crew.at_once = 2 + chance.dice("several at once").below(3);
  draw_faults(w.crew, chance);
  w.pool.plan = draw_workers(w, chance);
  w.pool.plan.at_once = static_cast<int>(w.crew.at_once);
  draw_strategy(w.crew, w.pool.plan.max, chance);
  if (!w.crew.choose.weights.empty() && w.crew.choose.weights[0] == 0) w.pool.plan.never_chosen = {0};
  w.pool.queue = draw_queue(chance);
  base::random dice = chance.dice("retry");
  if (chance.happens("retry", 0.5))
    w.pool.retry = {.attempts = 1 + static_cast<int>(dice.below(4)),
                    .backoff = {.first = some(dice, 20ms), .max = 100ms},
                    .on_crash = dice.fraction() < 0.8,
                    .on_error = dice.fraction() < 0.5};
  draw_safeguards(w.pool, w.crew.can_kill, chance);
  w.crew.restart = w.pool.plan.restart;
  w.pool.callbacks = [](const std::function<void()>& f) { f(); };
  dice = chance.dice("tasks");
  w.longest_run = 1ms + some(dice, 60ms);
  w.throws = chance.happens("tasks throw", 0.5) ? dice.fraction() * 0.5 : 0;
  return w;
}

void draw_task(sim_task& t, std::uint64_t act, time_point now, fate& chance) {
  base::random dice = chance.dice("task", act);
  const int priority = static_cast<int>(dice.below(3));
  if (chance.happens("priority", 0.67, act)) t.priority = priority;
  if (!chance.happens("extras", 0.5, act)) return;
  t.extras = std::make_unique<detail::task_extras>();
  t.extras->stop = std::stop_source();
  const int far = chance.happens("far limits", 0.3, act) ? 10 : 1;  // see engine/far_limits.hpp
  const duration queue = far * (1ms + some(dice, 100ms)), run = 1ms + some(dice, 100ms),
                 all = far * (1ms + some(dice, 300ms));
  if (chance.happens("id", 0.2, act)) t.own_names().id = "id " + std::to_string(dice.below(4));
  if (chance.happens("queue timeout", 0.3, act)) t.extras->queue_timeout = queue;
  if (chance.happens("run timeout", 0.3, act)) t.extras->run_timeout = run;
  if (chance.happens("deadline", 0.2, act)) t.extras->settle_by = now + all;
  if (t.extras->queue_timeout || t.extras->run_timeout || t.extras->settle_by) t.mark(detail::task::watched);
  if (chance.happens("weight", 0.6, act)) t.extras->bytes = chance.dice("weight", act).below(300);
  if (chance.happens("key", 0.5, act)) t.own_names().key = std::to_string(chance.dice("key", act).below(3));
  if (!chance.happens("its own retry", 0.3, act)) return;
  t.extras->retry = std::make_unique<retry_options>(
      retry_options{.attempts = 1 + static_cast<int>(dice.below(4)),
                    .backoff = {.first = some(dice, 30ms), .max = 1s},
                    .on_error = dice.fraction() < 0.7,
                    .on_timeout = chance.happens("its own on_timeout", 0.3, act)});
}

std::string text_of(const drawn_world& world) {
  const engine::plan_settings& plan = world.pool.plan;
  std::string text = world.crew.can_kill ? "processes" : "threads";
  const auto add = [&](const std::string& what) { text += ", " + what; };
  add(std::to_string(plan.min) + " to " + std::to_string(plan.max) + " workers");
  add("queue of " + std::to_string(*world.pool.queue.capacity));
  const queue_options& queue = world.pool.queue;
  add(queue.ageing ? "ageing " + ms(*queue.ageing) : "strict priorities");
  if (queue.when_full == when_full::drop_oldest) add("the oldest is dropped");
  if (queue.when_full == when_full::drop_newest) add("the newest is dropped");
  if (queue.bytes) add(std::to_string(*queue.bytes) + " bytes in the queue");
  if (queue.unsettled) add(std::to_string(*queue.unsettled) + " permits");
  if (queue.rate) add(std::to_string(queue.rate->per_second) + " starts a second");
  if (queue.each_key.at_once) add(std::to_string(*queue.each_key.at_once) + " of a key");
  if (!queue.keys.empty()) add("a key with a rate");
  add("grace " + ms(plan.grace));
  if (world.crew.window > 1) add(std::to_string(world.crew.window) + " tasks a worker");
  if (world.crew.at_once > 1) add(std::to_string(world.crew.at_once) + " at once");
  if (world.pool.retry.attempts > 1) add(std::to_string(world.pool.retry.attempts) + " attempts");
  if (world.crew.how != strategy::pull) add("strategy " + std::string(name(world.crew.how)));
  if (plan.restart.limit) add("slots rest after " + std::to_string(*plan.restart.limit) + " deaths");
  if (world.pool.safeguards.breaker)
    add("a breaker of " + std::to_string(*world.pool.safeguards.breaker->failures));
  if (plan.quarantine) add("set aside after " + std::to_string(plan.quarantine->deaths) + " deaths");
  if (plan.life.tasks) add("replaced after " + std::to_string(*plan.life.tasks) + " tasks");
  if (plan.life.age) add("replaced after " + ms(*plan.life.age));
  if (plan.health.interval) add("looked at every " + ms(*plan.health.interval));
  return text;
}

std::string wishes_of(const sim_task& t, time_point now) {
  std::string text;
  const auto add = [&](const std::string& what) { text += (text.empty() ? "" : ", ") + what; };
  if (t.priority != 0) add("priority " + std::to_string(t.priority));
  if (t.extras) {
    if (t.extras->queue_timeout) add("queue timeout " + ms(*t.extras->queue_timeout));
    if (t.extras->run_timeout) add("run timeout " + ms(*t.extras->run_timeout));
    if (t.extras->settle_by) add("within " + ms(*t.extras->settle_by - now));
    if (t.extras->bytes > 0) add(std::to_string(t.extras->bytes) + " bytes");
    if (!t.names().key.empty()) add("key " + t.names().key);
    if (t.extras->retry) add("up to " + std::to_string(t.extras->retry->attempts) + " attempts");
  }
  return text.empty() ? "" : " (" + text + ")";
}

}  // namespace muster::sim
