// SPDX-License-Identifier: MIT
#include "engine/intake.hpp"

#include <pthread.h>

#include <algorithm>

namespace muster::engine {

const base::steady_clock intake::steady;

namespace {
std::optional<std::int64_t> step_of(std::optional<duration> ageing) {
  if (!ageing) return std::nullopt;
  return std::chrono::duration_cast<std::chrono::milliseconds>(*ageing).count();
}
}  // namespace

// The lock is held so briefly that looking again beats sleeping: an adaptive mutex spins a little before it
// sleeps.
intake::intake(const queue_options& options, const base::clock& time)
    : options_(options),
      time_(time),
      began_(time.now()),
      lanes_(step_of(options.ageing)),
      one_at_a_time_(
          options.rate || options.capacity == std::size_t{0} || options.each_key.rate ||
          std::ranges::any_of(options.keys, [](const auto& k) { return k.second.rate.has_value(); })),
      keys_limit_(options.each_key.at_once != any_number || options.each_key.rate || !options.keys.empty()) {
  pthread_mutexattr_t spins_first;
  pthread_mutexattr_init(&spins_first);
  pthread_mutexattr_settype(&spins_first, PTHREAD_MUTEX_ADAPTIVE_NP);
  pthread_mutex_init(mutex_.native_handle(), &spins_first);
  pthread_mutexattr_destroy(&spins_first);
  if (options.rate) rate_.emplace(*options.rate);
  limited_ = options.rate || options.bytes || is_rendezvous();
  if (options.rate || options.bytes || options.unsettled) held_ |= static_cast<std::uint16_t>(hold::limits);
}

std::unique_lock<std::mutex> intake::lock() {
  std::unique_lock held(mutex_);
  bring_in();
  return held;
}

void intake::lock(std::unique_lock<std::mutex>& again) {
  again.lock();
  bring_in();
}

void intake::lock_to_take(std::unique_lock<std::mutex>& again) {
  again.lock();
  if (lanes_.empty() || held_ != 0) bring_in();
}

// ----------------------------------------------------------------------------------------------------------
// the door

void intake::bring_in() {
  do {
    ranks_changed_ = false;
    task* oldest = door_.take([this](std::uint64_t came) { return held_ != 0 ? 0 : room(came); });
    while (oldest != nullptr) {
      task& t = *std::exchange(oldest, oldest->next);
      mind_the_ranks(t, false);
      queue(t);
    }
  } while (ranks_changed_);
}

// While all have one priority, the door is open for it, and who takes
// tasks may leave others there: they come later anyway. With several it is shut. What has passed before that
// is brought in once t is queued.
void intake::change_ranks(const task& t, bool is_new) {
  if (t.priority != 0 && options_.ageing) counts_waits_.store(true, std::memory_order_relaxed);
  const bool are_several = is_set(hold::priorities);
  constexpr auto bit = static_cast<std::uint16_t>(hold::priorities);
  if (is_new && waiting() == 0) {  // the crew will be told, and can look what it has taken
    door_.let_through(t.priority);
    held_ = static_cast<std::uint16_t>(held_ & ~bit);
  } else if (!are_several) {
    held_ = static_cast<std::uint16_t>(held_ | bit);
  } else {
    return;
  }
  ranks_changed_ = true;
}

void intake::set(hold why, bool on) {
  const auto bit = static_cast<std::uint16_t>(why);
  held_ = static_cast<std::uint16_t>(on ? held_ | bit : held_ & ~bit);
  bring_in();
}

// ----------------------------------------------------------------------------------------------------------
// admission

std::size_t intake::bytes_of(const task& t) const {
  if (!options_.bytes) return 0;
  std::size_t bytes = t.extras ? t.extras->bytes : 0;
  if (t.ops->call != nullptr) bytes += t.ops->call(const_cast<task&>(t)).data.view().size();
  return bytes;
}

base::time_point intake::patience() const {
  return options_.patience ? base::after(std::chrono::steady_clock::now(), *options_.patience) : base::never;
}

admission intake::admit(std::unique_lock<std::mutex>& lock, bool may_wait, std::size_t bytes) {
  if (closed_) return admission::closed;
  if (options_.bytes && bytes > *options_.bytes) return admission::too_large;
  if (waiting_.empty() && reserve(bytes)) return admission::admitted;
  if (!may_wait) return admission::full;
  waiter self{.bytes = bytes};
  return wait(lock, self);
}

admission intake::wait(std::unique_lock<std::mutex>& lock, waiter& self) {
  if (closed_) return admission::closed;
  if (waiting_.empty() && reserve(self.bytes)) return admission::admitted;  // it came just now
  const auto place = waiting_.insert(waiting_.end(), &self);
  set(hold::waiters, true);
  const std::uint64_t opened = times_closed_;  // it may be closed and open again when we look
  const auto turned_away = [&] { return times_closed_ != opened; };
  base::wait_until(self.wake, lock, patience(),
                   [&] { return self.let_in || self.given_up || turned_away(); });
  if (!self.let_in) waiting_.erase(place);
  if (self.let_in && turned_away()) give_back_place(self.bytes);
  if (!self.let_in) let_in();  // who came behind may need less
  set(hold::waiters, !waiting_.empty());
  if (turned_away()) return admission::closed;
  if (self.let_in) return admission::admitted;
  return self.given_up ? admission::given_up : admission::timed_out;
}

void intake::give_back_place(std::size_t bytes) {
  --reserved_;
  reserved_bytes_ -= bytes;
  if (!waiting_.empty()) let_in();
}

bool intake::fits(std::size_t bytes) const {
  if (options_.capacity && waiting() + reserved_ >= *options_.capacity) return false;
  if (options_.bytes && bytes_ + reserved_bytes_ + bytes > *options_.bytes) return false;
  return !options_.unsettled || unsettled_ + reserved_ < *options_.unsettled;
}

// Takes a place away from the door, unless the last one just went through it.
bool intake::reserve(std::size_t bytes) {
  if (options_.capacity) {
    ++reserved_;
    bring_in();
    --reserved_;
  }
  if (!fits(bytes)) return false;
  ++reserved_;
  reserved_bytes_ += bytes;
  return true;
}

// Gives free places to those who wait, in order. In a large queue places are given a handful at a time,
// because waking a submitter costs as much as a hundred short tasks.
void intake::let_in() {
  const std::size_t capacity = options_.capacity.value_or(0);
  const std::size_t handful = capacity / 64;
  if (options_.capacity && waiting() + reserved_ + handful > capacity) return;
  while (!waiting_.empty() && fits(waiting_.front()->bytes)) {
    waiter* first = waiting_.front();
    waiting_.pop_front();
    first->let_in = true;
    ++reserved_;
    reserved_bytes_ += first->bytes;
    first->wake.notify_one();
  }
}

void intake::open() {
  closed_ = false;
  set(hold::closed, false);
}

task* intake::drop_for(int priority) {
  task* least = lanes_.least();
  task* const parked = keys_ ? keys_->least() : nullptr;
  const auto before = [](const task& a, const task& b) {
    return a.priority != b.priority ? a.priority < b.priority : a.id < b.id;
  };
  if (parked != nullptr && (least == nullptr || before(*parked, *least))) least = parked;
  if (least == nullptr || least->priority > priority) return nullptr;
  remove(*least);
  return least;
}

void intake::offer(task& t, waiter* self) {
  if (self != nullptr) offered_.emplace(&t, self);
  mind_the_ranks(t, true);
  queue(t);
  if (ranks_changed_) bring_in();
}

admission intake::wait_taken(std::unique_lock<std::mutex>& lock, task& t, waiter& self) {
  const std::uint64_t opened = times_closed_;
  const auto turned_away = [&] { return times_closed_ != opened; };
  base::wait_until(self.wake, lock, patience(),
                   [&] { return self.let_in || self.given_up || turned_away(); });
  if (self.let_in) return admission::admitted;
  offered_.erase(&t);
  remove(t);
  if (has_turns(t)) release_key(t);
  move(t, task_event::take_back);
  --admitted_;
  --unsettled_;
  if (turned_away()) return admission::closed;
  return self.given_up ? admission::given_up : admission::timed_out;
}

void intake::close() {
  if (!closed_) ++times_closed_;
  closed_ = true;
  set(hold::closed, true);
  for (waiter* w : waiting_) w->wake.notify_one();
  for (const auto& [t, w] : offered_) w->wake.notify_one();
}

// ----------------------------------------------------------------------------------------------------------
// the tasks

void intake::push(task& t) {
  --reserved_;
  reserved_bytes_ -= bytes_of(t);
  mind_the_ranks(t, true);
  queue(t);
  if (ranks_changed_) bring_in();
}

void intake::queue(task& t) {
  if (counts_waits_.load(std::memory_order_relaxed)) {
    if (t.queued_at != 0)
      lanes_.note_stamp(t);
    else
      lanes_.stamp(t, stamp());
  }
  if (has_turns(t)) {
    if (!keys_) keys_.emplace(options_.each_key, options_.keys);
    limited_ = true;
    if (keys_->enter(t, time_.now())) lanes_.push_back(t);
    enter_lanes_late();
  } else {
    lanes_.push_back(t);
  }
  if (options_.bytes) bytes_ += bytes_of(t);
  count();
  peak_ = std::max(peak_, waiting());
  show(true);
  mind_the_gate();
}

void intake::put_back(task& t, bool began) {
  mind_the_ranks(t, false);
  if (options_.bytes) bytes_ += bytes_of(t);
  if (rate_ && !began) rate_->give_back();
  bool ready = true;
  if (has_turns(t) && began)
    ready = keys_->enter_again(t, time_.now());
  else if (has_turns(t))
    keys_->undo_start(t);
  if (ready) lanes_.push_front(t);
  if (has_turns(t)) enter_lanes_late();
  mind_the_gate();
  if (ranks_changed_ || (options_.capacity && door_.places() != 0)) bring_in();  // maybe a place fewer
}

task* intake::take_limited() {
  if (gated_) return nullptr;
  task* t = lanes_.pop();
  if (t == nullptr) return nullptr;
  left(*t);
  if (rate_) rate_->take(time_.now());
  if (has_turns(*t)) {
    keys_->start(*t, time_.now());
    enter_lanes_late();
  }
  mind_the_gate();
  return t;
}

bool intake::take(task& t) {
  if (t.state() != detail::task_state::queued) return false;
  if (has_turns(t) && !t.extras->holds_key) return false;
  lanes_.remove(t);
  left(t);
  move(t, task_event::place);
  if (rate_) rate_->take(time_.now());
  if (has_turns(t)) {
    keys_->start(t, time_.now());
    enter_lanes_late();
  }
  mind_the_gate();
  if (!waiting_.empty()) let_in();
  return true;
}

task* intake::take_any() {
  task* t = lanes_.top();
  if (t == nullptr && keys_) t = keys_->least();
  if (t != nullptr) remove(*t);
  return t;
}

bool intake::remove(task& t) {
  if (t.state() != detail::task_state::queued) return false;
  if (!has_turns(t)) {
    lanes_.remove(t);
  } else {
    if (t.extras->holds_key) lanes_.remove(t);
    keys_->leave(t, time_.now());
  }
  left(t);
  move(t, task_event::place);
  if (lanes_.empty()) show(false);
  if (!waiting_.empty()) let_in();
  return true;
}

void intake::release_key(task& t) {
  if (!keys_) return;  // it never was in here
  keys_->release(t, time_.now());
  enter_lanes_late();
  mind_the_gate();
}

void intake::left(task& t) {
  if (options_.bytes) bytes_ -= bytes_of(t);
  if (offered_.empty()) return;
  const auto found = offered_.find(&t);
  if (found == offered_.end()) return;
  found->second->let_in = true;
  found->second->wake.notify_one();
  offered_.erase(found);
}

// ----------------------------------------------------------------------------------------------------------
// what is held back

// Those whose key has become free: each to its old place.
void intake::enter_lanes_late() {
  for (task* t : keys_->let_in()) lanes_.insert(*t);
  keys_->let_in().clear();
  if (!lanes_.empty()) show(true);
  if (look_by_ && keys_->look_at() != base::never) look_by_(keys_->look_at());
}

// Where there is no token, none of the lanes can be taken, until somebody looks when there is one.
void intake::mind_the_gate() {
  if (!rate_) return;
  const base::time_point now = time_.now();
  gated_ = rate_->tokens(now) < 1;
  if (gated_ && !lanes_.empty() && look_by_) look_by_(rate_->when(1, now));
}

void intake::look(base::time_point now) {
  if (keys_) {
    keys_->look(now);
    enter_lanes_late();
  }
  mind_the_gate();
}

// ----------------------------------------------------------------------------------------------------------
// queries

std::vector<priority_stats> intake::by_priority(std::size_t more) const {
  std::map<int, std::size_t, std::greater<>> counts;
  if (keys_) counts = keys_->parked_by_priority();
  if (more > 0) counts[0] += more;
  lanes_.for_each_lane([&counts](int priority, std::size_t count) { counts[priority] += count; });
  std::vector<priority_stats> all;
  for (const auto& [priority, count] : counts) all.push_back({priority, count});
  return all;
}

std::size_t intake::waiting_before(int priority) const {
  std::size_t sum = 0;
  for (const priority_stats& each : by_priority())
    if (each.priority >= priority) sum += each.queued;
  return sum;
}

}  // namespace muster::engine
