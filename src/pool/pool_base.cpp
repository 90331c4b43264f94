// SPDX-License-Identifier: MIT
// What both pools do: admit tasks with their options, and end well.
#include <algorithm>
#include <cstdio>

#include <muster/pool.hpp>

#include "engine/engine.hpp"
#include "engine/progress_desk.hpp"
#include "ipc/arena.hpp"
#include "ipc/buffer_access.hpp"
#include "pool/check_options.hpp"
#include "pool/trace.hpp"

namespace muster {

void pool_base::adopt(std::unique_ptr<engine::engine> made, const close_options& close,
                      duration ready_timeout, std::string pool_name, std::shared_ptr<ipc::arena> memory) {
  engine_ = std::move(made);
  arena_ = std::move(memory);
  close_ = close;
  ready_timeout_ = ready_timeout;
  name_ = std::move(pool_name);
  const auto& queue = engine_->chosen().queue;
  if (queue.capacity && *queue.capacity > 0) window_ = std::min(window_, *queue.capacity);
}

pool_base::~pool_base() {
  if (!engine_) return;
  const auto now = std::chrono::steady_clock::now();
  const bool drains = close_.on_destroy == on_destroy::drain;
  if (drains) engine_->resume();  // what waits is to be finished
  if (drains && !engine_->wait_idle(base::after(now, close_.patience))) {
    const auto pending = engine_->pending();
    std::string names;
    for (std::size_t i = 0; i < pending.size() && i < 10; ++i) names += (i == 0 ? "" : ", ") + pending[i];
    if (pending.size() > 10) names += " and " + std::to_string(pending.size() - 10) + " more";
    std::fprintf(stderr,
                 "muster: the pool '%s' was destroyed with tasks pending after its patience; cancelled: %s\n",
                 name_.c_str(), names.c_str());
  }
  engine_->stop(now, false);
  life_->end();  // nobody waits in submit any more, so who is inside goes at once
  arena_->close();
}

void pool_base::start_now() { engine_->start(); }

void pool_base::start() {
  start_now();
  wait_ready();
}

bool pool_base::start_as(std::uint64_t edition) { return engine_->start(true, edition); }

pool_state pool_base::state() const noexcept { return engine_->state(); }

void pool_base::wait_ready() {
  using readiness = engine::engine::readiness;
  const readiness now = engine_->wait_ready(base::after(std::chrono::steady_clock::now(), ready_timeout_));
  if (now == readiness::ready) return;
  if (now == readiness::stopped || is_stopping())
    throw pool_stopped("the pool '" + name_ + "' was stopped while it started");
  const std::string why = engine_->last_start_failure();
  throw not_ready("the workers of the pool '" + name_ + "' did not come up" +
                  (why.empty() ? "" : ": " + why));
}

void pool_base::wait_idle() { engine_->wait_idle(std::nullopt); }

bool pool_base::wait_idle_for(duration longest) {
  return engine_->wait_idle(base::after(std::chrono::steady_clock::now(), longest));
}

void pool_base::pause() { engine_->pause(); }

void pool_base::resume() { engine_->resume(); }

void pool_base::cancel_queued() { engine_->cancel_queued(); }

void pool_base::close() { engine_->close(); }

stop_report pool_base::stop(duration deadline) {
  const stop_report report = engine_->stop(base::after(std::chrono::steady_clock::now(), deadline), false);
  arena_->trim();
  return report;
}

stop_report pool_base::terminate() {
  const stop_report report = engine_->stop(std::chrono::steady_clock::now(), true);
  arena_->trim();
  return report;
}

void pool_base::make_own(std::vector<detail::block_ref>& blocks) {
  const auto copied = ipc::make_own(blocks, arena_.get());
  if (!copied)
    throw std::system_error(copied.error().code,
                            std::string("the copy of a buffer for a task: ") + copied.error().call);
  arena_->note_copied(*copied);
}

buffer pool_base::lease(std::size_t bytes, duration patience) {
  auto block = arena_->lease(bytes, patience);
  std::byte* const begin = block->address;
  return detail::buffer_access::unique(std::move(block), {begin, bytes});
}

recycle_report pool_base::recycle_workers(std::optional<unsigned> slot, std::uint64_t edition,
                                          const recycle_options& options) {
  pool::check(options, name_);
  return engine_->recycle(slot, edition, options);
}

void pool_base::resize(int min, int max) {
  pool::check_size(min, max, engine_->chosen(), name_);
  engine_->resize(min, max);
}

muster::stats pool_base::stats() const {
  muster::stats now = engine_->snapshot();
  for (worker_stats& w : now.workers)
    if (w.state == worker_state::dead) w.pid = 0;  // the number may be somebody else's by now
  now.arena = arena_->stats();
  return now;
}

std::vector<dead_letter> pool_base::dead_letters() const { return engine_->dead_letters(); }
std::uint64_t pool_base::resubmit(std::uint64_t task) { return engine_->resubmit(task, nullptr)->id; }
bool pool_base::discard(std::uint64_t task) { return engine_->discard(task); }
detail::task_ref<> pool_base::resubmit_for(std::uint64_t task, const std::type_info& result) {
  return engine_->resubmit(task, &result);
}

subscription pool_base::on(event_kind kind, event_handler handler) {
  return engine_->on(kind, std::move(handler));
}
subscription pool_base::on(event_handler handler) { return engine_->on(std::nullopt, std::move(handler)); }
void pool_base::off(subscription which) { engine_->off(which); }

namespace {
// Only what was asked for is paid for.
void apply(detail::task& t, const task_options& o, const engine::settings& home) {
  t.priority = o.priority.value;
  const bool timed = o.queue_timeout || o.run_timeout || o.deadline;
  const bool heard = o.capture != capture::off || o.on_progress;
  const bool named = !o.id.empty() || !o.label.empty() || !o.trace.empty() || !o.trace.tracestate.empty();
  const bool queued = !o.key.empty() || o.bytes > 0;
  const bool has_ranges = timed || named || o.retry || heard || queued;
  if (!has_ranges && !o.stop.stop_possible() && !o.report) return;
  if (const auto bad = has_ranges ? pool::problems_of(o, home) : std::string(); !bad.empty())
    throw invalid_options("the options of the task are not usable:\n" + bad);
  detail::task_extras& extras = t.own_extras();
  extras.queue_timeout = o.queue_timeout;
  extras.run_timeout = o.run_timeout;
  if (o.deadline) extras.settle_by = base::after(std::chrono::steady_clock::now(), *o.deadline);
  if (timed) t.mark(detail::task::watched);
  extras.outer_stop = o.stop;
  extras.bytes = o.bytes;
  if (o.retry) extras.retry = std::make_unique<retry_options>(*o.retry);
  if (named || !o.key.empty()) t.own_names() = {.id = o.id, .label = o.label, .trace = o.trace, .key = o.key};
  if (o.report) t.own_times().report = true;
  extras.capture = o.capture;
  if (o.capture != capture::off) t.mark(detail::task::captured);
  if (!o.on_progress) return;
  extras.progress = std::make_shared<detail::progress_desk>(o.on_progress);
  t.mark(detail::task::tells_progress);
}
}  // namespace

worker_options detail::fixed_size(int workers) {
  if (workers == 0)
    throw invalid_options(
        "workers = 0: a pool of a fixed size has at least 1 worker; write {.workers = {.min = 0, .max = 1}} "
        "for "
        "one that is started on demand");
  return {workers};
}

void pool_base::prepare(detail::task& t, const task_options* options) {
  if (t.is(detail::task::wants_stop)) t.own_extras().stop = std::stop_source();
  if (options != nullptr) apply(t, *options, engine_->chosen());
  if (const trace_context* outer = pool::trace_here(); outer != nullptr && engine::trace_of(t) == nullptr)
    t.own_names().trace = *outer;
}

namespace {
// From now on a request cancels it, also one that was made before. All tasks with one token share a lock in
// it.
void heed_outer_stop(detail::task& t) {
  if (t.settled()) return;
  t.extras->on_outer_stop.emplace(t.extras->outer_stop, detail::task_extras::cancel_task{&t});
}
}  // namespace

// Two for each worker, so that the next one is there; not many elements more than otherwise.
std::size_t pool_base::window_of(const task_options& options) const {
  if (const auto bad = pool::problems_of(options, engine_->chosen()); !bad.empty())
    throw invalid_options("the options of the map are not usable:\n" + bad);
  const auto workers = static_cast<std::size_t>(engine_->chosen().plan.max);
  return std::min(std::max(window_ / options.per_task, 2 * workers + 1), window_);
}

void pool_base::accept(detail::task_ref<> task, const task_options* options, bool again,
                       std::shared_ptr<detail::chunk_line> chunks) {
  detail::task& t = *task;
  prepare(t, options);
  if (chunks) {
    if (const auto bad = pool::problems_of_stream(options); !bad.empty())
      throw invalid_options("the options of the stream are not usable:\n" + bad);
    t.extras->chunks = std::move(chunks);
    t.extras->retry = std::make_unique<retry_options>();  // what was read of a first run would come again
  }
  if (engine_->watching().samples()) engine::watcher::measure(t, engine_->time().now());
  if (!again) {
    const auto& retry = t.extras && t.extras->retry ? *t.extras->retry : engine_->chosen().retry;
    if (retry.attempts > 1)
      throw invalid_options(
          "retry.attempts = " + std::to_string(retry.attempts) +
          ": an argument of this task can only be moved, so it cannot run twice; pass a value that "
          "can be copied, or set .retry = muster::retry_options{.attempts = 1} for the task");
  }
  if (t.extras && t.extras->outer_stop.stop_possible()) {
    const auto keep = task;
    engine_->submit(std::move(task));
    return heed_outer_stop(*keep);
  }
  engine_->submit(std::move(task));
}

void pool_base::accept_together(std::span<detail::task_ref<>> tasks, std::size_t& accepted,
                                const task_options* options, bool again) {
  const bool is_plain = options == nullptr && !engine_->watching().samples() &&
                        (again || engine_->chosen().retry.attempts <= 1);
  if (!is_plain) {
    for (; accepted < tasks.size(); ++accepted) accept(tasks[accepted], options, again);
    return;
  }
  for (const auto& t : tasks) prepare(*t, nullptr);
  while (accepted < tasks.size()) {
    accepted += engine_->submit_together(tasks.subspan(accepted));
    if (accepted == tasks.size()) return;
    engine_->submit(tasks[accepted]);
    ++accepted;
  }
}

std::vector<detail::worker_place> pool_base::everyone() {
  if (engine_->chosen().plan.one_task)
    throw invalid_options("broadcast reaches workers that serve task after task; those of the pool '" +
                          name_ + "' serve one (lifetime::per_task), so use process_options::init");
  (void)engine_->everyone();  // throws where there never will be anybody
  (void)engine_->wait_ready(base::after(std::chrono::steady_clock::now(), ready_timeout_));
  std::vector<detail::worker_place> all;
  for (const auto& w : engine_->everyone()) all.push_back({w.slot, w.generation});
  return all;
}

void pool_base::give(detail::task_ref<> task, const task_options* options, detail::worker_place to) {
  prepare(*task, options);
  task->priority = 0;
  detail::task_extras& extras = task->own_extras();
  extras.queue_timeout.reset();
  if (extras.named) extras.named->key.clear();
  extras.retry = std::make_unique<retry_options>();
  extras.only_on = to.slot;
  const auto keep = task;
  engine_->give(std::move(task), {to.slot, to.generation});
  if (keep->extras->outer_stop.stop_possible()) heed_outer_stop(*keep);
}

detail::task_home& detail::pool_access::home(pool_base& pool) { return *pool.engine_; }

void detail::pool_access::begin_stop(pool_base& pool, time_point deadline) {
  (void)pool.engine_->begin_stop(deadline, false);
}

}  // namespace muster
