// SPDX-License-Identifier: MIT
// The life of worker processes: started through the zygote, watched.
#include "process/process_crew.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include <muster/error.hpp>

#include "base/pidfd.hpp"
#include "base/process_info.hpp"
#include "base/socket.hpp"
#include "ipc/messages.hpp"
#include "process/births.hpp"
#include "process/zygote.hpp"

namespace muster::process {

using detail::task;
using engine::worker_event;

namespace {

// A socket that was full is tried again so soon.
constexpr duration between_sends = std::chrono::milliseconds(5);

// Standard error whose reader sleeps is tried again so soon, and given up at the end after so long.
constexpr duration between_flushes = std::chrono::milliseconds(10);
constexpr duration most_patient_flush = std::chrono::milliseconds(100);

ipc::region make_board() {
  auto made = ipc::region::create("muster-board", sizeof(ipc::board), ipc::access::read_only);
  if (!made)
    throw not_ready(std::string("no memory for the pool's board: ") + made.error().call + ": " +
                    made.error().code.message());
  return std::move(*made);
}

std::span<module::module_identity> rows_of(ipc::board& board) {
  static_assert(ipc::module_rows_bytes == module::max_modules * sizeof(module::module_identity));
  return {reinterpret_cast<module::module_identity*>(board.module_rows), module::max_modules};
}

base::file_descriptor need(int descriptor, const char* call) {
  if (descriptor < 0) throw not_ready("no descriptor for the pool: " + base::last_os_error(call).text());
  return base::file_descriptor(descriptor);
}

std::string text_of(const ipc::system_failure& f) { return std::string(f.call) + ": " + f.code.message(); }

}  // namespace

process_crew::process_crew(const process_options& options)
    : options_(options),
      at_once_(static_cast<std::size_t>(options.workers.at_once)),
      board_memory_(make_board()),
      board_(board_memory_.view<ipc::board>()),
      names_(rows_of(board_)),
      bell_(board_),
      epoll_(need(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")),
      wake_(need(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd")),
      chooses_(options.strategy, options.choose, 0),
      chooser_(options.choose.chooser) {
  editions_[0] = std::make_shared<const worker_settings>(named(options, nullptr));
  if (options.throttle.percent)
    throttle_.emplace(*options.throttle.percent / 100, options.throttle.check_every);
  if (!watch(wake_.get(), source::wake, {}))
    throw not_ready("no descriptor for the pool: " + base::last_os_error("epoll_ctl").text());
}

worker_settings process_crew::named(const process_options& options, void (*canary)()) {
  const auto name = [this](const char* what, auto function) {
    if (function == nullptr) return std::uint64_t{0};
    const auto key = names_.key_of(reinterpret_cast<const void*>(function));
    if (!key) throw invalid_options(std::string(what) + ": " + key.error());
    return key->value;
  };
  return {.options = options,
          .init = name("init", options.init.get()),
          .canary = name("canary", canary),
          .check = name("health.check", options.health.check.get()),
          .close = name("hooks.close", options.hooks.close.get()),
          .keep_alive = name("hooks.keep_alive", options.hooks.keep_alive.get())};
}

engine::edition process_crew::add_edition(const process_options& options, void (*canary)()) {
  auto added = std::make_shared<const worker_settings>(named(options, canary));
  const locked lock(*this);
  std::erase_if(editions_, [this](const auto& each) { return each.first != in_force_; });
  editions_[++last_edition_] = std::move(added);
  return last_edition_;
}

// Its canary has done its part: who starts later does without.
void process_crew::keep(engine::edition in_force) {
  const locked lock(*this);
  if (std::exchange(in_force_, in_force) == in_force) return;
  worker_settings settled = *editions_.at(in_force);
  settled.canary = 0;
  editions_[in_force] = std::make_shared<const worker_settings>(std::move(settled));
}

engine::edition process_crew::in_force() {
  const locked lock(*this);
  return in_force_;
}

// Descriptors are told apart by what they are and whose: kind, generation and slot fit into epoll's 64 bits.
bool process_crew::watch(int descriptor, source what, worker_id whose, watched how) {
  epoll_event event{};
  event.events = EPOLLIN;
  if (how == watched::edge) event.events |= EPOLLET;
  if (how == watched::not_yet) event.events |= EPOLLONESHOT;  // once at most, where nobody listens
  event.data.u64 = std::uint64_t{static_cast<std::uint8_t>(what)} << 56U |
                   std::uint64_t{whose.generation & 0xffffffU} << 32U | whose.slot;
  const int operation = how == watched::from_now ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  return ::epoll_ctl(epoll_.get(), operation, descriptor, &event) == 0;
}

process_crew::worker_ref process_crew::find(std::uint32_t slot, std::uint32_t generation) {
  const locked lock(*this);
  if (slot >= workers_.size() || !workers_[slot] || workers_[slot]->state == worker_state::dead)
    return nullptr;
  return (workers_[slot]->id.generation & 0xffffffU) == (generation & 0xffffffU) ? workers_[slot] : nullptr;
}

// -------------------------------------------------------------------------------------------------------------
// start

bool process_crew::connect(std::string& problem) {
  if (link_ && !link_lost_) return true;
  link_.reset();
  auto opened = zygote_link::open(options_.program.empty() ? std::nullopt : std::optional(options_.program));
  if (!opened) {
    problem = "no zygote: " + opened.error().text();
    return false;
  }
  if (!watch(opened->descriptor(), source::zygote, {})) {
    problem = "no zygote: " + base::last_os_error("epoll_ctl").text();
    return false;
  }
  link_.emplace(std::move(*opened));
  link_lost_ = false;
  return true;
}

void process_crew::start(worker_id id) {
  std::string problem;
  spawn_request request;
  if (connect(problem)) {
    link_->prepare();
    auto made = make(id, request);
    if (made) {
      const worker_ref& w = *made;
      {
        const locked lock(*this);
        if (workers_.size() <= id.slot) workers_.resize(id.slot + std::size_t{1});
        if (const worker_ref before = std::exchange(workers_[id.slot], w)) {
          served_before_ += before->served;
          busy_before_ += before->busy_time;
        }
        if (w->limit) limit_means_ = w->limit->text();
      }
      const auto asked = link_->spawn(request);
      for (int* d : {&request.control, &request.error_output}) ::close(*d);
      if (asked) return;
      problem = asked.error().text();
      std::vector<task*> own;
      {
        const locked lock(*this);
        w->step(worker_event::end);
        own = empty_own(*w);
      }
      abandon_own(own);
    } else {
      problem = made.error();
    }
  }
  owner_->worker_ended(id, false, nullptr, problem);
}

std::expected<process_crew::worker_ref, std::string> process_crew::make(worker_id id,
                                                                        spawn_request& request) {
  auto requests = ipc::region::create("muster-requests", sizeof(ipc::request_region), ipc::access::read_only);
  if (!requests) return std::unexpected(text_of(requests.error()));
  auto replies = ipc::region::create("muster-replies", sizeof(ipc::reply_memory), ipc::access::read_write);
  if (!replies) return std::unexpected(text_of(replies.error()));
  auto w = std::make_shared<worker_process>(id, std::move(*requests), std::move(*replies));

  auto control = base::socket_pair();
  if (!control) return std::unexpected(control.error().text());
  int pipe_ends[2];
  if (::pipe2(pipe_ends, O_CLOEXEC) != 0) return std::unexpected(base::last_os_error("pipe2").text());
  w->error_output = base::file_descriptor(pipe_ends[0]);
  base::file_descriptor writes_errors(pipe_ends[1]);
  ::fcntl(w->error_output.get(), F_SETFL, O_NONBLOCK);
  w->bell = base::file_descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!w->bell) return std::unexpected(base::last_os_error("eventfd").text());
  w->control = std::move(control->first);
  if (!watch(w->control.get(), source::control, id, watched::not_yet) ||
      !watch(w->error_output.get(), source::error_output, id) ||
      !watch(w->bell.get(), source::bell, id, watched::edge))
    return std::unexpected(base::last_os_error("epoll_ctl").text());
  w->born = owner_->time().now();

  {
    const locked lock(*this);
    w->settings = editions_.at(chosen_);
  }
  const limit_options& limits = w->settings->options.limits;
  request.birth = birth_of(*w->settings, id);
  if (limits.memory) {
    w->limit = memory_limit::prepare(*limits.memory, request.birth.pool, id.slot, id.generation);
    w->limit->apply_to(request.birth);
  }
  w->token->crew = arena_.get();
  w->at_once = at_once_;
  w->one_task = options_.lifetime == lifetime::per_task;
  w->never_chosen = chooses_.weight(id.slot) == 0;  // weights do not change
  request.control = control->second.release();
  request.board = board_memory_.descriptor();
  request.requests = w->requests.descriptor();
  request.replies = w->replies.descriptor();
  request.bell = w->bell.get();
  request.error_output = writes_errors.release();

  return w;
}

// --------------------------------------------------------------------------------------------------------
// retire

void process_crew::report_after(worker_id id, std::uint64_t tasks) {
  const worker_ref w = find(id.slot, id.generation);
  if (!w) return;
  const locked lock(*this);
  w->worn_after = tasks;
}

void process_crew::retire(worker_id id) {
  const worker_ref w = find(id.slot, id.generation);
  if (!w) return;
  std::vector<task*> own;
  {
    const locked lock(*this);
    w->step(worker_event::retire);
    note_free(*w);
    take_back_all(*w);
    own = empty_own(*w);
  }
  w->sender.stop();
  abandon_own(own);
  pump();
}

// -----------------------------------------------------------------------------------------------------------
// the loop

void process_crew::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof(one));
}

void process_crew::wait(base::time_point until) {
  bool any = false;
  until = look_at_processors(look_at_memory(look_at_workers(until)));
  for (const auto& [w, why] : deaf_) violated(*w, why);
  until = std::min(until, end_those_asked());
  until = send_what_is_wanted(until);
  if (!standard_error_.flush()) until = std::min(until, base::after(owner_->time().now(), between_flushes));
  for (const auto& w : snapshot_) any = drain(*w) || any;
  if (any && ++rounds_without_events_ < 8) return;  // the loop looks at its notes and comes back
  rounds_without_events_ = 0;
  if (any) {
    until = base::time_point::min();  // a look at the descriptors, no sleep
  } else {
    bell_.before_sleep();
    const locked lock(*this);
    for (const auto& w : snapshot_)
      if (w->receiver.anything() || w->has_progress()) until = base::time_point::min();
  }
  timespec pause{};
  const auto now = owner_->time().now();
  if (until > now && until != base::never) {
    const auto rest = until - now;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(rest);
    pause = {.tv_sec = seconds.count(), .tv_nsec = (rest - seconds).count()};
  }
  std::array<epoll_event, 64> events;
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   until == base::never ? nullptr : &pause, nullptr);
  if (!any) bell_.after_sleep();
  for (int i = 0; i < count; ++i) {
    const std::uint64_t data = events[static_cast<std::size_t>(i)].data.u64;
    on_event(static_cast<source>(data >> 56U), static_cast<std::uint32_t>(data),
             static_cast<std::uint32_t>(data >> 32U) & 0xffffffU);
  }
  for (const auto& w : snapshot_) drain(*w);
}

// Descriptors that did not fit into a worker's socket when it asked for them.
base::time_point process_crew::send_what_is_wanted(base::time_point until) {
  for (const auto& w : snapshot_) {
    if (!w->handles_wanted) continue;  // written by this thread alone
    const locked lock(*this);
    if (!send_handles(*w)) until = std::min(until, base::after(owner_->time().now(), between_sends));
  }
  return until;
}

void process_crew::on_event(source what, std::uint32_t slot, std::uint32_t generation) {
  switch (what) {
    case source::wake: {
      std::uint64_t count = 0;
      (void)!::read(wake_.get(), &count, sizeof(count));
      return;
    }
    case source::zygote: return on_zygote();
    case source::bell: return;  // wait() drains every ring
    case source::control:
      if (const worker_ref w = find(slot, generation); w && w->pidfd) {
        {
          const locked lock(*this);
          on_control(*w);
        }
        deliver();
      }
      return;
    case source::error_output:
      if (const worker_ref w = find(slot, generation)) read_error_output(*w);
      return;
    case source::task_output:
      if (const worker_ref w = find(slot, generation)) read_output(*w);
      return;
  }
}

void process_crew::read_error_output(worker_process& w) {
  std::array<char, 16 * 1024> buffer;
  for (int reads = 0; reads < 16; ++reads) {  // whoever writes on and on does not hold up the loop
    const ssize_t got = ::read(w.error_output.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      if (got == 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, w.error_output.get(), nullptr);
      return;
    }
    w.tail.add({buffer.data(), static_cast<std::size_t>(got)});
    if (options_.worker_stderr == worker_stderr::forward)
      standard_error_.write({buffer.data(), static_cast<std::size_t>(got)});
  }
}

// -------------------------------------------------------------------------------------------------------------
// deaths

void process_crew::on_zygote() {
  while (link_ && !link_lost_) {
    auto news = link_->next();
    if (!news) return;
    if (auto* up = std::get_if<started>(&*news)) on_started(*up);
    if (const auto* failure = std::get_if<start_failed>(&*news))
      on_ended(failure->slot, static_cast<std::uint32_t>(failure->generation), nullptr,
               failure->reason.text());
    if (const auto* end = std::get_if<ended>(&*news))
      on_ended(end->slot, static_cast<std::uint32_t>(end->generation), end, {});
    if (std::holds_alternative<lost>(*news)) on_lost();
  }
}

// What the worker says itself comes by another way and may be there first. It waits: before we know which
// process it is, nobody could name it, look at it or end it.
void process_crew::on_started(started& news) {
  const worker_ref w = find(news.slot, static_cast<std::uint32_t>(news.generation));
  if (!w) return;
  const locked lock(*this);
  w->pid = news.pid;
  w->pidfd = std::move(news.pidfd);
  (void)watch(w->control.get(), source::control, w->id, watched::from_now);
  if (w->killed_for) (void)base::send_signal(w->pidfd.get(), SIGKILL);
}

// The zygote is gone. Its workers die with it; what has not yet is killed, and waited for a moment.
void process_crew::on_lost() {
  link_lost_ = true;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, link_->descriptor(), nullptr);
  look_at_workers(base::never);
  const std::vector<worker_ref> living = snapshot_;
  for (const auto& w : living)
    if (w->pidfd) (void)base::send_signal(w->pidfd.get(), SIGKILL);
  for (const auto& w : living) {
    if (w->pidfd && !base::wait_until_dead(w->pidfd.get(), std::chrono::seconds(1)))
      never_seen_dead_.push_back(w->token);
    on_ended(w->id.slot, w->id.generation, nullptr, {});
  }
}

