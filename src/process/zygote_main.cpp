// SPDX-License-Identifier: MIT
#include "process/zygote_main.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/pidfd.hpp"
#include "base/process_info.hpp"
#include "base/sanitizer.hpp"
#include "base/socket.hpp"
#include "process/descendants.hpp"
#include "process/spawn.hpp"
#include "process/wire.hpp"

namespace muster::process {
namespace {

using base::file_descriptor;

constexpr std::size_t longest_backlog = 256;  // answers that wait for a slow owner before its orders wait too
constexpr auto longest_clean_up = std::chrono::milliseconds(1500);

struct outgoing {
  std::vector<std::byte> bytes;
  file_descriptor descriptor;  // may be empty
};

// A pool, as the zygote knows it.
struct line {
  file_descriptor socket;
  std::deque<outgoing> answers;  // not yet taken by the socket
  std::size_t workers = 0;
  bool ending = false;  // no more orders: kill, report, close
};

struct child {
  line* pool = nullptr;  // none: it is the spare
  std::uint32_t slot = 0;
  std::uint64_t generation = 0;
  std::uint32_t mark = 0;  // of what it starts
  file_descriptor report;  // where it is told what to be and says how its set-up went; empty once it has
  file_descriptor pidfd;   // held until it is sent with `started`
  bool started = false;
  bool answered = false;  // started or start_failed was sent
};

// The zygote's whole state and its loop. Never destroyed: the process ends with _exit.
class zygote {
public:
  zygote(file_descriptor main_socket, file_descriptor owner, file_descriptor signals, const hooks& functions)
      : main_(std::move(main_socket)),
        owner_(std::move(owner)),
        signals_(std::move(signals)),
        hooks_(functions) {}

  [[noreturn]] void serve();

private:
  void read_main();
  void read_orders(line& pool);
  void spawn(line& pool, const ipc::worker_birth& birth, std::span<const std::byte> order,
             std::span<const file_descriptor> descriptors);
  std::expected<void, ipc::failed_step> make_spare();
  [[noreturn]] void live_as_worker(file_descriptor report, pid_t parent, std::uint32_t mark);
  void kill_group(pid_t pid, int signal);
  void read_report(pid_t pid, child& worker);
  void reap();
  void report_end(pid_t pid, child& worker, int status, const rusage& used);
  void end(line& pool);
  void send(line& pool, outgoing answer);
  void flush(line& pool);
  void forget_ended_lines();
  void kill_strangers();
  bool kill_leftovers();
  [[noreturn]] void clean_up_and_exit();

