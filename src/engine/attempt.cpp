// SPDX-License-Identifier: MIT
// One attempt of a task: how it runs, how it ends, how what settles is counted.
#include <algorithm>
#include <cstdio>

#include <muster/context.hpp>
#include <muster/error.hpp>

#include "engine/engine.hpp"
#include "engine/thread_voice.hpp"

namespace muster::engine {

namespace {
thread_local const engine* counting_for = nullptr;
thread_local tally* counted_here = nullptr;
}  // namespace

bool engine::run(task& t, worker_id worker) {
  const retry_options& retry = retry_of(t);
  t.count_attempt();
  t.set_worker(worker.slot);
  began(t, worker);
  thread_voice voice(*this, t, worker.slot);
  context about(t.id, t.attempt(), t.extras ? t.extras->stop.get_token() : std::stop_token{},
                std::string_view(t.names().id), &voice, std::string_view(t.names().label), trace_of(t));
  const inside* outer = here_now;
  const inside now{this, worker.slot, outer != nullptr ? outer->depth + 1 : 1, outer, &t, &voice};
  here_now = &now;
  std::exception_ptr error;
  const bool timed = settings_.queue.refuse_hopeless;
  const auto began_at = timed ? time_->now() : base::time_point();
  const bool keeps = safeguards_ && safeguards_->keeps_letters();
  const auto how = t.ops->run(t, about, keeps || t.attempt() < retry.attempts, error);
  if (timed) ran_for(time_->now() - began_at);
  here_now = outer;
  if (t.is(task::reported)) note_ended(t, error);
  switch (how) {
    case detail::ran::stored: count_and_publish(t, outcome::succeeded); break;
    case detail::ran::late: late_.fetch_add(1, std::memory_order_relaxed); break;
    case detail::ran::threw: return end_attempt(t, std::move(error), policy::failure::error);
  }
  leave(t);
  return true;
}

std::string name_of(const task& t) {
  std::string name = "task " + std::to_string(t.id);
  return t.extras ? name + detail::in_brackets(t.names().label, t.names().id) : name;
}

std::optional<unsigned> worker_of(std::uint32_t slot) {
  return slot == no_slot ? std::nullopt : std::optional<unsigned>(slot);
}

namespace {
std::string on_worker(std::uint32_t slot) {
  return slot == no_slot ? " in its submitter" : " on worker " + std::to_string(slot);
}

// One line: which task, where, why.
std::string failure_text(const task& t) {
  const bool is_post = t.is(task::is_post);
  std::string text = name_of(t) + (is_post ? ", posted, failed" : " failed");
  if (t.attempt() > 0) text += on_worker(t.worker());
  try {
    std::rethrow_exception(t.error);
  } catch (const error& e) {
    // what() names the task and the worker
    text = e.subject().task == t.id ? (is_post ? "a post failed: " : "a task failed: ") : text + ": ";
    text += e.what();
  } catch (const std::exception& e) {
    text += std::string(": ") + e.what();
  } catch (...) {
    text += ": it threw something that is no std::exception";
  }
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::string backtrace_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const worker_error& e) {
    return e.backtrace();
  } catch (const unexpected_exit& e) {
    std::string lines;
    for (const stack_frame& frame : e.death().backtrace) lines += frame.text() + "\n";
    return lines;
  } catch (...) {
    return {};
  }
}
}  // namespace

// Whether the plan hears of its runs. A deadline alone is the same for those that run and those that do not.
namespace {
bool counts_runs(const task& t) {
  return t.is(task::watched) && (t.extras->run_timeout || t.extras->queue_timeout);
}
}  // namespace

void engine::note_began(task& t, worker_id worker) {
  if (t.is(task::reported)) {
    const auto now = time_->now();
    t.extras->times->began.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    if (watcher::is_measured(t)) {
      watcher_.began(t, now);
      put_metric(t, metric::kind::started);
    }
    if (!t.extras->times->report && !t.is(task::watched)) return;
  }
  if (counts_runs(t)) {
    happened::task_began began{t.id, worker, {}};
    if (t.extras->run_timeout) began.finish_by = base::after(time_->now(), *t.extras->run_timeout);
    tell({.what = began}, began.finish_by.value_or(base::never));
  }
  if (hears(event_kind::task_began))
    announce(
        {.kind = event_kind::task_began,
         .text = name_of(t) + ": attempt " + std::to_string(t.attempt()) + " began" + on_worker(worker.slot),
         .worker = worker_of(worker.slot),
         .generation = worker.generation,
         .task = t.id,
         .task_id = t.names().id,
         .label = t.names().label});
}

