// SPDX-License-Identifier: MIT
#include "engine/safeguards.hpp"

#include <chrono>
#include <cstdio>

#include <muster/error.hpp>

namespace muster::engine {

using detail::task;
using policy::call_end;

namespace {

std::string seconds(duration d) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.3g s", std::chrono::duration<double>(d).count());
  return text;
}

// So far apart begin the periods of breakers that one label has one after the other.
constexpr std::uint64_t periods_each = std::uint64_t{1} << 32U;

}  // namespace

safeguards::safeguards(const safeguard_settings& chosen, std::string pool)
    : chosen_(chosen), pool_(std::move(pool)) {
  if (chosen_.breaker) breaker_.emplace(*chosen_.breaker, next_period_);
  next_period_ += periods_each;
}

safeguards::~safeguards() = default;

// -----------------------------------------------------------------------------------------------------------
// breakers

std::string safeguards::name_of(const std::string& label) const {
  return label.empty() ? "of the pool '" + pool_ + "'" : "for '" + label + "' in the pool '" + pool_ + "'";
}

void safeguards::refuse(const policy::breaker& by, const std::string& label, base::time_point now) const {
  std::string text = "Circuit breaker " + name_of(label) + " is open: " + by.why();
  text += by.state() == breaker_state::half_open
              ? "; it is half open, and its calls on trial have not ended yet"
          : by.changes_at() > now
              ? "; it is half open, and admits a call on trial, in " + seconds(by.changes_at() - now)
              : "";
  throw circuit_open(text);
}

void safeguards::note_change(const policy::breaker& of, breaker_state before, const std::string& label,
                             duration open_for, news& told) const {
  if (of.state() == before) return;
  const std::string which = "the circuit breaker " + name_of(label);
  switch (of.state()) {
    case breaker_state::open:
      told.push_back(
          {.kind = event_kind::circuit_opened,
           .text = which + " opened, and refuses tasks for " + seconds(open_for) + ": " + of.why()});
      return;
    case breaker_state::half_open:
      told.push_back({.kind = event_kind::circuit_half_opened,
                      .text = which + " is half open, and admits a task on trial"});
      return;
    case breaker_state::closed:
      told.push_back(
          {.kind = event_kind::circuit_closed, .text = which + " closed: its calls on trial succeeded"});
      return;
  }
}

// Forgets a breaker that says no more than a new one would. O(1): looks at the few that were unused longest.
bool safeguards::make_room(base::time_point now) {
  int looked_at = 0;
  for (auto at = unused_.begin(); at != unused_.end() && looked_at < 8; ++at, ++looked_at) {
    const auto found = labels_.find(*at);
    const policy::breaker& breaker = found->second.breaker;
    if (breaker.state() != breaker_state::closed && breaker.changes_at() > now) continue;
    labels_.erase(found);
    unused_.erase(at);
    return true;
  }
  return false;
}

safeguards::guarded* safeguards::guard_of(const std::string& label, base::time_point now) {
  if (const auto found = labels_.find(label); found != labels_.end()) return &found->second;
  if (labels_.size() >= most_labels && !make_room(now)) return nullptr;
  guarded& made =
      labels_.try_emplace(label, guarded{policy::breaker(*chosen_.breaker_per_label, next_period_)})
          .first->second;
  next_period_ += periods_each;
  made.unused_at = unused_.insert(unused_.end(), label);
  return &made;
}

void safeguards::enter(task& t, base::time_point now, news& told) {
  const bool labelled = chosen_.breaker_per_label && !t.names().label.empty();
  if (breaker_ || labelled) static_cast<void>(t.own_extras());
  if (const breaker_options* o = options_for(t); o != nullptr && o->slow) static_cast<void>(t.own_times());
  const std::lock_guard lock(mutex_);
  refuse_if_set_aside(t, now);
  if (breaker_) {
    const breaker_state before = breaker_->state();
    const auto ticket = breaker_->enter(now);
    note_change(*breaker_, before, {}, chosen_.breaker->open_for, told);
    if (!ticket) refuse(*breaker_, {}, now);
    t.extras->pool_ticket = *ticket;
  }
  if (!labelled) return;
  const std::string& label = t.names().label;
  guarded* const its = guard_of(label, now);
  if (its == nullptr) return;
  const breaker_state before = its->breaker.state();
  const auto ticket = its->breaker.enter(now);
  note_change(its->breaker, before, label, chosen_.breaker_per_label->open_for, told);
  if (!ticket) {
    if (breaker_) breaker_->leave(std::exchange(t.extras->pool_ticket, {}), call_end::unknown, now);
    refuse(its->breaker, label, now);
  }
  t.extras->label_ticket = *ticket;
  if (its->inside++ == 0) unused_.erase(its->unused_at);
}

