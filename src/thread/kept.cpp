// SPDX-License-Identifier: MIT
// What a task posts into its own pool. Where nobody needs to hear of it, its worker keeps it in entries
// beside its batch and runs the latest first, whose data are warm; so a tree of tasks grows in depth and not
// in breadth. Others find these entries wherever they find a batch: whoever has nothing to do steals, who
// cancels or waits takes by name, a pause or a more urgent task calls back.
//
// A turn of kept tasks is short, and then the queue has its own; now and then the oldest comes first. So
// neither the queue nor what was kept early waits for ever.
#include <algorithm>

#include "thread/thread_crew.hpp"

namespace muster::thread {

using detail::task;

bool thread_crew::keep_task(task& t) {
  worker* const me = here_.crew == this ? here_.me : nullptr;
  if (me == nullptr || me->kept == most_kept || t.priority != 0 || queue().one_at_a_time()) return false;
  if (!keeps_.load(std::memory_order_relaxed)) keeps_.store(true);
  auto& entry = me->batch[longest_batch + me->kept];
  t.set_worker(me->id.slot);
  owner_->count_kept(t);
  entry.store(&t);  // sequentially consistent: who shuts the door and looks afterwards sees it, or we see him
  ++me->kept;
  task* expected = &t;
  if (owner_->may_keep() || !entry.compare_exchange_strong(expected, nullptr, std::memory_order_acq_rel))
    return true;
  --me->kept;
  owner_->uncount_kept(t);
  return false;
}

// Its turn: as many as fit into a moment, before the queue has its own.
std::size_t thread_crew::turn_of_kept(const worker& me) {
  return std::clamp(me.fits(std::chrono::milliseconds(1)), std::size_t{1}, longest_turn);
}

// Whatever comes from the queue may post more than there is room for: it comes now and then.
bool thread_crew::prefers_kept(const worker& me) {
  return me.kept >= most_kept / 2 && me.turns % now_and_then != 0;
}

void thread_crew::keep_no_tasks() {
  const auto lock = queue().lock();
  recall();
}

std::size_t thread_crew::kept() const {
  std::ptrdiff_t count = 0;
  for (const auto& w : workers_)
    if (w)
      count += std::count_if(w->batch.begin() + longest_batch, w->batch.end(),
                             [](const auto& entry) { return entry.load() != nullptr; });
  return static_cast<std::size_t>(count);
}

// After the door was shut, it is sure to see what a worker has kept before.
bool thread_crew::anything_to_steal() const {
  if (!keeps_.load()) return false;
  return std::ranges::any_of(workers_, [](const auto& w) {
    return w && w->state != worker_state::dead &&
           std::ranges::any_of(w->batch, [](const auto& entry) { return entry.load() != nullptr; });
  });
}

}  // namespace muster::thread
