// SPDX-License-Identifier: MIT
// What the engine does about failures beside retrying: asks the user, tells the safeguards, keeps what failed
// for good and runs it again.
#include <csignal>

#include <muster/error.hpp>

#include "engine/engine.hpp"
#include "engine/registry.hpp"
#include "engine/safeguards.hpp"

namespace muster::engine {

// -----------------------------------------------------------------------------------------------------------
// whether to run again

// The user's predicate may be slow and may throw, so it runs where callbacks do. The loop holds the task
// meanwhile; where it settles before there is an answer, nobody waits for that any more.
void engine::ask_user(const happened::attempt_failed& about, const std::exception_ptr& error) {
  happened::attempt_failed answer = about;
  answer.asked = happened::attempt_failed::question::answered;
  callbacks_->post([home = static_cast<detail::task_home*>(this), when = about.retry.when, error, answer] {
    const auto reply = [&](bool again) {
      auto said = answer;
      if (!again) said.why = policy::failure::permanent;
      with_living(home, [&](detail::task_home& h) { static_cast<engine&>(h).tell({.what = said}); });
    };
    bool again = false;
    try {
      again = when(error);
    } catch (...) {
      reply(false);
      throw;  // reported as what any callback throws
    }
    reply(again);
  });
}

// True: the attempt is told to stop, and its end decides.
bool engine::timed_out_for_now(known_task& known, const std::exception_ptr& error) {
  const task& t = *known.ref;
  const retry_options& retry = retry_of(t);
  if (known.held || known.cancelled || cancelling_all_ || t.settled() ||
      !policy::run_again(retry, policy::failure::timeout, t.attempt()) || policy::is_permanent(retry, error))
    return false;
  known.timeout = error;
  take_away(known.ref, death_cause::run_timeout, now_);
  return true;
}

namespace {
// Whether nobody but the worker and what it ran had a hand in its death.
bool is_its_own(const death& how) {
  switch (how.cause) {
    case death_cause::exited:
    case death_cause::out_of_memory:
    case death_cause::protocol_violation:
    case death_cause::unresponsive: return true;
    case death_cause::signalled: return !how.signal_sender || *how.signal_sender == how.pid;
    default: return false;
  }
}

// The copy of the exception keeps the death alive.
std::shared_ptr<const death> death_in(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const unexpected_exit& e) {
    return {std::make_shared<const unexpected_exit>(e), &e.death()};
  } catch (...) {
    return nullptr;
  }
}
}  // namespace

std::string engine::suspect_of(const task& t, const std::exception_ptr& error) const {
  const auto how = death_in(error);
  if (!how || how->tasks.size() != 1 || !is_its_own(*how)) return {};
  return !t.names().id.empty() ? "id " + t.names().id : "number " + std::to_string(t.id);
}

void engine::perform(const todo::quarantine_task& a) {
  const auto found = known_.find(a.task);
  if (found == known_.end() || !found->second.held) return;
  task& t = *found->second.held;
  const auto last = death_in(found->second.error);
  const std::string id = t.names().id;
  const auto error = std::make_exception_ptr(
      quarantined("set aside: " + std::to_string(settings_.plan.quarantine->deaths) +
                      " or more workers died under it; the last: " + (last ? last->summary() : "unknown"),
                  last ? last : std::make_shared<const death>(), subject_of(t)));
  end_wait(found->second);
  safeguards_->set_aside(id, last ? last : std::make_shared<const death>(), now_);
  quarantined_.fetch_add(1, std::memory_order_relaxed);
  if (settle(t, outcome::failed, error))
    announce({.kind = event_kind::task_quarantined,
              .text = name_of(t) + " is set aside" + (last ? ": " + last->summary() : ""),
              .task = t.id,
              .task_id = id,
              .error = error});
  forget(a.task, now_);
}

// -----------------------------------------------------------------------------------------------------------
// admission and what became of it

engine::guarded_entry::guarded_entry(engine& home, task& t)
    : home_(home), exceptions_(home.safeguards_ ? std::uncaught_exceptions() : 0) {
  if (!home.safeguards_) return;
  home.enter_guarded(t);
  task_ = task_ref<>::share(t);
}

// Refused by something else: what it was let in for it gives back.
engine::guarded_entry::~guarded_entry() {
  if (task_ && std::uncaught_exceptions() > exceptions_)
    home_.leave_guarded(*task_, policy::call_end::unknown);
}

