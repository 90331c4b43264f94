// SPDX-License-Identifier: MIT
// The end of worker processes: killed for a reason, asked where they are before that, and reported.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include <muster/error.hpp>

#include "base/pidfd.hpp"
#include "base/process_info.hpp"
#include "base/sanitizer.hpp"
#include "process/process_crew.hpp"
#include "process/trace.hpp"

namespace muster::process {

using detail::task;
using engine::worker_event;

namespace {

// By such a signal a worker ends itself, and has words for it.
bool is_crash(int signal) {
  return std::ranges::find(ipc::fatal_signals, signal) != ipc::fatal_signals.end();
}

// It was ended while it did something that should have been over, so where it was is worth knowing.
bool is_late(death_cause why) {
  return why == death_cause::run_timeout || why == death_cause::cancelled || why == death_cause::unresponsive;
}

constexpr const char* sanitizer_note =
    "this build has a sanitizer, whose own report is in the worker's standard error";

}  // namespace

// -----------------------------------------------------------------------------------------------------------
// by our hand

void process_crew::kill(worker_id id, death_cause why) {
  const worker_ref w = find(id.slot, id.generation);
  if (!w) return;
  bool first = false;
  bool may_answer = false;
  {
    const locked lock(*this);
    may_answer = w->state != worker_state::starting;
    first = doom(*w, why);
    if (first && why == death_cause::unresponsive)
      w->detail = "it failed " + std::to_string(w->failed_looks) + " health checks in a row; " + w->ailment;
    if (first) take_back_all(*w);  // the present call may end while it is asked, and the next would begin
  }
  w->after_answer = 0;
  if (!(first && is_late(why) && may_answer && ask_where_it_is(*w))) end(*w);
  pump();
}

// To the worker itself: what it has started goes when it has ended.
void process_crew::signal(worker_id id, int number, death_cause why) {
  const worker_ref w = find(id.slot, id.generation);
  if (!w) return;
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(number - 1);
  bool first = false;
  {
    const locked lock(*this);
    if (w->killed_for || (w->signals_now & bit) != 0) return;
    first = !std::exchange(w->is_being_ended, true);
    note_free(*w);
    if (first) w->signalled_for = why;
    w->signals_now |= bit;
    w->signals_ever |= bit;
    take_back_all(*w);
    if (w->state == worker_state::stopping) w->sender.stop(ipc::stop_order::end_quietly);
  }
  if (first && is_late(why) && ask_where_it_is(*w))
    w->after_answer = number;
  else if (w->pidfd)
    (void)base::send_signal(w->pidfd.get(), number);
  pump();
}

bool process_crew::doom(worker_process& w, death_cause why) {
  if (w.killed_for) return false;
  w.killed_for = why;
  note_free(w);
  return true;
}

void process_crew::end(worker_process& w) {
  w.answer_due.reset();
  if (w.pidfd) (void)base::send_signal(w.pidfd.get(), SIGKILL);
  if (link_ && !link_lost_) (void)link_->kill(w.id.slot, w.id.generation, SIGKILL);
}

bool process_crew::ask_where_it_is(worker_process& w) {
  if (base::is_sanitized) w.no_answer = sanitizer_note;
  if (base::is_sanitized || !w.pidfd) return false;
  const auto seen = base::status_of(w.pid);
  if (seen && (seen->state == 'T' || seen->state == 't')) {
    w.no_answer = "it was stopped by a signal such as SIGSTOP, or by a debugger, and could not say";
    return false;
  }
  if (!base::send_signal(w.pidfd.get(), ipc::trace_signal())) return false;
  w.was_asked = true;
  w.answer_due = base::after(owner_->time().now(), patience_.answer);
  return true;
}

// An answer rings the bell, so this is looked at when it comes.
base::time_point process_crew::end_those_asked() {
  base::time_point next = base::never;
  for (const auto& w : snapshot_) {
    if (!w->answer_due) continue;
    const bool answered = has_answered(w->words());
    if (!answered && *w->answer_due > owner_->time().now()) {
      next = std::min(next, *w->answer_due);
      continue;
    }
    if (!answered) {
      const auto seen = base::status_of(w->pid);
      const char state = seen ? seen->state : '?';
      w->no_answer = state == 'T'   ? "it was stopped by a signal such as SIGSTOP and could not say"
                     : state == 'D' ? "it was inside the kernel, in a wait that no signal ends"
                                    : "it did not answer in time; its program may block or handle the signal";
    }
    if (const int number = std::exchange(w->after_answer, 0)) {
      w->answer_due.reset();
      (void)base::send_signal(w->pidfd.get(), number);
    } else {
      end(*w);
    }
  }
  return next;
}

// -----------------------------------------------------------------------------------------------------------
// by any hand

void process_crew::on_ended(std::uint32_t slot, std::uint32_t generation, const ended* status,
                            std::string problem) {
  const worker_ref w = find(slot, generation);
  if (!w) return;
  if (status != nullptr)
    w->cpu_used = std::max<duration>(w->cpu_used, status->user_time + status->system_time);
  cpu_used_before_ += std::exchange(w->cpu_used, {});
  drain(*w);  // what it published before its end counts
  read_error_output(*w);
  read_output(*w);
  bool came_up = false;
  death how;
  {
    const locked lock(*this);
    on_control(*w);
    take_progress(*w);
    came_up = w->state != worker_state::starting;
    how = report(*w, status);
  }
  deliver();
  explain(*w, how);
  if (!came_up && problem.empty())
    problem = w->detail.empty() ? how.summary() : w->detail + " (" + how.summary() + ")";
  auto shared = settle_lost(*w, std::move(how));
  w->limit.reset();
  owner_->worker_ended(w->id, w->had_tasks, std::move(shared), came_up ? std::string() : problem);
  pump();
}

death process_crew::report(worker_process& w, const ended* status) const {
  death how{.worker = w.id.slot,
            .generation = w.id.generation,
            .pid = w.pid,
            .detail = w.detail,
            .tasks_served = w.served,
            .alive = owner_->time().now() - w.born,
            .last_stderr = w.tail.text()};
  if (w.limit) how.memory_limit = w.limit->bytes();
  if (status == nullptr) {
    if (how.detail.empty()) how.detail = "its zygote died with it";
    return how;
  }
  how.peak_memory = status->max_rss_kib * 1'024;
  if (WIFEXITED(status->wait_status)) {
    how.exit_code = WEXITSTATUS(status->wait_status);
    how.cause = death_cause::exited;
  } else {
    how.signal = WTERMSIG(status->wait_status);
    how.cause = death_cause::signalled;
  }
  if (w.limit && w.limit->peak_bytes()) how.peak_memory = *w.limit->peak_bytes();
  // A program that took the place of the worker's does not know our question, and ends by it.
  const auto is_among = [](int signal, std::uint64_t signals) {
    return (signals >> static_cast<unsigned>(signal - 1) & 1U) != 0;
  };
  if (w.killed_for && (how.signal == SIGKILL || how.signal == ipc::trace_signal()))
    how.cause = *w.killed_for;
  else if (how.signal ? is_among(*how.signal, w.signals_ever) : w.is_being_ended && how.exit_code == 0)
    how.cause = w.signalled_for;
  else if (w.limit && w.limit->was_oom_killed())
    how.cause = death_cause::out_of_memory;
  else if ((w.state == worker_state::stopping || (w.leaves && w.had_tasks)) && how.exit_code == 0)
    how.cause = death_cause::stopped;
  if (how.cause == death_cause::signalled && how.detail.empty())
    how.detail = limit_met(w.settings->options.limits, how, *status);
  return how;
}

// By which of its limits the kernel ended it; empty: by none.
std::string process_crew::limit_met(const limit_options& limits, const death& how, const ended& status) {
  if (limits.file_size && how.signal == SIGXFSZ)
    return "a file would have grown beyond limits.file_size = " + std::to_string(*limits.file_size) +
           " bytes";
  if (!limits.cpu_time) return {};
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*limits.cpu_time);
  // Who handles or blocks SIGXCPU is killed a second later.
  const bool by_hard_limit = how.signal == SIGKILL && status.user_time + status.system_time >= seconds;
  if (how.signal != SIGXCPU && !by_hard_limit) return {};
  return "it has used all its processor time, limits.cpu_time = " + std::to_string(seconds.count()) + " s";
}