  file_descriptor main_;     // empty once the owner has closed it
  file_descriptor owner_;    // pidfd
  file_descriptor signals_;  // signalfd for SIGCHLD
  const hooks hooks_;
  std::vector<std::unique_ptr<line>> lines_;
  std::map<pid_t, child> children_;
  pid_t spare_ = 0;  // forked ahead, and waits to be told which worker it is; 0: there is none
  std::uint32_t last_mark_ = 0;
  bool leftovers_die_ = false;  // some were killed, and may leave others to us
};

void zygote::serve() {
  std::vector<pollfd> polled;
  std::vector<pid_t> reporting;
  while (true) {
    polled.assign({{.fd = owner_.get(), .events = POLLIN, .revents = 0},
                   {.fd = signals_.get(), .events = POLLIN, .revents = 0},
                   {.fd = main_.get(), .events = POLLIN, .revents = 0}});
    const std::size_t line_count = lines_.size();
    for (const auto& pool : lines_) {
      short events = 0;
      if (!pool->ending && pool->answers.size() < longest_backlog) events |= POLLIN;
      if (!pool->answers.empty()) events |= POLLOUT;
      // A socket that we want nothing of is left out: poll would report its hang-up again and again.
      polled.push_back({.fd = events != 0 ? pool->socket.get() : -1, .events = events, .revents = 0});
    }
    reporting.clear();
    for (const auto& [pid, worker] : children_) {
      if (!worker.report) continue;
      reporting.push_back(pid);
      polled.push_back({.fd = worker.report.get(), .events = POLLIN, .revents = 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;

    if (polled[0].revents != 0) clean_up_and_exit();
    for (std::size_t i = 0; i < reporting.size(); ++i)
      if (polled[3 + line_count + i].revents != 0) read_report(reporting[i], children_.at(reporting[i]));
    if (polled[1].revents != 0) reap();
    for (std::size_t i = 0; i < line_count; ++i) {
      if ((polled[3 + i].revents & POLLOUT) != 0) flush(*lines_[i]);
      if ((polled[3 + i].revents & ~POLLOUT) != 0 && !lines_[i]->ending) read_orders(*lines_[i]);
    }
    if (polled[2].revents != 0) read_main();
    forget_ended_lines();
  }
}

void zygote::read_main() {
  std::array<std::byte, 64> buffer;
  auto message = base::receive_message(main_.get(), buffer, 1, base::wait::no);
  if (!message && message.error().code == EAGAIN) return;
  if (!message || message->end()) {
    // The owner lives but has let go of us: it ran another program, or replaced us. What still has a line is
    // served.
    main_.reset();
    return;
  }
  if (buffer[0] != static_cast<std::byte>(main_word::attach) || message->descriptors.size() != 1) return;
  auto pool = std::make_unique<line>();
  pool->socket = std::move(message->descriptors[0]);
  send(*pool, {.bytes = {static_cast<std::byte>(main_word::attached)}, .descriptor = {}});
  lines_.push_back(std::move(pool));
}

// One order a round, so that no pool can keep the others waiting.
void zygote::read_orders(line& pool) {
  static std::array<std::byte, largest_request> buffer;
  auto message = base::receive_message(pool.socket.get(), buffer, 6, base::wait::no);
  if (!message && message.error().code == EAGAIN) return;
  if (!message || message->end()) return end(pool);
  const auto bytes = std::span<const std::byte>(buffer).first(message->size);
  const auto decoded = decode_order(bytes);
  if (!decoded)
    return end(pool);  // owner and zygote do not speak the same language: `lost` is the honest answer
  if (const auto* wanted = std::get_if<spawn_order>(&*decoded))
    return spawn(pool, wanted->birth, bytes, message->descriptors);
  if (std::holds_alternative<prepare_order>(*decoded))
    return static_cast<void>(make_spare());  // where it cannot be, the spawn is told why
  const auto& wanted = std::get<kill_order>(*decoded);
  for (const auto& [pid, worker] : children_)
    if (worker.pool == &pool && worker.slot == wanted.slot && worker.generation == wanted.generation)
      kill_group(pid, wanted.signal);
}

// The spare becomes the worker: it is passed the order as it came.
void zygote::spawn(line& pool, const ipc::worker_birth& birth, std::span<const std::byte> order,
                   std::span<const file_descriptor> descriptors) {
  const auto fail = [&](ipc::failed_step reason) {
    send(pool,
         {.bytes = encode(start_failed{birth.slot, birth.generation, std::move(reason)}), .descriptor = {}});
  };
  std::array<int, 6> numbers;
  if (descriptors.size() != numbers.size()) return fail({.step = "receive the descriptors", .code = EBADF});
  std::ranges::transform(descriptors, numbers.begin(), &file_descriptor::get);
  // A spare that somebody has killed cannot be told. One that is forked now can.
  std::expected<void, base::os_error> told;
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (const auto made = make_spare(); !made) return fail(made.error());
    const pid_t pid = std::exchange(spare_, 0);
    child& worker = children_.at(pid);
    told = base::send_message(worker.report.get(), order, numbers, base::wait::no);
    if (!told) continue;
    worker.pool = &pool;
    worker.slot = birth.slot;
    worker.generation = birth.generation;
    ++pool.workers;
    return;
  }
  fail({.step = "tell the new process what it is", .code = told.error().code});
}

// Unless there is one.
std::expected<void, ipc::failed_step> zygote::make_spare() {
  if (spare_ != 0) return {};
  const auto failed = [](const char* step, int code) {
    return std::unexpected(ipc::failed_step{.step = step, .code = code});
  };
  auto ends = base::socket_pair();
  if (!ends) return failed("make a socket", ends.error().code);
  const pid_t parent = ::getpid();
  const std::uint32_t mark = ++last_mark_;
  const pid_t pid = ::fork();
  if (pid < 0) return failed("fork", errno);
  if (pid == 0) live_as_worker(std::move(ends->second), parent, mark);
  ::setpgid(pid, pid);  // the worker does so too; both, so that neither can be late
  child worker{.mark = mark, .report = std::move(ends->first), .pidfd = {}};
  // Cannot be another process: nobody but us reaps our child.
  if (auto pidfd = base::open_pidfd(pid)) worker.pidfd = std::move(*pidfd);
  children_.emplace(pid, std::move(worker));
  spare_ = pid;
  return {};
}

void zygote::live_as_worker(file_descriptor report, pid_t parent, std::uint32_t mark) {
  mark_as_worker();
  mark_descendants(parent, mark);
  ipc::worker_inheritance given;
  given.parent = parent;
  given.report = std::move(report);
  const auto is_ready = hooks_.stand_by(given);

  static std::array<std::byte, largest_request> buffer;
  auto message = base::receive_message(given.report.get(), buffer, 6);
  if (!message || message->end()) ::_exit(0);  // it is not needed any more
  auto decoded = decode_order(std::span(buffer).first(message->size));
  auto* const order = decoded ? std::get_if<spawn_order>(&*decoded) : nullptr;
  if (order == nullptr || message->descriptors.size() != 6) ::_exit(127);
  auto& came = message->descriptors;
  given.descriptors = {.control = std::move(came[0]),
                       .board = std::move(came[1]),
                       .requests = std::move(came[2]),
                       .replies = std::move(came[3]),
                       .bell = std::move(came[4])};
  given.error_output = std::move(came[5]);
  auto channels =
      is_ready ? hooks_.set_up(std::move(order->birth), given) : std::unexpected(is_ready.error());
  // An empty step means "ready".
  writer out;
  out.text(channels ? std::string() : channels.error().step.substr(0, 1000));
  out.number(channels ? 0 : channels.error().code);
  out.text(channels ? std::string() : channels.error().detail.substr(0, 2000));
  if (!base::send_message(given.report.get(), out.take()) || !channels) ::_exit(127);
  given.report.reset();
  const int code = hooks_.main(std::move(*channels));
  // The host's exit handlers and static destructors are the owner's business; buffered output is this
  // process's.
  std::fflush(nullptr);
  ::_exit(code);
}

// The group and the process, which can differ for a moment at birth and for good if the worker has changed
// its group. Both numbers still mean our child: it is not reaped as long as it is in children_.
void zygote::kill_group(pid_t pid, int signal) {
  ::kill(-pid, signal);
  if (const auto status = base::status_of(pid); !status || status->group != pid) ::kill(pid, signal);
}

void zygote::read_report(pid_t pid, child& worker) {
  std::array<std::byte, 4096> buffer;
  const ssize_t size = ::read(worker.report.get(), buffer.data(), buffer.size());
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  worker.report.reset();
  if (size <= 0) return;  // died in its set-up: its end will tell how
  reader in(std::span<const std::byte>(buffer).first(static_cast<std::size_t>(size)));
  ipc::failed_step reason;
  reason.step = in.text();
  reason.code = in.number<int>();
  reason.detail = in.text();
  worker.answered = true;
  if (reason.step.empty() && worker.pidfd) {
    worker.started = true;
    return send(*worker.pool, {.bytes = encode(started{worker.slot, worker.generation, pid, {}}),
                               .descriptor = std::move(worker.pidfd)});
  }
  if (reason.step.empty()) {  // no pidfd could be had for it: the owner could not watch it
    kill_group(pid, SIGKILL);
    reason = {.step = "open a pidfd", .code = EMFILE};
  }
  send(*worker.pool,
       {.bytes = encode(start_failed{worker.slot, worker.generation, std::move(reason)}), .descriptor = {}});
}

void zygote::reap() {
  signalfd_siginfo ignored;
  while (::read(signals_.get(), &ignored, sizeof ignored) > 0) {}
  bool look = leftovers_die_;
  bool is_childless = false;
  bool has_crashed = false;
  while (true) {
    siginfo_t dead = {};
    is_childless = ::waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) != 0;
    if (is_childless || dead.si_pid == 0) break;
    const pid_t pid = dead.si_pid;
    const auto worker = children_.find(pid);
    // While it is a zombie its number, and so its group's, cannot be given to anybody else.
    if (worker != children_.end()) ::kill(-pid, SIGKILL);
    int status = 0;
    rusage used = {};
    if (::wait4(pid, &status, WNOHANG, &used) != pid) break;
    if (worker == children_.end()) continue;  // an orphaned grandchild that came to us
    if (worker->second.pool != nullptr) {
      if (worker->second.report) read_report(pid, worker->second);
      report_end(pid, worker->second, status, used);
      has_crashed = has_crashed || WIFSIGNALED(status);
    }
    if (pid == spare_) spare_ = 0;
    children_.erase(worker);
    look = true;
  }
  // It will be replaced, as soon as its owner has looked at its death.
  if (has_crashed) static_cast<void>(make_spare());
  leftovers_die_ = look && !is_childless && kill_leftovers();
}

// What dead workers have started and what has left their groups: it became our child when the last one
// between had ended, and its mark says whose it is. True: there was some, and its own children come to us
// next.
bool zygote::kill_leftovers() {
  bool any = false;
  for (const pid_t pid : base::children_of(::getpid())) {
    if (children_.contains(pid)) continue;
    const auto worker = worker_behind(pid, ::getpid());
    const bool is_alive = worker && std::ranges::any_of(children_, [&](const auto& each) {
                            return each.second.mark == *worker;
                          });
    if (!worker || is_alive) continue;
    ::kill(pid, SIGKILL);
    any = true;
  }
  return any;
}

void zygote::report_end(pid_t pid, child& worker, int status, const rusage& used) {
  line& pool = *worker.pool;
  --pool.workers;
  if (!worker.answered) {
    std::string how = WIFSIGNALED(status) ? "killed by signal " + std::to_string(WTERMSIG(status))
                                          : "exit code " + std::to_string(WEXITSTATUS(status));
    send(pool,
         {.bytes = encode(start_failed{worker.slot,
                                       worker.generation,
                                       {.step = "set up the worker", .code = 0, .detail = std::move(how)}}),
          .descriptor = {}});
  }
  if (!worker.started) return;
  const auto microseconds = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  send(pool, {.bytes = encode(ended{.slot = worker.slot,
                                    .generation = worker.generation,
                                    .pid = pid,
                                    .wait_status = status,
                                    .max_rss_kib = static_cast<std::uint64_t>(used.ru_maxrss),
                                    .user_time = microseconds(used.ru_utime),
                                    .system_time = microseconds(used.ru_stime)}),
              .descriptor = {}});
}

void zygote::end(line& pool) {
  pool.ending = true;
  for (const auto& [pid, worker] : children_)
    if (worker.pool == &pool) kill_group(pid, SIGKILL);
}

void zygote::send(line& pool, outgoing answer) {
  pool.answers.push_back(std::move(answer));
  flush(pool);
}

void zygote::flush(line& pool) {
  while (!pool.answers.empty()) {
    const outgoing& next = pool.answers.front();
    const int descriptor = next.descriptor.get();
    const auto sent = base::send_message(pool.socket.get(), next.bytes,
                                         std::span(&descriptor, descriptor >= 0 ? 1 : 0), base::wait::no);
    if (!sent && sent.error().code == EAGAIN) return;
    if (!sent) {  // nobody listens any more
      pool.answers.clear();
      if (!pool.ending) end(pool);
      return;
    }
    pool.answers.pop_front();
  }
}

void zygote::forget_ended_lines() {
  const std::size_t before = lines_.size();
  std::erase_if(lines_,
                [](const auto& pool) { return pool->ending && pool->workers == 0 && pool->answers.empty(); });
  if (!lines_.empty()) return;
  if (before != 0) kill_strangers();
  if (!main_) clean_up_and_exit();
}

// With no worker left, every child is what a dead worker has left behind, whether it has a mark or not, or
// the spare.
void zygote::kill_strangers() {
  spare_ = 0;
  for (const pid_t pid : base::children_of(::getpid())) ::kill(pid, SIGKILL);
}

// The owner is gone. First everything that is known is killed, without a look at anything: the workers may
// keep the processors busy, and each look would wait for its turn among them. What a killed process leaves
// behind becomes our child when it has ended, so new ones are looked for after each death and at no other
// time.
void zygote::clean_up_and_exit() {
  const auto deadline = std::chrono::steady_clock::now() + longest_clean_up;
  // Not reaped as long as it is in children_, so both numbers still mean our child.
  for (const auto& [pid, worker] : children_) {
    ::kill(-pid, SIGKILL);
    ::kill(pid, SIGKILL);
  }
  sigset_t child_ended;
  ::sigemptyset(&child_ended);
  ::sigaddset(&child_ended, SIGCHLD);
  for (bool look = true; std::chrono::steady_clock::now() < deadline;) {
    for (const pid_t pid : look ? base::children_of(::getpid()) : std::vector<pid_t>()) {
      const pid_t group = ::getpgid(pid);
      if (group > 1 && group != ::getpgrp()) ::kill(-group, SIGKILL);
      ::kill(pid, SIGKILL);
    }
    pid_t reaped;
    look = false;
    while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) look = true;
    if (reaped < 0 && errno == ECHILD) break;
    if (look) continue;
    // A death wakes us. The pause is for what no signal tells: a child that was forked while it was killed.
    const timespec pause = {.tv_sec = 0, .tv_nsec = 20'000'000};
    look = ::sigtimedwait(&child_ended, nullptr, &pause) < 0;
  }
  ::_exit(0);
}

// Where all processors are busy with our workers, the zygote shall run the moment its owner dies. The kernel
// lets a process that asks for short turns have them early; one that does not know of this changes nothing.
// Workers do not inherit it. Where the host has chosen another way of scheduling that stays, and so does a
// priority above the usual, which workers would lose with it.
void ask_for_short_turns() {
  if (::sched_getscheduler(0) != SCHED_OTHER || ::getpriority(PRIO_PROCESS, 0) < 0) return;
  struct {  // as the kernel has it; not every C library does
    std::uint32_t size = 48, policy = 0;
    std::uint64_t flags = 1;  // reset on fork
    std::int32_t nice = ::getpriority(PRIO_PROCESS, 0);
    std::uint32_t priority = 0;
    std::uint64_t runtime = 100'000, deadline = 0, period = 0;  // nanoseconds
  } wanted;
  static_assert(sizeof wanted == 48);
  static_cast<void>(::syscall(SYS_sched_setattr, 0, &wanted, 0));
}

// Descriptors 0 to 2 exist, standard input is empty, and the main socket is the only other one: number 3.
bool keep_only(file_descriptor& main_socket) {
  const int null = ::open("/dev/null", O_RDWR);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) return false;
  for (const int standard : {STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(standard, F_GETFD) < 0 && ::dup2(null, standard) < 0) return false;
  constexpr int place = 3;
  if (main_socket.get() != place) {
    if (::dup3(main_socket.get(), place, O_CLOEXEC) < 0) return false;
    static_cast<void>(main_socket.release());
    main_socket.reset(place);
  }
  ::fcntl(place, F_SETFD, FD_CLOEXEC);
  return ::syscall(SYS_close_range, place + 1, ~0U, 0) == 0;
}

// Nothing of the host's signal handling stays. Ctrl-C and its like must not end the zygote before the owner.
file_descriptor take_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) ::signal(signal, SIG_IGN);
  sigset_t mask;
  ::sigemptyset(&mask);
  ::sigaddset(&mask, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  return file_descriptor(::signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK));
}

