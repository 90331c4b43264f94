// SPDX-License-Identifier: MIT
// The way of a task into the queue, or what a submitter is told instead.
#include <algorithm>

#include <muster/error.hpp>

#include "engine/engine.hpp"

namespace muster::engine {

// One that was stopped is not waited for to start.
void engine::throw_unless_started() const {
  if (started_ || intake_.closed()) return;
  throw not_started("the pool '" + settings_.name + "' was made with .start = false; call start() first");
}

void engine::submit(task_ref<> t) {
  t->home = this;
  const guarded_entry let_in(*this, *t);
  if (!intake_.has_turns(*t)) {
    if (t->is(task::watched)) {
      if (pass_watched(*t)) return static_cast<void>(t.release());
    } else {
      const inside* const at = here();
      const bool posted_inside = at != nullptr && at->home == this;
      if (posted_inside && may_keep() && crew_->keep_task(*t)) return static_cast<void>(t.release());
      if (pass(*t)) return static_cast<void>(t.release());
    }
  }
  try {
    submit_with_lock(std::move(t));
  } catch (const error& e) {
    count_error(name(e.code()));
    throw;
  }
}

std::size_t engine::submit_together(std::span<task_ref<>> tasks) {
  const inside* const at = here();
  if (safeguards_ || (at != nullptr && at->home == this)) return 0;
  auto lock = intake_.lock();
  if (!started_ || intake_.closed() || intake_.is_rendezvous() || intake_.is_set(hold::memory)) return 0;
  constexpr std::size_t most = 256;  // so that nobody waits long for the lock
  std::size_t count = 0;
  for (; count < std::min(tasks.size(), most); ++count) {
    task& t = *tasks[count];
    if (t.is(task::watched) || intake_.has_turns(t)) break;
    if (intake_.admit(lock, false, intake_.bytes_of(t)) != admission::admitted) break;
    t.home = this;
    intake_.number(t);
    intake_.push(*tasks[count].release());
  }
  if (count == 0) return 0;
  tell_backlog();
  nudge_callback_waiters();
  crew_->queued(lock);
  return count;
}

void engine::submit_with_lock(task_ref<> t) {
  auto lock = intake_.lock();
  throw_unless_started();
  refuse_for_memory();
  refuse_hopeless(*t);
  std::vector<task*> dropped;
  admission admitted = intake_.is_rendezvous() ? offer(lock, t) : make_room(lock, *t, dropped);
  if (!t) return;  // somebody has taken it
  if (admitted == admission::full && settings_.queue.when_full == when_full::caller_runs) {
    const inside* at = here();
    const std::uint32_t slot = at != nullptr && at->home == this ? at->slot : no_slot;
    enter(*t);
    intake_.count();
    move(*t, task_event::begin);
    lock.unlock();
    return run_here(*t.release(), slot);
  }
  const bool is_dropped = admitted == admission::full && settings_.queue.when_full >= when_full::drop_oldest;
  if (admitted != admission::admitted && !is_dropped) refuse(admitted, *t);
  if (is_dropped) {
    intake_.number(*t);
    intake_.count();
    lock.unlock();
    drop(*t, false);
  } else {
    enter(*t);
    intake_.push(*t.release());
    tell_backlog();
    nudge_callback_waiters();
    crew_->queued(lock);
    if (lock.owns_lock()) lock.unlock();
  }
  for (task* each : dropped) drop(*each, true);
}

// What the loop is to know of it goes before it.
void engine::enter(task& t) {
  intake_.number(t);
  if (!t.is(task::watched)) return;
  const auto now = time_->now();
  const auto first = first_limit(t, now);
  if (!is_far_off(t, first, now)) return tell_of_limits(t, first);
  add_far(t, first);
}

void engine::tell_of_late() {
  auto lock = intake_.lock();
  crew_->queued(lock);
}

// The same for one whose limits are far away, and of which nobody else has to hear before.
bool engine::pass_watched(task& t) {
  if (settings_.queue.refuse_hopeless || !intake_.is_open()) return false;
  const auto now = t.extras->queue_timeout ? time_->now() : time_->lately();  // near enough for far away
  const auto first = first_limit(t, now);
  if (!is_far_off(t, first, now)) return false;
  intake_.number(t);
  add_far(t, first);
  if (pass(t)) return true;
  end_limits(t);
  return false;
}

// Its queue timeout counts from now.
base::time_point engine::first_limit(task& t, base::time_point now) {
  auto& extras = *t.extras;
  if (extras.queue_timeout) extras.start_by = base::after(now, *extras.queue_timeout);
  return std::min(extras.start_by.value_or(base::never), extras.settle_by.value_or(base::never));
}

bool engine::is_far_off(const task& t, base::time_point limit, base::time_point now) {
  return !t.extras->run_timeout && far_limits::is_far(limit, now);
}

void engine::add_far(task& t, base::time_point limit) {
  if (const auto look_by = far_limits_.add(t, limit)) wake_by(*look_by);
}

void engine::tell_of_limits(task& t, base::time_point first) {
  tell({.what = happened::task_watched{t.id, t.extras->start_by, t.extras->settle_by},
        .about = task_ref<>::share(t)},
       first);
}

// The plan shall know it, limits far away or not.
void engine::make_known(task& t) {
  if (t.is(task::watched) && far_limits_.remove(t)) tell_of_limits(t, base::never);
}

// Its limits count no more.
void engine::end_limits(task& t) {
  if (t.is(task::watched) && !far_limits_.remove(t)) tell({.what = happened::task_over{t.id}}, base::never);
}

// ----------------------------------------------------------------------------------------------------------
// room

admission engine::make_room(std::unique_lock<std::mutex>& lock, task& t, std::vector<task*>& dropped) {
  const std::size_t bytes = intake_.bytes_of(t);
  admission got = intake_.admit(lock, false, bytes);
  if (got != admission::full) return got;
  if (settings_.queue.when_full == when_full::drop_oldest) {
    while (got == admission::full) {
      task* const victim = intake_.drop_for(t.priority);
      if (victim == nullptr) break;
      dropped.push_back(victim);
      got = intake_.admit(lock, false, bytes);
    }
    return got;
  }
  if (settings_.queue.when_full != when_full::wait) return got;
  intake::waiter self{.bytes = bytes};
  got = wait_in_submit(lock, t, self, [&] { return intake_.wait(lock, self); });
  if (got == admission::admitted && intake_.closed()) {  // while the token was let go of
    intake_.give_back_place(bytes);
    got = admission::closed;
  }
  return got;
}

template <class Wait>
admission engine::wait_in_submit(std::unique_lock<std::mutex>& lock, const task& t, intake::waiter& self,
                                 Wait wait) {
  std::optional<blocked_worker> blocked;
  if (const inside* at = here(); at != nullptr && at->home == this)
    blocked.emplace(*this, "room in its queue");
  if (!t.extras || !t.extras->outer_stop.stop_possible()) return wait();
  // The token calls back with the lock, maybe at once; and who lets go of it waits for a call that is under
  // way.
  auto give_up = [this, &self] {
    const auto held = intake_.lock();
    self.give_up();
  };
  lock.unlock();
  std::optional<std::stop_callback<decltype(give_up)>> on_stop;
  on_stop.emplace(t.extras->outer_stop, give_up);
  intake_.lock(lock);
  const admission got = wait();
  lock.unlock();
  on_stop.reset();
  intake_.lock(lock);
  return got;
}

// Where the capacity is 0. Admitted: a worker has the task, or will right away; t is empty then.
admission engine::offer(std::unique_lock<std::mutex>& lock, task_ref<>& t) {
  if (intake_.closed()) return admission::closed;
  if (const std::size_t bytes = intake_.bytes_of(*t); settings_.queue.bytes && bytes > *settings_.queue.bytes)
    return admission::too_large;
  const bool free = !crew_->saturated() && intake_.waiting() == 0;
  if (!free && settings_.queue.when_full != when_full::wait) {
    if (intake_.is_set(hold::growth)) {  // a worker more might have taken it
      intake_.set(hold::growth, false);
      tell({.what = happened::backlog{1}});
    }
    return admission::full;
  }
  const task_ref<> keep = t;
  intake::waiter self;
  const bool waits = settings_.queue.when_full == when_full::wait;
  const auto place = [&] {
    enter(*keep);
    intake_.offer(*t.release(), waits ? &self : nullptr);
    tell_backlog();
    nudge_callback_waiters();
    crew_->queued(lock);
    if (!waits) return admission::admitted;
    if (!lock.owns_lock()) intake_.lock(lock);
    return intake_.wait_taken(lock, *keep, self);
  };
  const admission got = waits ? wait_in_submit(lock, *keep, self, place) : place();
  if (got == admission::admitted) return got;
  t = task_ref<>::adopt(keep.get());  // the queue's
  end_limits(*t);
  lock.unlock();
  look_idle();  // it was counted for a moment
  intake_.lock(lock);
  if (intake_.size() > 0) {  // what waited for its key
    crew_->queued(lock);
    if (!lock.owns_lock()) intake_.lock(lock);
  }
  return got;
}

// Nobody runs it: it made room, or there was none for it.
void engine::drop(task& t, bool queued) {
  dropped_.fetch_add(1, std::memory_order_relaxed);
  const std::string text = queued ? "dropped from the full queue of the pool '" + settings_.name +
                                        "' to make room for another; see queue.when_full"
                                  : "dropped, because the queue of the pool '" + settings_.name +
                                        "' is full and what waits goes before it; see queue.when_full";
  settle(t, outcome::failed, make<queue_full>(t, text));
  announce(
      {.kind = event_kind::task_dropped,
       .text = name_of(t) + " was " + text,
       .task = t.id,
       .task_id = subject_of(t).task_id,
       .error = make<queue_full>(t, text)});  // not shared: each is read, and ends, in a thread of its own
  if (queued)
    let_go(t);
  else
    move(t, task_event::settle);
}

// ----------------------------------------------------------------------------------------------------------
// no room

void engine::refuse_for_memory() {
  if (!intake_.is_set(hold::memory) || intake_.closed()) return;
  rejected_.fetch_add(1, std::memory_order_relaxed);
  throw memory_pressure("the pool '" + settings_.name +
                        "' takes no tasks while the memory of its owner is above owner_memory.limit (" +
                        std::to_string(settings_.owner_memory.limit.value_or(0)) + " bytes); submit later");
}

void engine::refuse_hopeless(const task& t) {
  const queue_options& o = settings_.queue;
  if (!o.refuse_hopeless || intake_.closed() || !t.extras || !t.extras->settle_by) return;
  const std::size_t before = intake_.waiting_before(t.priority);
  const auto workers = static_cast<std::size_t>(settings_.plan.max);
  auto takes = before == 0 ? std::nullopt : intake_.runs().done_in(before, workers);
  if (!takes) return;
  if (o.rate) {
    const double seconds = static_cast<double>(before) / o.rate->per_second;
    if (seconds < 1e9)
      takes = std::max(*takes, std::chrono::duration_cast<duration>(std::chrono::duration<double>(seconds)));
  }
  const auto now = time_->now();
  if (base::after(now, *takes) <= *t.extras->settle_by) return;
  rejected_.fetch_add(1, std::memory_order_relaxed);
  const auto ms = [](duration d) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()) + " ms";
  };
  throw would_be_late("the task would be late: " + std::to_string(before) +
                          " tasks wait before it in the pool '" + settings_.name + "', which takes about " +
                          ms(intake_.runs().average()) + " for each on " + std::to_string(workers) +
                          " workers, so it would be done in " + ms(*takes) + " and its deadline is in " +
                          ms(*t.extras->settle_by - now) + "; submit it later or with more time",
                      {.task_id = t.names().id});
}

