// SPDX-License-Identifier: MIT
#include "process/zygote_connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <vector>

#include "base/pidfd.hpp"
#include "base/socket.hpp"
#include "process/early_errors.hpp"
#include "process/zygote_main.hpp"

namespace muster::process {
namespace {

using base::file_descriptor;
using base::os_error;
using clock = std::chrono::steady_clock;

constexpr int socket_of_a_run_zygote = 3;

struct connection {
  file_descriptor socket;
  std::shared_ptr<const file_descriptor> zygote;  // pidfd
  pid_t zygote_pid = 0;

  bool lives() const { return zygote && !base::is_dead(zygote->get()); }
};

// Everything of one process. A fork of it sees another pid, and makes its own: its parent's mutex may have
// been locked at the fork, so the parent's is not even looked at; it only stays reachable.
struct connections {
  const pid_t owner;
  connections* const of_the_parent;
  std::mutex mutex = {};
  std::map<std::string, connection> by_program = {};  // guarded by mutex; "" is this program
};

connections& here() {
  // Written by compare-exchange below (release), read by all threads (acquire): the pair publishes what it
  // points to.
  static std::atomic<connections*> current = nullptr;
  connections* known = current.load(std::memory_order_acquire);
  while (known == nullptr || known->owner != ::getpid()) {
    auto* fresh = new connections{.owner = ::getpid(), .of_the_parent = known};
    if (current.compare_exchange_strong(known, fresh, std::memory_order_acq_rel)) return *fresh;
    delete fresh;
  }
  return *known;
}

// Waits for one message until `deadline`. `end()` of the result: the other side has closed.
std::expected<base::received_message, os_error> receive_by(int socket, std::span<std::byte> buffer,
                                                           clock::time_point deadline) {
  for (bool was_reset = false;;) {
    auto message = base::receive_message(socket, buffer, 1, base::wait::no);
    if (!message && message.error().code == ECONNRESET && !was_reset) {
      was_reset = true;  // the other side has left something unread; its last words may still lie behind that
      continue;
    }
    if (message || message.error().code != EAGAIN) return message;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - clock::now()).count();
    if (left <= 0) return std::unexpected(os_error{.code = ETIMEDOUT, .call = "wait for the zygote"});
    pollfd wanted{.fd = socket, .events = POLLIN, .revents = 0};
    ::poll(&wanted, 1, static_cast<int>(std::min<long long>(left, 60'000)));
  }
}

// The two ends of a main socket, with the owner's hello already in it, so that the zygote never has to wait
// for it.
std::expected<std::pair<file_descriptor, file_descriptor>, os_error> prepared_socket() {
  auto ends = base::socket_pair();
  if (!ends) return ends;
  const auto self = base::open_pidfd(::getpid());
  if (!self) return std::unexpected(self.error());
  const auto hello = static_cast<std::byte>(main_word::hello);
  const int pidfd = self->get();
  if (auto sent = base::send_message(ends->first.get(), std::span(&hello, 1), std::span(&pidfd, 1)); !sent)
    return std::unexpected(sent.error());
  return ends;
}

// The zygote's first words. An error with code 0: it has closed without a word.
std::expected<connection, os_error> await_ready(file_descriptor socket, clock::time_point deadline) {
  std::array<std::byte, 512> buffer;
  auto message = receive_by(socket.get(), buffer, deadline);
  if (!message) {
    if (message.error().code == ECONNRESET)
      return std::unexpected(os_error{.code = 0, .call = "start the zygote"});
    return std::unexpected(message.error());
  }
  if (message->end()) return std::unexpected(os_error{.code = 0, .call = "start the zygote"});
  if (buffer[0] == static_cast<std::byte>(main_word::failed)) {
    return std::unexpected(
        os_error{.code = EPROTO,
                 .call = "start the zygote",
                 .detail = std::string(reinterpret_cast<const char*>(buffer.data()) + 1, message->size - 1)});
  }
  if (buffer[0] != static_cast<std::byte>(main_word::ready) || message->size != 1 + sizeof(pid_t) ||
      message->descriptors.size() != 1)
    return std::unexpected(
        os_error{.code = EPROTO, .call = "start the zygote", .detail = "not a zygote's answer"});
  connection made;
  made.socket = std::move(socket);
  made.zygote = std::make_shared<const file_descriptor>(std::move(message->descriptors[0]));
  std::memcpy(&made.zygote_pid, buffer.data() + 1, sizeof made.zygote_pid);
  return made;
}

// The status of our own child `pid`; nullopt when the host, which may wait for any child, was faster.
std::optional<int> wait_for(pid_t pid) {
  int status = 0;
  pid_t waited;
  do waited = ::waitpid(pid, &status, 0);
  while (waited < 0 && errno == EINTR);
  return waited == pid ? std::optional(status) : std::nullopt;
}

std::expected<connection, os_error> by_fork(const hooks& functions) {
  auto ends = prepared_socket();
  if (!ends) return std::unexpected(ends.error());
  // What is buffered now would be written once more by every worker.
  std::fflush(nullptr);
  std::cout.flush();
  std::clog.flush();
  // No handler of the host's may run in the child, so signals wait until it has none.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ends->first.reset();
    become_zygote(std::move(ends->second), functions);
  }
  const int fork_errno = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return std::unexpected(os_error{.code = fork_errno, .call = "fork the zygote"});
  ends->second.reset();
  auto made = await_ready(std::move(ends->first), clock::now() + std::chrono::seconds(10));
  wait_for(pid);  // the zygote's parent, which has ended already: the zygote itself is nobody's child
  if (!made && made.error().code == 0) made.error().code = ECHILD;
  return made;
}

std::vector<std::string> own_arguments() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    result.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return result;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

// Starts the program with the socket as descriptor 3. posix_spawn shares our memory until the exec, so the
// size of the owner and its threads do not matter.
std::expected<pid_t, os_error> run(const std::string& path, std::vector<std::string> arguments, int socket,
                                   const early_errors& errors) {
  std::vector<std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    if (std::strncmp(*entry, "MUSTER_ZYGOTE", 13) != 0) environment.emplace_back(*entry);
  environment.push_back("MUSTER_ZYGOTE=" + std::to_string(socket_of_a_run_zygote) + ":" +
                        std::to_string(::getpid()));
  const auto argument_pointers = pointers_to(arguments);
  const auto environment_pointers = pointers_to(environment);

  const bool has_errors = ::fcntl(STDERR_FILENO, F_GETFD) >= 0;
  if (has_errors)
    environment.push_back("MUSTER_ZYGOTE_ERRORS=" + std::to_string(standard_error_of_a_run_zygote));

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  sigset_t all;
  sigset_t none;
  ::sigfillset(&all);
  ::sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  // A session of its own, so that a program that never answers can be ended with all it has started.
  ::posix_spawnattr_setflags(
      &attributes, static_cast<short>(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID));
  ::posix_spawn_file_actions_adddup2(&actions, socket, socket_of_a_run_zygote);  // also clears close-on-exec
  if (has_errors) {
    ::posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, standard_error_of_a_run_zygote);
    ::posix_spawn_file_actions_adddup2(&actions, errors.descriptor(), STDERR_FILENO);
  }
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, path.c_str(), &actions, &attributes, argument_pointers.data(),
                                  environment_pointers.data());
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0)
    return std::unexpected(os_error{.code = error, .call = "run the zygote's program", .detail = path});
  return pid;
}