[[noreturn]] void refuse(const file_descriptor& main_socket, const std::string& why) {
  std::vector<std::byte> bytes = {static_cast<std::byte>(main_word::failed)};
  const auto text = std::as_bytes(std::span(why));
  bytes.insert(bytes.end(), text.begin(), text.end());
  static_cast<void>(base::send_message(main_socket.get(), bytes));
  ::_exit(1);
}

}  // namespace

void become_zygote(file_descriptor main_socket, const hooks& functions) {
  const pid_t pid = ::fork();
  if (pid != 0) ::_exit(pid > 0 ? 0 : 1);
  ::setsid();
  ::prctl(PR_SET_NAME, "muster-zygote");
  ::prctl(PR_SET_PDEATHSIG, 0);
  ::unsetenv("MUSTER_ZYGOTE");
  if (!keep_only(main_socket)) refuse(main_socket, "its descriptors could not be arranged");
  file_descriptor signals = take_signals();
  if (!signals) refuse(main_socket, "no signalfd could be had");
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) refuse(main_socket, "it could not become a subreaper");
  if (const auto threads = base::thread_count();
      !threads || *threads > base::threads_of_a_single_threaded_program)
    refuse(main_socket, "it has more than one thread");

  std::array<std::byte, 64> buffer;
  auto hello = base::receive_message(main_socket.get(), buffer, 1);
  if (!hello || hello->size != 1 || hello->descriptors.size() != 1) ::_exit(1);
  const auto self = base::open_pidfd(::getpid());
  if (!self) refuse(main_socket, self.error().text());
  std::vector<std::byte> ready = {static_cast<std::byte>(main_word::ready)};
  const pid_t own = ::getpid();
  const auto number = std::as_bytes(std::span(&own, 1));
  ready.insert(ready.end(), number.begin(), number.end());
  const int pidfd = self->get();
  if (!base::send_message(main_socket.get(), ready, std::span(&pidfd, 1))) ::_exit(1);
  ask_for_short_turns();
  static auto& self_forever =
      *new zygote(std::move(main_socket), std::move(hello->descriptors[0]), std::move(signals), functions);
  self_forever.serve();
}

}  // namespace muster::process
