// SPDX-License-Identifier: MIT
// A thread that waits for what a worker answers takes it out of the worker's ring itself: then two threads
// wake for a call, the worker and this one, and the loop sleeps on. There is one reader a worker; others that
// wait for answers of the same worker stand in line.
#include <algorithm>
#include <chrono>
#include <new>
#include <utility>

#include "base/futex.hpp"
#include "base/spin.hpp"
#include "process/process_crew.hpp"

namespace muster::process {

using detail::task;
using detail::task_ref;

class answer_reader final : public engine::answer_reader {
public:
  // With the crew's lock.
  answer_reader(process_crew& crew, std::shared_ptr<worker_process> worker, task& awaited) noexcept
      : crew_(crew), worker_(std::move(worker)), awaited_(awaited) {
    crew_.readers_.fetch_add(1);
    if (!crew_.sit_down(*worker_, *this)) stand_in_line();
  }
  answer_reader(const answer_reader&) = delete;

  ~answer_reader() override {
    process_crew& crew = crew_;
    crew.get_up(*worker_, *this);
    process_crew::one_less(crew.readers_);
  }

  bool sleep(std::uint32_t seen, std::optional<base::time_point> until) override {
    if (!sits_) return detail::sleep_while(awaited_, seen, until);
    if (crew_.options_.spin.count() > 0 && look_for_a_while(seen, until)) return true;
    ipc::reader_bell& bell = worker_->reader_bell;
    const std::uint32_t rung = bell.before_sleep();
    bool in_time = true;
    if (!worker_->receiver.has_come(next_))
      in_time = base::futex_wait_on_two(bell.bell(), rung, awaited_.outcome, seen, until);
    bell.after_sleep();
    return in_time;
  }

  // An answer that was taken and not told would be lost; so there is no way out of it but to its end.
  bool read() noexcept override { return crew_.read_answers(*worker_, *this); }

private:
  friend class process_crew;

  // With the crew's lock, these two.
  void stand_in_line() noexcept {
    answer_reader** end = &worker_->next_reader;
    while (*end != nullptr) end = &(*end)->behind_;
    *end = this;
  }
  void leave_line() noexcept {
    answer_reader** at = &worker_->next_reader;
    while (*at != nullptr && *at != this) at = &(*at)->behind_;
    if (*at == this) *at = std::exchange(behind_, nullptr);
  }
  [[nodiscard]] bool look_for_a_while(std::uint32_t seen, std::optional<base::time_point> until) const {
    duration longest = crew_.options_.spin;
    if (until) longest = std::min<duration>(longest, *until - std::chrono::steady_clock::now());
    const auto& cpu = worker_->replies.view<ipc::reply_memory>().rings.worker_cpu;
    return base::spin(longest, cpu, [&] {
      return worker_->receiver.has_come(next_) || awaited_.outcome.load(std::memory_order_relaxed) != seen;
    });
  }

  process_crew& crew_;
  const std::shared_ptr<worker_process> worker_;
  task& awaited_;
  // Guarded by the crew's lock: whether it reads, who stands behind it in line, and the number of the reply
  // that comes next, as far as it knows. But for the line this thread alone changes them.
  bool sits_ = false;
  answer_reader* behind_ = nullptr;
  std::uint64_t next_ = 0;
};

// Where the loop has to look after what was served, or after how much the workers have run, it takes all
// replies itself.
bool process_crew::may_be_read() const {
  return !throttle_ && !options_.limits.memory_soft && base::can_wait_on_two();
}

std::unique_ptr<engine::answer_reader> process_crew::reader_for(task& t) {
  const detail::task_state state = t.state();
  if (!may_be_read() || (state != detail::task_state::placed && state != detail::task_state::running))
    return nullptr;
  const locked lock(*this);
  const std::uint32_t slot = t.worker();  // a hint, like the state: elsewhere it reads for others
  if (slot >= workers_.size() || !workers_[slot] || !workers_[slot]->open()) return nullptr;
  return std::unique_ptr<answer_reader>(new (std::nothrow) answer_reader(*this, workers_[slot], t));
}

// Not where more workers are busy than threads wait: one thread has calls with several of them then, and
// those that it does not read at would wake the loop beside it.
bool process_crew::sit_down(worker_process& w, answer_reader& who) {
  if (w.reader != nullptr || busy_ > static_cast<std::size_t>(readers_.load())) return false;
  w.reader = &who;
  who.sits_ = true;
  who.next_ = w.receiver.taken();
  w.reader_bell.sit();
  return true;
}

// While it sat the worker rang nobody else: what has come since is for the loop. The next in line may sit
// down.
void process_crew::get_up(worker_process& w, answer_reader& who) {
  task_ref<> next;
  bool has_come = false;
  {
    const locked lock(*this);
    if (who.sits_) {
      w.reader_bell.leave();
      has_come = w.receiver.anything();
      w.reader = nullptr;
    } else {
      who.leave_line();
    }
    if (w.reader == nullptr && w.next_reader != nullptr) next = task_ref<>::share(w.next_reader->awaited_);
  }
  if (has_come) wake();
  if (next) detail::nudge(*next);
}

// By its thread. False: what comes next needs the loop, which is told; or nothing comes any more.
bool process_crew::read_answers(worker_process& w, answer_reader& who) {
  std::optional<ipc::violation> broken;  // left to the loop, which finds the same
  std::vector<worker_ref> to_wake;
  std::vector<answer_taken> answers;
  bool needs_loop = false;
  {
    const locked lock(*this);
    if (!w.open() || w.receiver.broken()) return false;
    if (!who.sits_) {
      if (!sit_down(w, who)) return true;
      who.leave_line();
    }
    needs_loop = !take_answers(w, taker::waiter, answers, broken, to_wake) || broken;
    who.next_ = w.receiver.taken();
    telling_.fetch_add(1);
  }
  for (const auto& each : to_wake) each->sender.wake();
  for (answer_taken& each : answers) tell(each);
  one_less(telling_);
  if (needs_loop) wake();
  return !needs_loop;
}

// Who waits may go, and the count with it, as soon as the last is gone: behind that only its address is used.
void process_crew::one_less(std::atomic<int>& count) {
  if (count.fetch_sub(1) == 1) count.notify_all();
}
void process_crew::wait_for_none(std::atomic<int>& count) {
  for (int still = count.load(); still != 0; still = count.load()) count.wait(still);
}

void process_crew::join() { wait_for_none(readers_); }

}  // namespace muster::process