void safeguards::leave(task& t, call_end how, base::time_point now, news& told) {
  if (!t.extras) return;
  const std::lock_guard lock(mutex_);
  if (const auto ticket = std::exchange(t.extras->pool_ticket, {}); ticket.period != 0) {
    const breaker_state before = breaker_->state();
    breaker_->leave(ticket, how, now);
    note_change(*breaker_, before, {}, chosen_.breaker->open_for, told);
  }
  if (const auto ticket = std::exchange(t.extras->label_ticket, {}); ticket.period != 0) {
    const std::string& label = t.names().label;
    guarded& its = labels_.find(label)->second;  // not forgotten: somebody was inside
    const breaker_state before = its.breaker.state();
    its.breaker.leave(ticket, how, now);
    note_change(its.breaker, before, label, chosen_.breaker_per_label->open_for, told);
    if (--its.inside == 0) its.unused_at = unused_.insert(unused_.end(), label);
  }
}

// Where a task has two breakers they have the same say about what counts: the label's, if it has one.
const breaker_options* safeguards::options_for(const task& t) const {
  if (chosen_.breaker_per_label && !t.names().label.empty()) return &*chosen_.breaker_per_label;
  return chosen_.breaker ? &*chosen_.breaker : nullptr;
}

call_end safeguards::judge(const task& t, const std::exception_ptr& error) const {
  const breaker_options* const o = options_for(t);
  if (o == nullptr || t.attempt() == 0) return call_end::unknown;
  const auto counted = [](bool counts) { return counts ? call_end::bad : call_end::good; };
  try {
    std::rethrow_exception(error);
  } catch (const muster::error& e) {
    if (e.subject().task != t.id) return counted(o->on_error);  // of another task, passed on by this one
    switch (e.code()) {
      case error_code::cancelled:
      case error_code::pool_stopped: return call_end::unknown;
      case error_code::task_timeout: return counted(o->on_timeout);
      case error_code::unexpected_exit:
      case error_code::out_of_memory:
      case error_code::protocol_violation:
      case error_code::quarantined: return counted(o->on_crash);
      default: return counted(o->on_error);
    }
  } catch (...) {
    return counted(o->on_error);
  }
}

bool safeguards::is_slow(const task& t, duration took) const {
  const breaker_options* const o = options_for(t);
  return o != nullptr && o->slow && took > *o->slow;
}

// -----------------------------------------------------------------------------------------------------------
// tasks that were set aside

void safeguards::refuse_if_set_aside(const task& t, base::time_point now) {
  if (set_aside_.empty() || t.names().id.empty() || t.extras->retry) return;
  const auto found = set_aside_.find(t.names().id);
  if (found == set_aside_.end()) return;
  if (found->second.until <= now) {
    aside_order_.erase(found->second.order_at);
    set_aside_.erase(found);
    return;
  }
  throw quarantined("the task (" + t.names().id + ") was set aside, and is refused for another " +
                        seconds(found->second.until - now) +
                        "; the last worker that died under it: " + found->second.last->summary(),
                    found->second.last, {.task_id = t.names().id});
}

void safeguards::set_aside(const std::string& id, std::shared_ptr<const death> last, base::time_point now) {
  if (id.empty() || !chosen_.quarantine) return;
  forgive(id);
  const std::lock_guard lock(mutex_);
  if (set_aside_.size() >= most_set_aside) {
    set_aside_.erase(aside_order_.front());
    aside_order_.pop_front();
  }
  const auto order = aside_order_.insert(aside_order_.end(), id);
  set_aside_.insert_or_assign(
      id, set_aside_task{base::after(now, chosen_.quarantine->stay), std::move(last), order});
}

void safeguards::forgive(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = set_aside_.find(id);
  if (found == set_aside_.end()) return;
  aside_order_.erase(found->second.order_at);
  set_aside_.erase(found);
}

// -----------------------------------------------------------------------------------------------------------
// dead letters

void safeguards::keep(kept_letter letter) {
  std::list<kept_letter> made, gone;  // destroyed without the lock: arguments may do anything at their end
  made.push_back(std::move(letter));
  const std::lock_guard lock(mutex_);
  by_number_[made.front().about.task] = made.begin();
  letters_.splice(letters_.end(), made);
  if (letters_.size() <= chosen_.dead_letters) return;
  by_number_.erase(letters_.front().about.task);
  gone.splice(gone.end(), letters_, letters_.begin());
}

std::vector<dead_letter> safeguards::letters() const {
  const std::lock_guard lock(mutex_);
  std::vector<dead_letter> all;
  all.reserve(letters_.size());
  for (const kept_letter& each : letters_) all.push_back(each.about);
  return all;
}

std::optional<kept_letter> safeguards::take(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto found = by_number_.find(number);
  if (found == by_number_.end()) return std::nullopt;
  std::optional<kept_letter> taken(std::move(*found->second));
  letters_.erase(found->second);
  by_number_.erase(found);
  return taken;
}

void safeguards::describe(stats& into) const {
  const std::lock_guard lock(mutex_);
  const auto add = [&into](const std::string& label, const policy::breaker& b) {
    into.breakers.push_back({label, b.state(), b.failures(), b.opened(), b.refused()});
  };
  if (breaker_) add({}, *breaker_);
  for (const auto& [label, each] : labels_) add(label, each.breaker);
  into.dead_letters = letters_.size();
}

}  // namespace muster::engine
