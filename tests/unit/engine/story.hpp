// SPDX-License-Identifier: MIT
#pragma once

// Drives a plan by hand: tells it what happened, moves the time, and writes down what it wants as short
// lines, so that a test reads as a story. One thread, no clock.

#include <string>
#include <vector>

#include "engine/plan.hpp"

namespace muster::engine::test {

using namespace std::chrono_literals;
using lines = std::vector<std::string>;

inline std::string text_of(worker_id w) {
  return std::to_string(w.slot) + "." + std::to_string(w.generation);
}

inline std::string text_of(const action& a) {
  struct teller {
    std::string operator()(const todo::start_worker& t) const {
      return "start " + text_of(t.worker) + (t.born_with == 0 ? "" : " as " + std::to_string(t.born_with));
    }
    std::string operator()(const todo::retire_worker& t) const { return "retire " + text_of(t.worker); }
    std::string operator()(const todo::kill_worker& t) const {
      return "kill " + text_of(t.worker) + " " + std::string(name(t.why)) +
             (t.unless_busy ? " unless busy" : "");
    }
    std::string operator()(const todo::signal_worker& t) const {
      return "signal " + std::to_string(t.signal) + " to " + text_of(t.worker) +
             (t.unless_busy ? " unless busy" : "");
    }
    std::string operator()(const todo::look_at_workers&) const { return "look"; }
    std::string operator()(const todo::doubt_worker& t) const { return "doubt " + text_of(t.worker); }
    std::string operator()(const todo::trust_worker& t) const { return "trust " + text_of(t.worker); }
    std::string operator()(const todo::survey_workers&) const { return "survey"; }
    std::string operator()(const todo::look_at_owner&) const { return "look at owner"; }
    std::string operator()(const todo::make_report&) const { return "report"; }
    std::string operator()(const todo::press& t) const {
      return (t.on ? "press at " : "ease at ") + std::to_string(t.bytes);
    }
    std::string operator()(const todo::expire_task& t) const {
      const char* const names[] = {"queue_timeout", "run_timeout", "deadline"};
      return "expire " + std::to_string(t.task) + " " + names[static_cast<std::size_t>(t.which)];
    }
    std::string operator()(const todo::give_up_task& t) const {
      return "give up " + std::to_string(t.task) + " on " + text_of(t.worker) + " " +
             std::string(name(t.why)) + (t.signal == SIGKILL ? "" : " by signal " + std::to_string(t.signal));
    }
    std::string operator()(const todo::retry_task& t) const { return "retry " + std::to_string(t.task); }
    std::string operator()(const todo::fail_task& t) const { return "fail " + std::to_string(t.task); }
    std::string operator()(const todo::quarantine_task& t) const {
      return "quarantine " + std::to_string(t.task);
    }
    std::string operator()(const todo::cancel_all&) const { return "cancel all"; }
    std::string operator()(const todo::recycle_over& t) const {
      const char* const ends[] = {"all done", "failed", "given up", "stopped", "no such worker"};
      return "recycle " + std::to_string(t.call) + " over: " + ends[static_cast<std::size_t>(t.how)] + ", " +
             std::to_string(t.replaced) + " replaced, " + std::to_string(t.leaving) + " leaving, " +
             std::to_string(t.kept) + " kept" +
             (t.rolled_back && t.how != todo::recycle_over::end::failed ? ", rolled back" : "");
    }
    std::string operator()(const todo::announce& t) const { return "say " + std::string(name(t.kind)); }
  };
  return std::visit(teller{}, a);
}

class story {
public:
  explicit story(const plan_settings& settings) : decides(settings) {}

  // What the plan answers to this at once.
  lines tell(const occurrence& what) {
    decides.observe(what, now);
    return answers();
  }
  lines answers() {
    lines said;
    while (const auto next = decides.next(now)) said.push_back(text_of(*next));
    return said;
  }
  // Lets time pass, stopping wherever the plan wants to be woken. Each line begins with the milliseconds
  // since the story began.
  lines pass(duration by) {
    lines said;
    const time_point until = now + by;
    while (decides.wake_at() <= until) {
      now = std::max(now, decides.wake_at());
      for (const auto& line : answers()) said.push_back(std::to_string((now - begin) / 1ms) + " " + line);
    }
    now = until;
    return said;
  }
  [[nodiscard]] bool has_timer() const { return decides.wake_at() != base::never; }

  // The usual ways on.
  lines start() { return tell(happened::start_asked{}); }
  lines ready(std::uint32_t slot, std::uint32_t generation = 1) {
    return tell(happened::worker_ready{{slot, generation}});
  }
  lines ended(std::uint32_t slot, std::uint32_t generation = 1, bool had_tasks = false) {
    return tell(happened::worker_ended{{slot, generation}, had_tasks});
  }
  // Started, and as many workers as this up and ready.
  void serving(int workers) {
    start();
    for (int i = 0; i < workers; ++i) ready(static_cast<std::uint32_t>(i));
  }

  static constexpr time_point begin{1h};
  time_point now = begin;
  plan decides;
};

}  // namespace muster::engine::test
