// SPDX-License-Identifier: MIT
// What the users of a world do. Each act has a number of its own, from which all that is drawn for it is
// drawn; one that is left out leaves the others as they were, and at their time.
#include <algorithm>

#include "world.hpp"

namespace muster::sim {

using engine::inspector;

namespace {
constexpr std::uint64_t most_acts_a_turn = 32;
constexpr std::uint64_t reach = 40 * most_acts_a_turn;  // how far back a cancel looks
}  // namespace

// Counts how often a task settles, where it does.
struct world::counter : detail::continuation {
  counter(sim_task& t, std::size_t& all) : task(t), settled(all) {
    at_once = true;
    run = [](detail::continuation* c, detail::task&) noexcept {
      const std::unique_ptr<counter> self(static_cast<counter*>(c));
      ++self->task.settled_times;
      ++self->settled;
      self->task.may_begin = false;
    };
  }
  sim_task& task;
  std::size_t& settled;
};

void world::users_act() {
  const std::uint64_t turn = turns_++;
  base::random dice = fate_.dice("turn", turn);
  const std::uint64_t burst = dice.fraction() < 0.2 ? 1 + dice.below(20) : 1;
  for (std::uint64_t i = 0; i < burst; ++i) submit(turn * most_acts_a_turn + i);
  const std::uint64_t last = turn * most_acts_a_turn + most_acts_a_turn - 1;
  cancel(last);
  recycle(last);
  broadcast(last);
  pause(last);
  resize(last);
  next_user_ = clock_->at + (dice.fraction() < 0.05 ? some(dice, 2s) : some(dice, 15ms));
}

void world::submit(std::uint64_t act) {
  if (!fate_.happens("submit", 1, act)) return;
  auto made = std::make_unique<sim_task>();
  sim_task& t = *made;
  t.number = act;
  draw_task(t, act, clock_->at, fate_);
  t.most_attempts = t.extras && t.extras->retry ? t.extras->retry->attempts : drawn_.pool.retry.attempts;
  user_task entry{detail::task_ref<>::adopt(made.release()), &t};
  detail::attach(t, new counter(t, settled_));
  t.submitted_at = clock_->at;
  const std::size_t dropped = engine_->snapshot().dropped;
  try {
    engine_->submit(entry.ref);
    if (!t.settled()) crew_->rules().came(t);
    note_what_waits(t, engine_->snapshot().dropped > dropped);
    write([&] { return "user submits task " + std::to_string(t.id) + wishes_of(t, clock_->at); });
    tasks_.push_back(std::move(entry));
  } catch (const queue_full&) {
    ++met_["refused: the queue is full"];
    write([] { return "user is refused: the queue is full"; });
    delete static_cast<counter*>(t.continuations.exchange(nullptr));
  } catch (const circuit_open& e) {
    ++met_["refused: the circuit is open"];
    write([&] { return std::string("user is refused: ") + e.what(); });
    delete static_cast<counter*>(t.continuations.exchange(nullptr));
  } catch (const quarantined& e) {
    ++met_["refused: set aside"];
    write([&] { return std::string("user is refused: ") + e.what(); });
    delete static_cast<counter*>(t.continuations.exchange(nullptr));
  }
}

// Before the pool is closed.
void world::submit_last() {
  const std::uint64_t turn = turns_++;
  for (std::uint64_t i = 0; i < 10; ++i) submit(turn * most_acts_a_turn + i);
}

// Where it found room, there was room; and for the table of what was met.
void world::note_what_waits(const sim_task& t, bool dropped) {
  if (dropped) ++met_[t.settled() ? "a new task was dropped" : "a task was dropped for another"];
  const auto lock = engine_->queue().lock();
  if (t.state() != detail::task_state::queued || t.settled()) return;
  std::size_t bytes = 0;
  engine_->queue().for_each([&](const detail::task& each) { bytes += each.extras ? each.extras->bytes : 0; });
  if (bytes > drawn_.pool.queue.bytes.value_or(bytes))
    fail("more bytes were admitted than the queue may hold");
  if (engine_->queue().waiting() > 0 && engine_->queue().size() == 0) ++met_["waits for a token or a key"];
  if (!t.names().key.empty() && !t.extras->holds_key) ++met_["waits for its key"];
}

// One of the latest.
void world::cancel(std::uint64_t act) {
  if (!fate_.happens("cancel", 0.2, act)) return;
  const std::uint64_t back = fate_.dice("cancel", act).below(reach);
  const std::uint64_t wanted = act > back ? act - back : 0;
  const auto found =
      std::ranges::lower_bound(tasks_, wanted, {}, [](const user_task& t) { return t.task->number; });
  if (found == tasks_.end()) return;
  sim_task& t = *found->task;
  if (t.settled()) return;
  ++met_["cancelled while " + std::string(engine::name(t.state()))];
  write([&] { return "user cancels task " + std::to_string(t.id); });
  if (t.state() == detail::task_state::queued) t.may_begin = false;
  engine_->cancel(t);
  if (!t.may_begin && !t.settled()) fail("a queued task was cancelled and has not settled");
}

// A task for each worker there is, that no other may run.
void world::broadcast(std::uint64_t act) {
  if (!fate_.happens("broadcast", 0.03, act)) return;
  for (const engine::worker_id w : engine_->everyone()) {
    auto made = std::make_unique<sim_task>();
    sim_task& t = *made;
    t.number = act;
    t.most_attempts = 1;
    t.extras = std::make_unique<detail::task_extras>();
    t.extras->stop = std::stop_source();
    t.extras->retry = std::make_unique<retry_options>();
    t.extras->only_on = w.slot;
    if (fate_.happens("broadcast with a deadline", 0.3, act, w.slot)) {
      base::random dice = fate_.dice("broadcast with a deadline", act, w.slot);
      t.extras->settle_by = clock_->at + 1ms + some(dice, 300ms);
      t.mark(detail::task::watched);
    }
    user_task entry{detail::task_ref<>::adopt(made.release()), &t};
    detail::attach(t, new counter(t, settled_));
    engine_->give(entry.ref, w);
    write([&] { return "user gives task " + std::to_string(t.id) + " to worker " + std::to_string(w.slot); });
    tasks_.push_back(std::move(entry));
  }
}

// Or the end of a pause.
void world::pause(std::uint64_t act) {
  if (paused_ ? !fate_.happens("resume", 0.2, act) : !fate_.happens("pause", 0.01, act)) return;
  paused_ = !paused_;
  write([&] { return paused_ ? "user pauses the pool" : "user resumes the pool"; });
  if (paused_) {
    ++met_["paused"];
    engine_->pause();
  } else {
    engine_->resume();
  }
}

void world::resize(std::uint64_t act) {
  if (!fate_.happens("resize", 0.01, act)) return;
  base::random dice = fate_.dice("resize", act);
  const int most = 1 + static_cast<int>(dice.below(6));
  const int max = std::max(most, 1 + static_cast<int>(drawn_.pool.plan.never_chosen.size()));
  const int min = static_cast<int>(dice.below(static_cast<std::uint64_t>(max) + 1));
  write([&] { return "user resizes to " + std::to_string(min) + " to " + std::to_string(max) + " workers"; });
  ++met_[max < drawn_.pool.plan.max ? "resized to fewer" : "resized to more"];
  most_ever_ = std::max(most_ever_, max);
  engine_->resize(min, max);
}

void world::recycle(std::uint64_t act) {
  if (!fate_.happens("recycle", 0.02, act)) return;
  if (recycles_.empty() || !fate_.happens("gives up a recycle", 0.3, act)) return start_recycle(act);
  const std::uint64_t call = recycles_[fate_.dice("gives up a recycle", act).below(recycles_.size())].call;
  write([&] { return "user gives up recycle " + std::to_string(call); });
  inspector::give_up_recycle(*engine_, call);
}

void world::start_recycle(std::uint64_t act) {
  base::random dice = fate_.dice("recycle", act);
  const std::uint64_t call = ++last_recycle_;
  engine::happened::recycle_asked what{.call = call, .at_once = 1 + static_cast<int>(dice.below(3))};
  std::vector<engine::worker_id> old = crew_->staying();
  const auto slot = static_cast<std::uint32_t>(dice.below(8));
  if (fate_.happens("recycle of one", 0.2, act)) {
    what.slot = slot;
    std::erase_if(old, [&](engine::worker_id w) { return w.slot != slot; });
  }
  // The pool lets in one of these at a time.
  if (!what.slot && changing_ == 0 && fate_.happens("recycle with changes", 0.5, act)) {
    what.changed = ++last_edition_;
    changing_ = call;
  }
  write([&] { return "user asks for recycle " + std::to_string(call); });
  inspector::ask_recycle(*engine_, what);
  recycles_.push_back({call, std::move(old)});
}

}  // namespace muster::sim