void engine::refuse(admission why, const task& t) {
  rejected_.fetch_add(1, std::memory_order_relaxed);
  const queue_options& o = settings_.queue;
  const std::string queue = "the queue of the pool '" + settings_.name + "'";
  std::string limits;
  const auto add = [&limits](const char* name, const std::optional<std::size_t>& limit) {
    if (limit) limits += (limits.empty() ? "" : ", ") + std::to_string(*limit) + name;
  };
  add(" tasks", o.capacity);
  add(" bytes", o.bytes);
  add(" unsettled", o.unsettled);
  switch (why) {
    case admission::closed: throw pool_stopped("the pool '" + settings_.name + "' takes no more tasks");
    case admission::timed_out:
      throw enqueue_timeout(queue + " stayed full (" + limits + ") for as long as queue.patience");
    case admission::given_up:
      throw cancelled("its stop token asked to stop while it waited for room in " + queue,
                      {.task_id = t.names().id});
    case admission::too_large:
      throw queue_full("a task of " + std::to_string(intake_.bytes_of(t)) + " bytes never fits into " +
                       queue + " (" + limits +
                       "); raise queue.bytes, or pass a file or shared memory instead");
    default:
      throw queue_full(queue + " is full (" + limits +
                       "); submit later, raise the limit, or choose when_full::wait");
  }
}

}  // namespace muster::engine
