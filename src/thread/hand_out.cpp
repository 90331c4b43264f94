// SPDX-License-Identifier: MIT
// Who gets a task where that is not whoever takes it first: by a strategy, or by the user's chooser. All of
// it with the intake's lock, but for the chooser.
#include <algorithm>

#include "engine/ask_chooser.hpp"
#include "thread/thread_crew.hpp"

namespace muster::thread {

using detail::task;

int thread_crew::free_workers() const {
  if (chooses_.how != strategy::weighted) return static_cast<int>(sleeping_.size()) + looking_;
  return static_cast<int>(
      std::ranges::count_if(sleeping_, [this](const worker* w) { return chooses_.weight(w->id.slot) > 0; }));
}

bool thread_crew::is_free(const worker& w) const {
  return w.state == worker_state::idle && !w.retiring &&
         w.batch[0].load(std::memory_order_relaxed) == nullptr;
}

std::optional<thread_crew::worker*> thread_crew::hand_one() {
  if (queue().size() == 0) return std::nullopt;
  std::vector<policy::load> loads(workers_.size());
  for (const auto& w : workers_) {
    if (!w) continue;
    const bool stays = !w->retiring && w->state != worker_state::dead && w->state != worker_state::stopping;
    policy::load& l = loads[w->id.slot];
    l = {.open = is_free(*w), .stays = stays, .generation = w->id.generation};
    if (!chooses_.is_hard() || l.open || !stays || w->state == worker_state::starting) continue;
    l.open = !queue().one_at_a_time() && w->bound.size() < most_bound;
  }
  task* t = nullptr;
  if (chooses_.how == strategy::key) {  // the task itself matters
    t = queue().take();
    if (t == nullptr) return std::nullopt;
    chooses_.key = policy::key_of(t->names().key);
  }
  const auto chosen = policy::choose(loads, chooses_);
  if (!chosen) {
    if (t != nullptr) owner_->put_back(*t);
    return std::nullopt;
  }
  if (t == nullptr) t = queue().take();
  if (t == nullptr) return std::nullopt;
  return hand_to(*workers_[*chosen], *t);
}

// Returns it where it is to be notified.
thread_crew::worker* thread_crew::hand_to(worker& w, task& t) {
  t.set_worker(w.id.slot);
  if (!is_free(w)) {
    bind(w, t);
    return nullptr;
  }
  w.batch[0].store(&t, std::memory_order_relaxed);
  if (std::erase(sleeping_, &w) == 0) return nullptr;  // just about to sleep
  w.woken.store(1, std::memory_order_release);
  return &w;
}

void thread_crew::hand_out(std::unique_lock<std::mutex>& lock) {
  if (chooser_) return hand_out_as_told(lock);
  while (const auto handed = hand_one()) {
    if (*handed != nullptr) (*handed)->notify();
  }
}

// ---------------------------------------------------------------------------------------------------------
// strategy::key, hard: tasks wait for their worker

void thread_crew::bind(worker& w, task& t) {
  const auto after = std::ranges::find_if(w.bound, [&t](const task* b) { return b->priority < t.priority; });
  w.bound.insert(after, &t);
}

bool thread_crew::take_bound(worker& me) {
  if (me.bound.empty()) return false;
  me.batch[0].store(me.bound.front(), std::memory_order_relaxed);
  me.bound.pop_front();
  return true;
}

// To the queue, before their equals and in their order.
void thread_crew::give_back_bound(worker& w) {
  for (; !w.bound.empty(); w.bound.pop_back()) owner_->put_back(*w.bound.back());
}

// ---------------------------------------------------------------------------------------------------------
// the user's chooser

// One thread at a time asks; others leave it to that one to look once more.
void thread_crew::hand_out_as_told(std::unique_lock<std::mutex>& lock) {
  ask_again_ = true;
  if (asking_) return;
  asking_ = true;
  std::vector<candidate> candidates;
  while (std::exchange(ask_again_, false)) {
    while (chooser_ && queue().size() > 0) {
      candidates.clear();
      for (const auto& w : workers_)
        if (w && is_free(*w))
          candidates.push_back(
              {.slot = w->id.slot, .served = w->done.load(std::memory_order_relaxed), .idle = true});
      if (candidates.empty()) break;
      const auto chosen = ask(lock, candidates);
      if (!chosen) break;
      worker& w = *workers_[candidates[*chosen].slot];
      if (!is_free(w)) continue;
      task* t = queue().take();
      if (t == nullptr) break;
      if (worker* const next = hand_to(w, *t)) next->notify();
    }
  }
  asking_ = false;
  if (chooser_) return;
  mind_the_door();  // it has failed: workers take tasks themselves
  if (queue().size() > 0 && !sleeping_.empty() && !wake_on_its_way_) call_sleeper().notify();
}

// Lets go of the lock meanwhile. None: none of these, or it has failed and is gone.
std::optional<std::size_t> thread_crew::ask(std::unique_lock<std::mutex>& lock,
                                            std::vector<candidate>& candidates) {
  lock.unlock();
  const auto answer = engine::ask_chooser(chooser_, candidates);
  if (!answer) owner_->chooser_failed(answer.error());
  queue().lock(lock);
  if (answer) return *answer;
  chooser_ = nullptr;
  return std::nullopt;
}

}  // namespace muster::thread
