// SPDX-License-Identifier: MIT
#include "cli/tune_load.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include <muster/error.hpp>

namespace muster::cli {
namespace {

constexpr std::size_t most_times = 100'000;

process_options options_for(const run_command& asked, const tune_size& size, main_queue& queue) {
  process_options options = asked.pool;
  options.workers.min = options.workers.max = size.workers;
  options.workers.at_once = size.at_once;
  options.callbacks = [&queue](std::function<void()> work) { queue.post(std::move(work)); };
  options.start = false;  // so that no event is missed
  return options;
}

}  // namespace

// ---------------------------------------------------------------------------------------------- the pool

tune_pool::tune_pool(const run_command& asked, const tune_size& size, main_queue& queue)
    : asked_(asked), queue_(queue), calls_(std::in_place, asked, options_for(asked, size, queue)) {
  calls_->pool().on(event_kind::worker_ready, [this](const event&) { ++ready_; });
  calls_->pool().on(event_kind::degraded, [](const event&) {});  // a failed start says it
  calls_->pool().on(event_kind::start_failed, [this](const event& e) {
    if (ready_ == 0) ++start_failures_;
    last_failure_ = e.text;
  });
  helpers_.emplace_back([this] {
    std::string problem;
    try {
      calls_->pool().start();
    } catch (const error& why) {
      problem = why.what();
    }
    queue_.post([this, problem] {
      started_ = problem.empty();
      start_problem_ = problem;
    });
  });
}

tune_pool::~tune_pool() {
  if (!stopped_) calls_->pool().terminate();
  helpers_.clear();
  calls_.reset();
  queue_.run();  // what they posted at their end
}

std::string tune_pool::problem() const {
  if (!start_problem_.empty()) return start_problem_;
  return ready_ == 0 && start_failures_ >= most_start_failures ? last_failure_ : std::string();
}

std::vector<int> tune_pool::pids() {
  std::vector<int> found;
  for (const worker_stats& each : calls_->pool().stats().workers)
    if (each.pid > 0) found.push_back(each.pid);
  return found;
}

void tune_pool::stop(bool at_once) {
  calls_->pool().cancel_queued();
  helpers_.emplace_back([this, at_once] {
    if (at_once)
      calls_->pool().terminate();
    else
      calls_->pool().stop(asked_.pool.close.patience);
    queue_.post([this] { stopped_ = true; });
  });
}

// ---------------------------------------------------------------------------------------------- the calls

void call_times::add(double seconds) {
  if (++passed_ % each_ != 0) return;
  kept_.push_back(seconds);
  if (kept_.size() < most_times) return;
  for (std::size_t i = 0; i < kept_.size() / 2; ++i) kept_[i] = kept_[2 * i];
  kept_.resize(kept_.size() / 2);
  each_ *= 2;
}

double call_times::quantile(double part) const {
  if (kept_.empty()) return 0;
  std::vector<double> sorted = kept_;
  const auto at = static_cast<std::ptrdiff_t>(
      std::min(std::ceil(part * static_cast<double>(sorted.size())), static_cast<double>(sorted.size())) - 1);
  std::ranges::nth_element(sorted, sorted.begin() + at);
  return sorted[static_cast<std::size_t>(at)];
}

tune_load::tune_load(const run_command& asked, const callee& what, const std::vector<call_data>& calls,
                     tune_pool& pool, const tune_size& size)
    : asked_(asked),
      what_(what),
      calls_(calls),
      pool_(pool),
      most_(std::max(most_calls, 2 * static_cast<std::size_t>(size.places()))),
      places_(static_cast<std::size_t>(size.places())) {}

void tune_load::fill() {
  while (!closed_ && open_ < most_ && (open_bytes_ < most_bytes || open_ < places_)) {
    const call_data& call = calls_[next_++ % calls_.size()];
    task_options options = asked_.call;
    options.report = true;
    const std::size_t bytes = call.size();
    try {
      pool_.calls().submit(
          what_, options, call,
          [this, bytes](std::uint64_t /*task*/, const answer& got, const std::optional<task_report>& report) {
            --open_;
            open_bytes_ -= bytes;
            settle(got, report);
          });
    } catch (const error& refused) {
      problem_ = refused.what();
      closed_ = true;
      return;
    }
    ++open_;
    open_bytes_ += bytes;
  }
}

void tune_load::settle(const answer& got, const std::optional<task_report>& report) {
  if (was_stopped(got)) return;
  ++settled_;
  if (!got && first_failure_.empty()) first_failure_ = got.error().message;
  if (!counting_ || !report || report->ended < begin_) return;
  ++sample_.calls;
  if (!got) {
    ++sample_.failed;
    return;
  }
  last_ = std::max(last_, report->ended);
  if (report->began) times_.add(std::chrono::duration<double>(report->ended - *report->began).count());
}

tune_sample tune_load::end_counting() {
  counting_ = false;
  // To the last call and not to the end: where workers keep step, as those do that wait for the same time,
  // whether the end comes just before or just after they are done makes no difference.
  const double seconds = std::chrono::duration<double>(last_ - begin_).count();
  if (seconds > 0) sample_.per_second = static_cast<double>(sample_.calls - sample_.failed) / seconds;
  sample_.p50 = times_.quantile(0.5);
  sample_.p99 = times_.quantile(0.99);
  return sample_;
}

}  // namespace muster::cli