// Not under the lock: it reads files.
void process_crew::explain(worker_process& w, death& how) {
  const bool is_late = process::is_late(how.cause);
  const bool crashed = how.cause == death_cause::signalled && how.signal && is_crash(*how.signal);
  if (!is_late && (!crashed || w.has_said_why)) return;
  bool nonsense = false;
  const auto words = read_words(w.words(), nonsense);
  const bool is_about_this =
      words && (crashed ? words->kind == ipc::words_kind::crash && words->signal == how.signal
                        : words->kind == ipc::words_kind::hang && w.was_asked);
  if (is_about_this) {
    how.backtrace = backtrace_of(*words, symbols_);
    if (!crashed) return;
    if (words->code <= 0 && words->sender != 0) how.signal_sender = words->sender;
    if (words->code > 0 && words->code != SI_KERNEL && how.signal != SIGABRT)
      how.fault_address = words->fault_address;
    if (how.detail.empty() && words->is_stack_overflow()) how.detail = "its stack overflowed";
  } else if (nonsense || words) {
    how.backtrace_missing = "what the worker left as its last words are none";
  } else if (is_late) {
    how.backtrace_missing = w.no_answer;
  } else {
    how.backtrace_missing = base::is_sanitized
                                ? sanitizer_note
                                : "the program handles that signal itself, or the thread had no "
                                  "stack left to do so";
  }
}