std::string how_it_ended(const std::optional<int>& status) {
  if (!status) return "ended";
  if (WIFSIGNALED(*status)) return "was killed by signal " + std::to_string(WTERMSIG(*status));
  return "ended with exit code " + std::to_string(WEXITSTATUS(*status));
}

std::expected<connection, os_error> by_running(const std::optional<std::string>& program,
                                               std::chrono::milliseconds ready_timeout) {
  const std::string path = program.value_or("/proc/self/exe");
  auto ends = prepared_socket();
  if (!ends) return std::unexpected(ends.error());
  const auto errors = early_errors::open();
  if (!errors) return std::unexpected(errors.error());
  const auto pid = run(path, program ? std::vector{*program} : own_arguments(), ends->second.get(), *errors);
  if (!pid) return std::unexpected(pid.error());
  // Our child until it is waited for below; should the host be faster, the pidfd cannot mean another process.
  const auto program_fd = base::open_pidfd(*pid);
  ends->second.reset();
  auto made = await_ready(std::move(ends->first), clock::now() + ready_timeout);
  if (made) {
    wait_for(*pid);  // the zygote has left it; it ends by itself
    errors->pass_on();
    return made;
  }
  if (made.error().code == EPROTO) {
    wait_for(*pid);
    errors->pass_on();
    return made;
  }
  os_error error{.code = ETIMEDOUT, .call = "start the zygote"};
  const bool closed = made.error().code == 0;
  // A program that has closed the socket has nearly always ended; one that has not, or took too long, is
  // ended.
  const bool ended =
      closed && program_fd && base::wait_until_dead(program_fd->get(), std::chrono::milliseconds(200));
  if (!ended && program_fd && !base::is_dead(program_fd->get())) {
    ::kill(-*pid, SIGKILL);
    static_cast<void>(base::send_signal(program_fd->get(), SIGKILL));
  }
  const auto status = wait_for(*pid);
  if (ended) {
    error.code = ECHILD;
    error.detail = path + " " + how_it_ended(status) + " before its main had called muster::init";
  } else if (closed) {
    error.code = ECHILD;
    error.detail =
        path + " closed its line to us without becoming a zygote; does its main call muster::init?";
  } else {
    error.detail = path + " did not reach muster::init in " + std::to_string(ready_timeout.count()) +
                   " ms; does its main call it?";
  }
  if (const std::string last = errors->pass_on(); !last.empty())
    error.detail += "; the last it wrote to standard error: " + last;
  return std::unexpected(error);
}

