// SPDX-License-Identifier: MIT
// The way of a reply from a worker process: taken out of its ring, checked, told to the engine.
#include <algorithm>
#include <utility>

#include <muster/detail/chunk_line.hpp>
#include <muster/error.hpp>

#include "base/process_info.hpp"
#include "ipc/messages.hpp"
#include "ipc/parcel.hpp"
#include "module/exception_codec.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using detail::task;

bool process_crew::drain(worker_process& w) {
  std::vector<answer_taken> answers;
  std::optional<ipc::violation> broken;
  std::vector<worker_ref> to_wake;
  bool any = false;
  for (bool more = true; more;) {
    answers.clear();
    {
      const locked lock(*this);
      if (w.receiver.broken() && w.killed_for) return any;
      take_progress(w);
      take_answers(w, taker::loop, answers, broken, to_wake);
    }
    for (const auto& each : to_wake) each->sender.wake();
    to_wake.clear();
    deliver();
    for (answer_taken& each : answers) tell(each);
    any = any || !answers.empty();
    more = answers.size() == most_at_a_time && !broken;
  }
  if (broken) violated(w, broken->what);
  return any;
}

bool process_crew::take_answers(worker_process& w, taker by, std::vector<answer_taken>& answers,
                                std::optional<ipc::violation>& broken, std::vector<worker_ref>& to_wake) {
  took last = took::one;
  while (answers.size() < most_at_a_time) {
    answer_taken next{};
    last = take_answer(w, by, next, broken);
    if (last != took::one) break;
    answers.push_back(std::move(next));
  }
  if (answers.empty()) return last != took::left;
  const auto now = owner_->time().now();
  note_served(w, answers.size());
  owner_->ran_for((now - w.head_since) / static_cast<duration::rep>(answers.size()));
  w.measure(answers.size(), now);
  w.make_room();
  note_load(w);
  pump_wanted_.store(chooser_ != nullptr);  // which is asked without the lock
  if (!chooser_) fill();
  ring(to_wake);
  note_running(w);
  if (!refused_.empty()) pump_wanted_.store(true);  // pump tells them
  return last != took::left;
}

// What is sent beside a reply, or said while the call ran, comes through the loop; so do exceptions and
// continuations, by which code of the user's may run.
bool process_crew::needs_loop(worker_process& w, const ipc::reply& r) {
  if (!ipc::is_status_word(r.status) || ipc::status_of(r.status) != ipc::reply_status::value ||
      ipc::handles_of(r.status) != 0 || ipc::has_spoken(r.status) || r.payload == ipc::carrier::parcel ||
      !w.mail.empty() || !w.sender.awaits_reply(r.position))
    return true;
  return w.at(r.position).task->is(task::captured | task::outcome_continued);
}

process_crew::took process_crew::take_answer(worker_process& w, taker by, answer_taken& into,
                                             std::optional<ipc::violation>& broken) {
  for (;;) {
    bool is_left = false;
    auto taken = w.receiver.take(
        [&](const ipc::reply& r) {
          is_left = by == taker::waiter && needs_loop(w, r);
          return !is_left;
        },
        [&](const ipc::reply& r) -> std::optional<std::span<std::byte>> {
          if (!w.sender.awaits_reply(r.position)) return std::nullopt;
          if (r.payload == ipc::carrier::parcel) return std::span<std::byte>();
          return std::span(into.payload.resize(r.size), r.size);
        });
    if (std::holds_alternative<std::monostate>(taken)) return is_left ? took::left : took::none;
    if (auto* violation = std::get_if<ipc::violation>(&taken)) {
      broken = std::move(*violation);
      return took::none;
    }
    const ipc::reply& r = std::get<ipc::reply>(taken);
    if (!ipc::is_status_word(r.status)) {
      broken = ipc::violation{"unknown status " + std::to_string(r.status)};
      return took::none;
    }
    if (ipc::status_of(r.status) == ipc::reply_status::chunk) {
      broken = take_chunk(w, r, into);
      if (broken) return took::none;
      continue;
    }
    broken = take_mail(w, r, into);
    if (broken) return took::none;
    if (w.at(r.position).task->is(task::captured)) into.output = finish_output(w, r.position);
    w.sender.finished(r.position);
    w.is_clogged = false;
    // Answered together with the one before it, it was never seen at the head.
    const worker_process::placed& entry = w.at(r.position);
    if (!entry.begun) owner_->began(*entry.task, w.id);
    into.task = std::exchange(w.at(r.position), {}).task;
    into.status = ipc::status_of(r.status);
    into.names_blocks = ipc::names_blocks(r.status);
    if (into.status != ipc::reply_status::value) ++w.errors;
    into.worker = w.id;
    into.has_memory_limit = w.settings->options.limits.memory.has_value();
    return took::one;
  }
}