// Gives back what it never began, and fails what it had.
std::shared_ptr<const death> process_crew::settle_lost(worker_process& w, death how) {
  std::vector<task*> begun, own;
  std::vector<std::pair<task*, std::unique_ptr<task_output>>> printers;
  while (!w.printing.empty()) {
    const std::uint64_t at = w.printing.begin()->first;
    printers.emplace_back(w.at(at).task, finish_output(w, at));
  }
  {
    const locked lock(*this);
    w.step(worker_event::end);
    note_free(w);
    w.token.reset();  // it writes nothing any more: others may have what it had
    std::vector<std::uint64_t> positions;
    for (std::uint64_t at = w.sender.first(); at != w.sender.next(); at = w.sender.after(at))
      positions.push_back(at);
    auto intake = owner_->queue().lock();
    for (; !positions.empty(); positions.pop_back()) {  // the newest first, so that their order stays
      const std::uint64_t at = positions.back();
      if (w.at(at).task == nullptr) continue;
      if (task* t = take_back(w, at)) {
        if (t->extras && t->extras->only_on)
          w.own.push_front(t);
        else
          owner_->put_back(*t);
        continue;
      }
      begun.push_back(std::exchange(w.at(at), {}).task);
      w.sender.finished(at);
    }
    intake.unlock();
    own = empty_own(w);
    note_busy(w);
  }
  for (auto& [t, printed] : printers) keep_output(*t, w.id, std::move(printed));
  w.mail.clear();  // closes what came for replies that never will
  w.control.reset();
  std::reverse(begun.begin(), begun.end());  // oldest first
  for (const task* t : begun) how.tasks.push_back(owner_->subject_of(*t));
  const auto shared = std::make_shared<const death>(std::move(how));
  if (shared->cause != death_cause::stopped) owner_->count_death();  // before its tasks tell of it
  for (std::size_t i = 0; i < begun.size(); ++i) {
    const error_subject& subject = shared->tasks[i];
    std::exception_ptr error;
    if (shared->cause == death_cause::out_of_memory)
      error = std::make_exception_ptr(out_of_memory(shared, subject));
    else if (shared->cause == death_cause::protocol_violation)
      error = std::make_exception_ptr(protocol_violation(shared, subject));
    else
      error = std::make_exception_ptr(unexpected_exit(shared, subject));
    owner_->failed(*begun[i], std::move(error), policy::failure::crash);
  }
  // Nobody else may run these; so they are not run again, though they had no attempt.
  for (task* t : own)
    owner_->failed(*t, std::make_exception_ptr(unexpected_exit(shared, owner_->subject_of(*t))),
                   policy::failure::permanent);
  return shared;
}

}  // namespace muster::process