void engine::put_back(task& t) {
  move(t, task_event::take_back);
  if (counts_runs(t)) tell({.what = happened::task_returned{t.id}}, base::never);
  intake_.put_back(t);
  nudge_callback_waiters();
}

void engine::succeeded(task& t) {
  if (t.is(task::reported)) note_ended(t, nullptr);
  count_and_publish(t, outcome::succeeded);
  let_go(t);
}

void engine::too_late(task& t) {
  if (t.is(task::reported)) note_ended(t, nullptr);
  late_.fetch_add(1, std::memory_order_relaxed);
  let_go(t);
}

void engine::failed(task& t, std::exception_ptr error, policy::failure why) {
  if (t.is(task::reported)) note_ended(t, error);
  if (end_attempt(t, std::move(error), why)) release(t);
}

bool engine::end_attempt(task& t, std::exception_ptr error, policy::failure why) {
  const retry_options& retry = retry_of(t);
  if (!t.settled()) {
    if (!retry.permanent.empty() && policy::is_permanent(retry, error)) why = policy::failure::permanent;
    happened::attempt_failed what{t.id, t.attempt(), {}, why};
    if (settings_.plan.quarantine && why == policy::failure::crash) what.suspect = suspect_of(t, error);
    if (t.is(task::watched) || !what.suspect.empty() || policy::run_again(retry, why, t.attempt())) {
      what.retry = retry;
      what.outranks = t.extras && t.extras->retry;
      make_known(t);
      move(t, task_event::wait);
      waiting_.fetch_add(1, std::memory_order_relaxed);
      tell({.what = std::move(what), .about = task_ref<>::adopt(&t), .error = std::move(error)});
      return false;
    }
  }
  if (!settle(t, outcome::failed, std::move(error))) late_.fetch_add(1, std::memory_order_relaxed);
  leave(t);
  return true;
}

void engine::leave(task& t) {
  move(t, task_event::settle);
  end_limits(t);
  if (intake_.has_turns(t)) release_key(t);
}

void engine::release_key(task& t) {
  auto lock = intake_.lock();
  intake_.release_key(t);
  if (intake_.size() == 0) return;
  tell_backlog();
  nudge_callback_waiters();
  crew_->queued(lock);
}

void engine::let_go(task& t) {
  leave(t);
  release(t);
}

// ---------------------------------------------------------------------------------------------------------
// settling

const retry_options& engine::retry_of(const task& t) const {
  return t.extras && t.extras->retry ? *t.extras->retry : settings_.retry;
}

error_subject engine::subject_of(const task& t) const {
  error_subject subject{.task = t.id, .attempt = t.attempt()};
  if (t.extras) {
    subject.task_id = t.names().id;
    subject.label = t.names().label;
  }
  if (t.attempt() > 0) subject.worker = worker_of(t.worker());
  return subject;
}

bool engine::settle(task& t, outcome as, std::exception_ptr error) {
  if (!t.claim()) return false;
  t.error = std::move(error);
  if (t.is(task::has_handles)) t.ops->call(t).handles.reset();  // nobody needs them any more
  if (t.ops->call != nullptr) {
    auto& call = t.ops->call(t);
    if (call.blocks) call.blocks->clear();  // who runs it still holds them
    const bool may_run_again = as == outcome::failed && safeguards_ && safeguards_->keeps_letters();
    if (call.data.block() != nullptr && !may_run_again) call.data = {};  // the same
  }
  count_and_publish(t, as);
  return true;
}

void engine::tell_of_failure(const task& t) {
  if (hears(event_kind::error)) {
    event e{.kind = event_kind::error,
            .text = failure_text(t),
            .worker = t.attempt() > 0 ? worker_of(t.worker()) : std::nullopt,
            .task = t.id,
            .task_id = t.names().id,
            .error = t.error,
            .label = t.names().label,
            .backtrace = backtrace_of(t.error)};
    announce(std::move(e));
  }
  if (t.is(task::is_post)) tell_of_failed_post(t);
}

// A post has no future, so this is where its failure is heard of.
void engine::tell_of_failed_post(const task& t) {
  const bool ends = settings_.on_post_error == on_post_error::terminate;
  const bool heard = hears(event_kind::task_failed) || !failure_told_.load(std::memory_order_relaxed);
  if (!ends && !heard) return;
  const std::string text = failure_text(t);
  announce({.kind = event_kind::task_failed,
            .text = text,
            .worker = t.attempt() > 0 ? worker_of(t.worker()) : std::nullopt,
            .task = t.id,
            .task_id = t.names().id,
            .error = t.error,
            .label = t.names().label});
  if (!ends) return;
  std::fprintf(stderr, "muster: %s; on_post_error is terminate\n", text.c_str());
  std::terminate();
}

