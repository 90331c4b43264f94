// SPDX-License-Identifier: MIT
// Reports for those who watch a pool: at a steady pace while it serves and while it drains, none once it
// ends.
#include <algorithm>

#include "engine/plan.hpp"

namespace muster::engine {

// The pace is kept by the time that was due, as with looks; reports that were missed are not made up for.
void plan::report_due(time_point now) {
  const duration every = settings_.report->every;
  const time_point next = base::after(*report_at_, every);
  report_at_.reset();
  set_one_shot(timer::report, report_at_, next > now ? next : base::after(now, every));
  todo_.emplace_back(todo::make_report{});
}

void plan::on(const happened::reported& event, time_point) {
  if (!at_work() || !settings_.report || !settings_.report->backing_up_at) return;
  const auto workers = static_cast<std::size_t>(std::max(up(), 1));
  if (!backing_up_.rises(event.queued, workers * *settings_.report->backing_up_at)) return;
  say(event_kind::backing_up, "the queue is backing up: " + std::to_string(event.queued) +
                                  " tasks wait for " + std::to_string(workers) +
                                  (workers == 1 ? " worker" : " workers"));
}

}  // namespace muster::engine