std::expected<connection*, os_error> living_connection(connections& all,
                                                       const std::optional<std::string>& program,
                                                       std::chrono::milliseconds ready_timeout) {
  if (is_worker()) {
    return std::unexpected(os_error{.code = EPERM,
                                    .call = "start a zygote",
                                    .detail = "a worker process cannot have workers of its own"});
  }
  if (!program && !is_initialised()) {
    return std::unexpected(os_error{
        .code = ENOTSUP,
        .call = "start a zygote",
        .detail = "this program's main has not called muster::init, so a worker process could not begin"});
  }
  connection& known = all.by_program[program.value_or("")];
  if (known.lives()) return &known;
  // Usually the dead zygote is not our child. It is in a host that adopts orphans, and then nobody else would
  // reap it.
  siginfo_t ignored = {};
  if (known.zygote) ::waitid(P_PIDFD, static_cast<id_t>(known.zygote->get()), &ignored, WEXITED | WNOHANG);
  auto made = by_running(program, ready_timeout);
  if (!made) return std::unexpected(made.error());
  known = std::move(*made);
  return &known;
}

// One attempt; ECONNRESET when the zygote turned out to be dead.
std::expected<attached_line, os_error> attach_to(connection& main, std::chrono::milliseconds ready_timeout) {
  auto ends = base::socket_pair();
  if (!ends) return std::unexpected(ends.error());
  const auto word = static_cast<std::byte>(main_word::attach);
  const int theirs = ends->second.get();
  const os_error dead{.code = ECONNRESET, .call = "reach the zygote"};
  if (!base::send_message(main.socket.get(), std::span(&word, 1), std::span(&theirs, 1)))
    return std::unexpected(dead);
  ends->second.reset();
  std::array<std::byte, 8> buffer;
  auto message = receive_by(ends->first.get(), buffer, clock::now() + ready_timeout);
  if (!message && message.error().code == ETIMEDOUT) return std::unexpected(message.error());
  if (!message || message->size != 1) return std::unexpected(dead);
  return attached_line{
      .socket = std::move(ends->first), .zygote = main.zygote, .zygote_pid = main.zygote_pid};
}

}  // namespace

std::expected<void, os_error> fork_zygote(const hooks& functions) {
  connections& all = here();
  const std::lock_guard lock(all.mutex);
  auto made = by_fork(functions);
  if (!made) return std::unexpected(made.error());
  all.by_program[""] = std::move(*made);
  return {};
}

std::expected<void, os_error> ensure_zygote(const std::optional<std::string>& program,
                                            std::chrono::milliseconds ready_timeout) {
  connections& all = here();
  const std::lock_guard lock(all.mutex);
  if (auto found = living_connection(all, program, ready_timeout); !found)
    return std::unexpected(found.error());
  return {};
}

std::expected<attached_line, os_error> attach_line(const std::optional<std::string>& program,
                                                   std::chrono::milliseconds ready_timeout) {
  connections& all = here();
  const std::lock_guard lock(all.mutex);
  // The zygote may die between the look and the line: then once more, with a new one.
  for (bool again = false;; again = true) {
    auto main = living_connection(all, program, ready_timeout);
    if (!main) return std::unexpected(main.error());
    auto attached = attach_to(**main, ready_timeout);
    if (attached || again || attached.error().code != ECONNRESET) return attached;
    base::wait_until_dead((*main)->zygote->get(), std::chrono::milliseconds(200));
    **main = {};
  }
}

}  // namespace muster::process