void engine::count_and_publish(task& t, outcome as) {
  static constexpr std::atomic<std::size_t> tally::* counts[] = {&tally::succeeded, &tally::failed,
                                                                 &tally::cancelled};
  const auto which = counts[static_cast<std::size_t>(as)];
  tally* const mine = counting_for == this ? counted_here : nullptr;
  const auto count = [&](std::atomic<std::size_t> tally::* what, std::memory_order order) {
    if (mine != nullptr)
      (mine->*what).store((mine->*what).load(std::memory_order_relaxed) + 1, order);
    else
      (shared_.*what).fetch_add(1, order);
  };
  count(which, std::memory_order_relaxed);
  if (t.error) count_error(code_of(t.error));
  if (as == outcome::failed) tell_of_failure(t);
  if (t.is(task::reported)) {
    t.extras->times->ended = time_->now();
    t.extras->times->attempts = static_cast<std::uint16_t>(t.attempt());
    t.extras->times->ran_on = t.worker();
  }
  if (safeguards_) tell_safeguards(t, as);
  publish(t);
  if (settings_.queue.unsettled) {
    const auto lock = intake_.lock();
    intake_.settled();
  }
  count(&tally::published, std::memory_order_release);
  if (mine == nullptr) look_idle();  // others look when they have nothing more to do
}

void engine::count_kept(task& t) {
  MUSTER_ASSERT(counting_for == this);
  constexpr std::uint64_t at_once = 64;  // others draw numbers too
  if (counted_here->number == counted_here->last_number) {
    counted_here->number = intake_.draw_numbers(at_once);
    counted_here->last_number = counted_here->number + at_once;
  }
  if (t.id == 0) t.set_id(++counted_here->number);
  counted_here->kept.store(counted_here->kept.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  move(t, task_event::place);
}

void engine::uncount_kept(task& t) {
  counted_here->kept.store(counted_here->kept.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  move(t, task_event::take_back);
}

engine::counting::counting(engine& home) : home_(home) {
  const std::lock_guard lock(home.tallies_mutex_);
  if (home.unused_tallies_.empty()) {
    home.tallies_.push_back(std::make_unique<tally>());
    home.unused_tallies_.push_back(home.tallies_.back().get());
  }
  counted_here = home.unused_tallies_.back();
  counting_for = &home;
  home.unused_tallies_.pop_back();
}

engine::counting::~counting() {
  const std::lock_guard lock(home_.tallies_mutex_);
  home_.unused_tallies_.push_back(counted_here);
  counting_for = nullptr;
}

std::size_t engine::total(std::atomic<std::size_t> tally::* which, std::memory_order order) const {
  const std::lock_guard lock(tallies_mutex_);
  std::size_t sum = (shared_.*which).load(order);
  for (const auto& each : tallies_) sum += ((*each).*which).load(order);
  return sum;
}

// With the intake's lock. How many tasks ever were.
std::size_t engine::submitted() const {
  return intake_.admitted() + total(&tally::kept, std::memory_order_relaxed);
}

// What had settled is added up before what was submitted is read: were they equal, nothing was unsettled
// then.
bool engine::idle() {
  const std::size_t settled = total(&tally::published, std::memory_order_acquire);
  const auto lock = intake_.lock();
  return settled == submitted();
}

void engine::look_idle() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  const bool stopping = stopping_.load(std::memory_order_relaxed);
  if (!stopping && idle_waiters_.load(std::memory_order_relaxed) == 0) return;
  std::unique_lock lock(notes_mutex_, std::defer_lock);
  std::shared_ptr<life> seen;  // another may begin before we say what we have seen
  if (stopping) {
    lock.lock();
    seen = life_;
    lock.unlock();
  }
  if (!idle()) return;
  lock.lock();
  ++times_idle_;
  changed_.notify_all();
  const bool tells = stopping && seen == life_ && !std::exchange(life_->drained_told, true);
  lock.unlock();
  if (tells) tell({.what = happened::drained{}});
}

bool engine::unqueue(task& t) {
  const auto lock = intake_.lock();
  return intake_.remove(t);
}

}  // namespace muster::engine