// What was sent ahead of the reply, before it was published.
std::optional<ipc::violation> process_crew::take_mail(worker_process& w, const ipc::reply& r,
                                                      answer_taken& into) {
  const std::size_t handles = ipc::handles_of(r.status);
  const bool is_parcel = r.payload == ipc::carrier::parcel;
  if (!is_parcel && handles == 0 && w.mail.empty() && !ipc::has_spoken(r.status)) return std::nullopt;
  on_control(w);
  std::optional<ipc::violation> wrong;
  if (is_parcel) wrong = take_parcel(w, r, into);
  auto letter = w.mail.extract(r.position);
  if (!letter.empty()) into.handles = std::move(letter.mapped().handles);
  if (!wrong && into.handles.size() != handles)
    wrong = ipc::violation{"it sent " + std::to_string(into.handles.size()) +
                           " descriptors with a result of " + std::to_string(handles)};
  return wrong;
}

std::optional<ipc::violation> process_crew::take_parcel(worker_process& w, const ipc::reply& r,
                                                        answer_taken& into) {
  base::file_descriptor parcel;
  if (const auto letter = w.mail.find(r.position);
      letter != w.mail.end() && !letter->second.parcels.empty()) {
    parcel = std::move(letter->second.parcels.front());
    letter->second.parcels.pop_front();
  }
  const auto read = parcel ? ipc::read_parcel(parcel.get(), {into.payload.resize(r.size), r.size})
                           : std::unexpected(ipc::system_failure{
                                 "no parcel came", std::make_error_code(std::errc::no_message)});
  if (read) return std::nullopt;
  return ipc::violation{std::string("a result's parcel: ") + read.error().call + ": " +
                        read.error().code.message()};
}

// The worker knows how many its reader has taken, so one beyond that is a violation.
std::optional<ipc::violation> process_crew::take_chunk(worker_process& w, const ipc::reply& r,
                                                       answer_taken& into) {
  if (r.payload == ipc::carrier::parcel) {
    on_control(w);
    if (auto wrong = take_parcel(w, r, into)) return wrong;
  }
  const task& t = *w.at(r.position).task;
  if (!t.extras || !t.extras->chunks) return ipc::violation{"it yielded a chunk of a call that is no stream"};
  if (!t.extras->chunks->put(std::exchange(into.payload, {})))
    return ipc::violation{"it yielded more chunks than its reader had room for"};
  return std::nullopt;
}

void process_crew::chunks_taken(task& t, std::uint64_t count) {
  worker_ref on;
  {
    const locked lock(*this);
    const std::uint32_t slot = t.worker();
    if (slot >= workers_.size() || !workers_[slot] || !workers_[slot]->open()) return;
    on = workers_[slot];
    std::uint64_t position = on->sender.first();
    while (position != on->sender.next() && on->at(position).task != &t)
      position = on->sender.after(position);
    if (position == on->sender.next()) return;
    on->sender.chunks_taken(position, count);
  }
  on->sender.wake_cancel();
}

void process_crew::tell(answer_taken& given) {
  task& t = *given.task;
  keep_output(t, given.worker, std::move(given.output));
  if (given.status == ipc::reply_status::value) {
    if (!t.claim()) return owner_->too_late(t);
    detail::crossing_call& call = t.ops->call(t);
    call.data = std::move(given.payload);
    call.handles.reset();
    if (call.blocks && !given.names_blocks) call.blocks->clear();
    if (!given.handles.empty())
      call.handles = std::make_unique<std::vector<unique_fd>>(std::move(given.handles));
    return owner_->succeeded(t);
  }
  const error_subject subject = owner_->subject_of(t);
  if (given.status == ipc::reply_status::refused) {
    const auto text = given.payload.view();
    const std::string why(reinterpret_cast<const char*>(text.data()),
                          std::min<std::size_t>(text.size(), 4'096));
    return owner_->failed(t, std::make_exception_ptr(invalid_call(why, subject)), policy::failure::permanent);
  }
  auto thrown = module::decode_exception(given.payload.view());
  if (!thrown)
    return owner_->failed(
        t, std::make_exception_ptr(decode_error("the worker's exception: " + thrown.error(), subject)),
        policy::failure::permanent);
  if (given.has_memory_limit && thrown->type_name == "std::bad_alloc") {
    return owner_->failed(t,
                          std::make_exception_ptr(out_of_memory(near_death(given.worker, subject), subject)),
                          policy::failure::error);
  }
  if (!thrown->same_type)
    thrown->same_type =
        std::make_exception_ptr(worker_error(thrown->type_name, thrown->text, thrown->backtrace, subject));
  owner_->failed(t, std::move(thrown->same_type), policy::failure::error);
}

// A task met the memory limit, and its worker lives: nobody died, so there is no pid.
death process_crew::near_death(worker_id id, const error_subject& subject) {
  death how{.cause = death_cause::out_of_memory,
            .worker = id.slot,
            .generation = id.generation,
            .detail = "an allocation failed under the memory limit; the worker lives on",
            .tasks = {subject}};
  if (const worker_ref w = find(id.slot, id.generation)) {
    how.memory_limit = w->settings->options.limits.memory;
    how.tasks_served = w->served;
    how.alive = owner_->time().now() - w->born;
    how.peak_memory = base::peak_memory(w->pid);
  }
  return how;
}

void process_crew::violated(worker_process& w, const std::string& what) {
  {
    const locked lock(*this);
    w.detail = what;
  }
  kill(w.id, death_cause::protocol_violation);
}

}  // namespace muster::process
