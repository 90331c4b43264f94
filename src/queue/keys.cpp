// SPDX-License-Identifier: MIT
#include "queue/keys.hpp"

namespace muster::queue {

keys::keys(const key_options& each, const std::vector<std::pair<std::string, key_options>>& some)
    : each_(each) {
  for (const auto& [name, rules] : some) rules_.emplace(name, &rules);
}

bool keys::enter(task& t, base::time_point now) {
  forget_unused(now);
  entry& e = entry_of(t, now);
  park(e, t);
  go_on(e, now);
  if (!t.extras->holds_key) return false;
  std::erase(let_in_, &t);  // the caller has it
  return true;
}

bool keys::enter_again(task& t, base::time_point now) {
  entry& e = entry_of(t, now);
  t.extras->holds_key = false;
  e.holder = nullptr;
  --e.holders;
  park(e, t);  // it is older than those that never held it
  go_on(e, now);
  if (!t.extras->holds_key) return false;
  std::erase(let_in_, &t);
  return true;
}

void keys::start(task& t, base::time_point now) {
  entry& e = entry_of(t, now);
  --e.in_lanes;
  if (!e.bucket) return;
  e.bucket->take(now);
  go_on(e, now);
}

void keys::undo_start(task& t) {
  const auto found = entries_.find(t.names().key);
  ++found->second.in_lanes;
  if (found->second.bucket) found->second.bucket->give_back();
}

void keys::leave(task& t, base::time_point now) {
  entry& e = entry_of(t, now);
  if (t.extras->holds_key) {
    --e.in_lanes;
    return;
  }
  unpark(e, t);
  go_on(e, now);
}

void keys::release(task& t, base::time_point now) {
  if (!t.extras->holds_key) return;
  t.extras->holds_key = false;
  entry& e = entry_of(t, now);
  e.holder = nullptr;
  --e.holders;
  go_on(e, now);
}

void keys::look(base::time_point now) {
  while (look_at() <= now) go_on(*due_.begin()->second, now);
}

keys::entry& keys::entry_of(const task& t, base::time_point now) {
  const auto [at, fresh] = entries_.try_emplace(t.names().key);
  entry& e = at->second;
  if (fresh) {
    const auto own = rules_.find(at->first);
    e.name = &at->first;
    e.rules = own != rules_.end() ? own->second : &each_;
    if (e.rules->rate) e.bucket.emplace(*e.rules->rate);
    if (e.bucket) (void)e.bucket->tokens(now);
  }
  return e;
}

bool keys::has_room(entry& e, base::time_point now) const {
  if (e.holders >= at_once(e)) return false;
  return !e.bucket || e.bucket->tokens(now) > static_cast<std::int64_t>(e.in_lanes);
}

task* keys::ahead_of(const task& t) const {
  const auto found = entries_.find(t.names().key);
  if (t.extras->holds_key || found == entries_.end() || at_once(found->second) > 1) return nullptr;
  return found->second.holder;
}

void keys::hold(entry& e, task& t) {
  t.extras->holds_key = true;
  e.holder = &t;
  ++e.holders;
  ++e.in_lanes;
}

void keys::park(entry& e, task& t) {
  e.parked.insert(&t);
  parked_.insert(&t);
  ++counts_[t.priority];
}

void keys::unpark(entry& e, task& t) {
  e.parked.erase(&t);
  parked_.erase(&t);
  if (const auto count = counts_.find(t.priority); --count->second == 0) counts_.erase(count);
}

// Lets in whoever may hold this key now, and sees when to look again, or whether to forget it.
void keys::go_on(entry& e, base::time_point now) {
  while (!e.parked.empty() && has_room(e, now)) {
    task& t = **e.parked.begin();
    unpark(e, t);
    hold(e, t);
    let_in_.push_back(&t);
  }
  // Where the lanes have as many of its tasks as the bucket can hold tokens, one of those has to start first.
  const bool waits_for_token =
      e.bucket && !e.parked.empty() && e.holders < at_once(e) && e.in_lanes < e.rules->rate->burst;
  set(due_, e, &entry::due,
      waits_for_token ? std::optional(e.bucket->when(static_cast<std::int64_t>(e.in_lanes) + 1, now))
                      : std::nullopt);
  const bool unused = e.holders == 0 && e.parked.empty();
  if (unused && !e.bucket) {
    entries_.erase(entries_.find(*e.name));
    return;
  }
  set(unused_, e, &entry::full_at, unused ? std::optional(e.bucket->full_at(now)) : std::nullopt);
}

void keys::set(std::set<std::pair<base::time_point, entry*>>& in, entry& e,
               std::optional<base::time_point> entry::* field, std::optional<base::time_point> at) {
  if (e.*field == at) return;
  if (e.*field) in.erase({*(e.*field), &e});
  e.*field = at;
  if (at) in.insert({*at, &e});
}

// Without a timer of its own: when the next one comes.
void keys::forget_unused(base::time_point now) {
  while (!unused_.empty() && unused_.begin()->first <= now) {
    entry& e = *unused_.begin()->second;
    unused_.erase(unused_.begin());
    entries_.erase(entries_.find(*e.name));
  }
}

}  // namespace muster::queue