// -------------------------------------------------------------------------------------------------------------
// queries

void process_crew::survey(std::vector<engine::happened::surveyed::idle_worker>& idle) {
  const locked lock(*this);
  for (const auto& w : workers_)
    if (w && w->state == worker_state::idle && !w->has_had_its_task()) idle.push_back({w->id, w->idle_since});
}

std::vector<std::uint64_t> process_crew::finish() {
  link_.reset();
  wait_for_none(telling_);
  const auto until = base::after(owner_->time().now(), most_patient_flush);
  while (!standard_error_.flush() && owner_->time().now() < until)
    std::this_thread::sleep_for(between_flushes);
  return {};
}

// All workers are dead and reaped. Another zygote is asked for with the first worker. What the processors owe
// (throttle_) goes on.
void process_crew::begin_again() {
  link_.reset();
  deaf_.clear();
  snapshot_.clear();
  lines_.clear();
  progress_.clear();
  processors_due_ = base::time_point::min();
  std::vector<worker_ref> gone;  // their memory goes outside the lock
  const locked lock(*this);
  gone.swap(workers_);
  for (const auto& w : gone) {
    if (!w) continue;
    served_before_ += w->served;
    busy_before_ += w->busy_time;
  }
  MUSTER_ASSERT(idle_workers_.load(std::memory_order_relaxed) == 0);
  lowest_placed_ = std::numeric_limits<int>::max();
  sleeps_until_ = base::time_point::min();
  gave_calls_ = false;
}

void process_crew::describe(stats& into) {
  into.throttled = held_back_.load(std::memory_order_relaxed);
  into.cpu_time = duration(cpu_used_.load(std::memory_order_relaxed));
  const locked lock(*this);
  into.memory_limit_means = limit_means_;
  into.peak_busy = peak_busy_;
  into.attempts = served_before_;
  into.processing_time = busy_before_;
  for (const auto& w : workers_)
    if (w)
      into.workers.push_back(
          {.slot = w->id.slot,
           .generation = w->id.generation,
           .pid = w->pid,
           .state = w->state,
           .tasks_done = w->served,
           .busy_time = w->busy_time,
           .idle_since = w->state == worker_state::idle ? std::optional(w->idle_since) : std::nullopt,
           .errors = w->errors,
           .since = w->born,
           .task = w->is_at_work() ? w->at(w->sender.first()).task->id : 0,
           .memory = w->memory,
           .reported_memory = w->reported_memory(),
           .failed_checks = w->failed_looks});
}

}  // namespace muster::process