void engine::enter_guarded(task& t) {
  safeguards::news told;
  try {
    safeguards_->enter(t, time_->now(), told);
  } catch (...) {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    for (event& e : told) announce(std::move(e));
    throw;
  }
  for (event& e : told) announce(std::move(e));
}

void engine::leave_guarded(task& t, policy::call_end how) {
  safeguards::news told;
  safeguards_->leave(t, how, time_->now(), told);
  for (event& e : told) announce(std::move(e));
}

void engine::tell_safeguards(task& t, outcome as) {
  using policy::call_end;
  call_end how = as == outcome::succeeded ? call_end::good : call_end::unknown;
  if (as == outcome::failed) how = safeguards_->judge(t, t.error);
  if (how == call_end::good && t.is(task::reported)) {
    const auto began = t.extras->times->began.load(std::memory_order_relaxed);
    const base::time_point since{base::time_point::duration(began)};
    if (began != 0 && safeguards_->is_slow(t, time_->now() - since)) how = call_end::bad;
  }
  leave_guarded(t, how);
  if (as == outcome::failed && safeguards_->keeps_letters()) keep_letter(t);
}

// -----------------------------------------------------------------------------------------------------------
// dead letters

namespace {
std::string text_of(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "it threw something that is no std::exception";
  }
}

// A thread that is past its time still uses its arguments.
bool may_still_run(const task& t, const std::exception_ptr& error) {
  if (t.ops->run == nullptr || t.state() != detail::task_state::running) return false;
  try {
    std::rethrow_exception(error);
  } catch (const task_timeout& e) {
    return e.subject().task == t.id;
  } catch (...) {
    return false;
  }
}
}  // namespace

void engine::keep_letter(task& t) {
  const bool is_stream = t.extras && t.extras->chunks != nullptr;
  kept_letter letter{.about = {.task = t.id,
                               .id = t.names().id,
                               .label = t.names().label,
                               .why = error_kind(error_code::quarantined).matches(t.error)
                                          ? dead_letter::reason::quarantined
                                          : dead_letter::reason::failed,
                               .attempts = t.attempt(),
                               .text = text_of(t.error),
                               .error = t.error,
                               .time = time_->now()}};
  letter.about.can_resubmit = t.ops->again != nullptr && !t.is(task::has_handles) && !is_stream &&
                              !(t.ops->call != nullptr && t.ops->call(t).blocks) &&
                              !may_still_run(t, t.error);
  if (letter.about.can_resubmit) letter.task = task_ref<>::share(t);
  safeguards_->keep(std::move(letter));
}

std::vector<dead_letter> engine::dead_letters() const {
  return safeguards_ ? safeguards_->letters() : std::vector<dead_letter>();
}

bool engine::discard(std::uint64_t number) { return safeguards_ && safeguards_->take(number).has_value(); }

task_ref<> engine::resubmit(std::uint64_t number, const std::type_info* result) {
  auto letter = safeguards_ ? safeguards_->take(number) : std::nullopt;
  const std::string which =
      "the dead letter " + std::to_string(number) + " of the pool '" + settings_.name + "'";
  if (!letter) throw invalid_call(which + " is not there (any more); dead_letters() lists those there are");
  const auto give_back = [&](const std::string& why) {
    safeguards_->keep(std::move(*letter));
    throw invalid_call(which + why);
  };
  if (!letter->about.can_resubmit)
    give_back(" cannot run again: its arguments can only be moved, or it is a stream, or still runs");
  task& old = *letter->task;
  if (result != nullptr && *result != *old.ops->result)
    give_back(" has a result of another type; name that type, or resubmit it without one");

  auto fresh = task_ref<>::adopt(old.ops->again(old));
  task& t = *fresh;
  t.priority = old.priority;
  if (old.is(task::wants_stop)) t.mark(task::wants_stop);
  if (result == nullptr) t.mark(task::is_post);
  if (t.is(task::wants_stop)) t.own_extras().stop = std::stop_source();
  t.own_names() = {
      .id = letter->about.id, .label = letter->about.label, .trace = old.names().trace, .key = {}};
  if (old.extras && old.extras->retry)
    t.own_extras().retry = std::make_unique<retry_options>(*old.extras->retry);
  safeguards_->forgive(t.names().id);
  letter->task = fresh;
  try {
    submit(fresh);
  } catch (...) {
    safeguards_->keep(std::move(*letter));
    throw;
  }
  return fresh;
}

}  // namespace muster::engine
