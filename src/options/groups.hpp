// SPDX-License-Identifier: MIT
#pragma once

// The tables of the structs of options that pools of both kinds have in them. In the order of the members.

#include "options/describe.hpp"

namespace muster::options {

inline constexpr long double million = 1'000'000;
inline constexpr long double most_of_a_queue = 2'147'483'648;  // 2^31

template <>
struct described<worker_options> {
  using o = worker_options;
  static constexpr auto fields = std::tuple{
      option("min", &o::min, between(0, 4'096), "Workers kept alive.",
             "all usable CPUs for threads, 1 for processes, never more than max"),
      option("max", &o::max, between(1, 4'096), "Never more workers than this, and not below min.",
             "min where that was given, else all usable CPUs"),
      option("idle_timeout", &o::idle_timeout, above_zero,
             "A worker above min that had nothing to do for so long is stopped."),
      option(
          "at_once", &o::at_once, between(1, 64).with("for more at a time raise workers.max"),
          "So many tasks run at the same time in one worker process, each on a thread of its own; a thread "
          "runs 1."),
  };
};

template <>
struct described<scaling_options> {
  using o = scaling_options;
  static constexpr auto fields = std::tuple{
      option("queue_per_worker", &o::queue_per_worker, above_to(0, 1'000 * million),
             "Grow only while more tasks wait than so many for each worker.", "grow while any task waits"),
      option("waiting_time", &o::waiting_time, above_zero,
             "Grow only when the task that is next has waited for so long.", "tasks need not have waited"),
      option("up_at", &o::up_at, inside(0, 1).with("a part of the workers; usual is 0.8"),
             "Also grow when more than this part of the workers is busy.", "busy workers are no reason"),
      option("down_at", &o::down_at, inside(0, 1).with("a part of the workers; usual is 0.2"),
             "Let idle workers go when less than this part of all was busy for workers.idle_timeout; below "
             "up_at.",
             "a worker goes that was idle for workers.idle_timeout"),
      option("cool_down", &o::cool_down, not_negative,
             "From growing to shrinking and back at least so long."),
      option("least_life", &o::least_life, not_negative,
             "A worker is not let go before it was ready for so long."),
      option("starts_per_second", &o::starts_per_second, between(0.001L, million),
             "Workers that start are limited to so many a second.", "no limit"),
      option("check_every", &o::check_every, between(1ms, 1h),
             "From one look at how busy the workers are to the next, where up_at or down_at wants to know."),
  };
};

template <>
struct described<choose_options> {
  using o = choose_options;
  static constexpr auto fields = std::tuple{
      option("weights", &o::weights, between(0, million).with("0 is never given a task"),
             "For strategy weighted: the weight of each slot; slots beyond have weight 1."),
      option("full", &o::full, between(1, million),
             "For strategy fill: a worker with so many tasks is full."),
      option("affinity", &o::affinity, any,
             "For strategy key: whether a key may leave its worker when that has much more to do than "
             "others."),
      option("chooser", &o::chooser, any, "A function of yours that chooses, instead of a strategy."),
  };
};

template <>
struct described<rate_options> {
  using o = rate_options;
  static constexpr auto fields = std::tuple{
      option("per_second", &o::per_second, between(0.001L, 1'000 * million),
             "No more starts than so many a second."),
      option("burst", &o::burst, between(1, million).with("1 spaces starts evenly"),
             "So many starts are saved up while nothing starts, and may then come at once."),
  };
};

template <>
struct described<key_options> {
  using o = key_options;
  static constexpr auto fields = std::tuple{
      option("at_once", &o::at_once, between(1, million).with("1 is one after the other"),
             "So many tasks of one key run at a time.", "1, and with strategy key any number"),
      option("rate", &o::rate, any, "No more starts of one key than this.", "no limit"),
  };
};

template <>
struct described<queue_options> {
  using o = queue_options;
  static constexpr auto fields = std::tuple{
      option("capacity", &o::capacity,
             between(0, most_of_a_queue).or_also("automatic", static_cast<long double>(o::automatic)),
             "At most so many tasks wait; 0: a submitter meets a worker; automatic: twice workers.max.",
             "no limit"),
      option("when_full", &o::when_full, any,
             "What a submit does when there is no room; caller_runs is for threads only."),
      option("patience", &o::patience, above_zero,
             "With when_full wait: a submit that waited for so long throws enqueue_timeout.",
             "it waits for ever"),
      option("bytes", &o::bytes, bytes_at_least(1),
             "At most so many bytes wait: encoded arguments, and what tasks say that they weigh.",
             "no limit"),
      option("unsettled", &o::unsettled, between(1, most_of_a_queue),
             "At most so many tasks are accepted and not settled.", "no limit but capacity"),
      option("ageing", &o::ageing, between(1ms, 24h),
             "A task that waits gains a point of priority every so long; in whole milliseconds.",
             "priorities are strict"),
      option("rate", &o::rate, any, "No more starts than this in the whole pool.", "no limit"),
      group("each_key", &o::each_key),
      option("keys", &o::keys, any, "Keys with rules of their own."),
      option("refuse_hopeless", &o::refuse_hopeless, any,
             "Refuse a task that cannot be done by its deadline."),
  };
};

template <>
struct described<backoff_options> {
  using o = backoff_options;
  static constexpr auto fields = std::tuple{
      option("first", &o::first, not_negative, "The first pause; each further one is twice as long."),
      option("max", &o::max, not_negative, "The longest pause, not below the first."),
      option("jitter", &o::jitter, any,
             "How much of a pause is drawn, so that many who failed together do not come back together."),
  };
};

template <>
struct described<retry_options> {
  using o = retry_options;
  static constexpr auto fields = std::tuple{
      option("attempts", &o::attempts, between(1, 1'000).with("1 means never again"),
             "So often a task is run in all, the first included."),
      group("backoff", &o::backoff),
      option("on_crash", &o::on_crash, any, "Again after its worker died."),
      option("on_error", &o::on_error, any, "Again after it threw."),
      option("on_timeout", &o::on_timeout, any, "Again after its run timeout."),
      option("when", &o::when, any, "A function that is asked whether to run again after an exception."),
      option("permanent", &o::permanent, any, "Kinds of failure after which a task is never run again."),
  };
};

template <>
struct described<restart_options> {
  using o = restart_options;
  static constexpr auto fields = std::tuple{
      option("first", &o::first, not_negative,
             "The first pause before a worker that did not come up is tried again; each further one is twice "
             "as long."),
      option("max", &o::max, not_negative, "The longest pause, not below the first."),
      option("jitter", &o::jitter, any, "How much of a pause is drawn."),
      option("limit", &o::limit, between(1, 1'000),
             "So many deaths within the window are made good in each slot; at the next it stays empty for "
             "cool_down.",
             "workers are replaced however often they die"),
      option("window", &o::window, above_zero, "Deaths longer ago do not count."),
      option("cool_down", &o::cool_down, above_zero, "How long a slot stays empty that met the limit."),
  };
};

template <>
struct described<breaker_options> {
  using o = breaker_options;
  static constexpr auto fields = std::tuple{
      option("failures", &o::failures, between(1, million), "Open after so many failures in a row.",
             "however many"),
      option("failure_rate", &o::failure_rate, above_to(0, 1).with("0.5 is half of the calls"),
             "Open when at least this part of the calls within the window failed.", "whatever the rate"),
      option("window", &o::window, above_zero, "The time that failure_rate looks at."),
      option("least_calls", &o::least_calls, between(1, million),
             "Calls that failure_rate needs before it judges."),
      option("slow", &o::slow, above_zero, "A call whose last attempt took longer counts as failed.",
             "however long it took"),
      option("open_for", &o::open_for, above_zero, "How long all tasks are refused."),
      option("probes", &o::probes, between(1, 1'000),
             "So many tasks are admitted then; when all succeed, it closes."),
      option("on_crash", &o::on_crash, any, "The death of its worker is a failure."),
      option("on_timeout", &o::on_timeout, any, "A run timeout or deadline is."),
      option("on_error", &o::on_error, any, "An exception that the task threw is."),
  };
};

template <>
struct described<close_options> {
  using o = close_options;
  static constexpr auto fields = std::tuple{
      option("on_destroy", &o::on_destroy, any,
             "What the destructor of a pool does with tasks that have not settled."),
      option("patience", &o::patience, not_negative,
             "How long what is under way may go on then, before it is cancelled."),
  };
};

template <>
struct described<measure_options> {
  using o = measure_options;
  static constexpr auto fields = std::tuple{
      option("one_in", &o::one_in, between(1, million).with("1 measures every task"),
             "Times are measured of one task in so many.", "of none"),
  };
};

template <>
struct described<report_options> {
  using o = report_options;
  static constexpr auto fields = std::tuple{
      option("every", &o::every, at_least(1ms).with("5s is usual"), "A health report comes every so long.",
             "no reports"),
      option("hook", &o::hook, any, "A function that is called at each report."),
      option("backing_up_at", &o::backing_up_at, between(1, million),
             "A report that finds more than so many queued tasks for each worker warns.", "no warning"),
  };
};

template <>
struct described<own_log_options> {
  using o = own_log_options;
  static constexpr auto fields = std::tuple{
      option("level", &o::level, any, "The least level of the lines that a pool logs about itself.",
             "no lines"),
      option("tasks", &o::tasks, any, "Also a line, at level info, for each attempt of a task that ended."),
  };
};

template <>
struct described<arena_options> {
  using o = arena_options;
  static constexpr interval size = {.least = 1_MiB,
                                    .most = 1'048'576.0L * 1_MiB,
                                    .bytes = true,
                                    .advice = "nothing is taken before a lease"};
  static constexpr auto fields = std::tuple{
      option("bytes", &o::bytes, size,
             "Bytes of all buffers that are lent to tasks or kept to be lent again."),
      option("blocks", &o::blocks, between(1, 4'096).with("each takes a descriptor"),
             "So many buffers at most."),
      option("touch", &o::touch, any,
             "Whether a buffer's pages are brought into memory when it is made, and when a worker gets it."),
  };
};

}  // namespace muster::options
