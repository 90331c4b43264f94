// SPDX-License-Identifier: MIT
//
// A program whose n-th call of one system function fails, in its owner, its zygote or a worker:
// `starved <function> <owner|zygote|worker> <n> <errno> <file>`. The file, of at least four bytes, says
// whether it has happened: it happens once, whoever comes first.
//
// It runs a pool through its whole life, then a second one. Exit code 0: every call settled, with its value
// or a muster::error, nothing is left over, and the second pool was well. Standard output says "struck: 1"
// when the failure has happened, and what was not well.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <muster/muster.hpp>

#include "process/zygote.hpp"

using namespace std::chrono_literals;

namespace {

// ---- the failure

struct failure {
  std::string function, role;
  unsigned nth = 0;
  int error = 0;
  std::atomic<unsigned>* struck = nullptr;  // shared by all processes
  pid_t owner = 0;
  std::atomic<unsigned> count = 0;  // calls here; a fork begins with its parent's
  pid_t counted_in = 0;
};
failure* wanted = nullptr;

bool is_here() {
  const char* role = "zygote";
  if (::getpid() == wanted->owner)
    role = "owner";
  else if (muster::process::is_worker())
    role = "worker";
  return wanted->role == role;
}

bool fails(const char* function) {
  if (wanted == nullptr || wanted->function != function || !is_here()) return false;
  if (wanted->counted_in != ::getpid()) {
    wanted->counted_in = ::getpid();
    wanted->count = 0;
  }
  if (++wanted->count != wanted->nth || wanted->struck->exchange(1) != 0) return false;
  errno = wanted->error;
  return true;
}

template <class F>
F* next(const char* name) {
  return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// ---- the system's functions, as this program and the library in it see them

extern "C" {

int memfd_create(const char* name, unsigned flags) noexcept {
  static auto* const real = next<int(const char*, unsigned)>("memfd_create");
  return fails("memfd_create") ? -1 : real(name, flags);
}
void* mmap(void* address, std::size_t size, int protection, int flags, int file, off_t offset) noexcept {
  static auto* const real = next<void*(void*, std::size_t, int, int, int, off_t)>("mmap");
  return fails("mmap") ? MAP_FAILED : real(address, size, protection, flags, file, offset);
}
int ftruncate(int file, off_t size) noexcept {
  static auto* const real = next<int(int, off_t)>("ftruncate");
  return fails("ftruncate") ? -1 : real(file, size);
}
int fcntl(int file, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  static auto* const real = next<int(int, int, ...)>("fcntl");
  return fails("fcntl") ? -1 : real(file, command, argument);
}
int socketpair(int domain, int type, int protocol, int ends[2]) noexcept {
  static auto* const real = next<int(int, int, int, int*)>("socketpair");
  return fails("socketpair") ? -1 : real(domain, type, protocol, ends);
}
ssize_t sendmsg(int socket, const msghdr* message, int flags) {
  static auto* const real = next<ssize_t(int, const msghdr*, int)>("sendmsg");
  return fails("sendmsg") ? -1 : real(socket, message, flags);
}
ssize_t recvmsg(int socket, msghdr* message, int flags) {
  static auto* const real = next<ssize_t(int, msghdr*, int)>("recvmsg");
  return fails("recvmsg") ? -1 : real(socket, message, flags);
}
int epoll_create1(int flags) noexcept {
  static auto* const real = next<int(int)>("epoll_create1");
  return fails("epoll_create1") ? -1 : real(flags);
}
int epoll_ctl(int set, int operation, int file, epoll_event* event) noexcept {
  static auto* const real = next<int(int, int, int, epoll_event*)>("epoll_ctl");
  return fails("epoll_ctl") ? -1 : real(set, operation, file, event);
}
int epoll_pwait2(int set, epoll_event* events, int most, const timespec* time, const sigset_t* mask) {
  static auto* const real =
      next<int(int, epoll_event*, int, const timespec*, const sigset_t*)>("epoll_pwait2");
  return fails("epoll_pwait2") ? -1 : real(set, events, most, time, mask);
}
int eventfd(unsigned value, int flags) noexcept {
  static auto* const real = next<int(unsigned, int)>("eventfd");
  return fails("eventfd") ? -1 : real(value, flags);
}
int pipe2(int ends[2], int flags) noexcept {
  static auto* const real = next<int(int*, int)>("pipe2");
  return fails("pipe2") ? -1 : real(ends, flags);
}
int poll(pollfd* files, nfds_t count, int time) {
  static auto* const real = next<int(pollfd*, nfds_t, int)>("poll");
  return fails("poll") ? -1 : real(files, count, time);
}
int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = static_cast<mode_t>(va_arg(arguments, unsigned));
  va_end(arguments);
  static auto* const real = next<int(const char*, int, ...)>("open");
  return fails("open") ? -1 : real(path, flags, mode);
}
int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes, char* const arguments[], char* const environment[]) {
  static auto* const real = next<decltype(::posix_spawn)>("posix_spawn");
  return fails("posix_spawn") ? errno : real(pid, path, actions, attributes, arguments, environment);
}
pid_t fork() noexcept {
  static auto* const real = next<pid_t()>("fork");
  return fails("fork") ? -1 : real();
}
int prctl(int option, ...) noexcept {
  va_list arguments;
  va_start(arguments, option);
  unsigned long a[4];
  for (unsigned long& each : a) each = va_arg(arguments, unsigned long);
  va_end(arguments);
  static auto* const real = next<int(int, ...)>("prctl");
  return fails("prctl") ? -1 : real(option, a[0], a[1], a[2], a[3]);
}
int setpgid(pid_t pid, pid_t group) noexcept {
  static auto* const real = next<int(pid_t, pid_t)>("setpgid");
  return fails("setpgid") ? -1 : real(pid, group);
}
int setrlimit(__rlimit_resource_t which, const rlimit* limits) noexcept {
  static auto* const real = next<int(__rlimit_resource_t, const rlimit*)>("setrlimit");
  return fails("setrlimit") ? -1 : real(which, limits);
}
int dup3(int from, int to, int flags) noexcept {
  static auto* const real = next<int(int, int, int)>("dup3");
  return fails("dup3") ? -1 : real(from, to, flags);
}
int signalfd(int file, const sigset_t* signals, int flags) noexcept {
  static auto* const real = next<int(int, const sigset_t*, int)>("signalfd");
  return fails("signalfd") ? -1 : real(file, signals, flags);
}
// Of reads and writes those of events, eight bytes, cannot fail.
ssize_t read(int file, void* bytes, std::size_t size) {
  static auto* const real = next<ssize_t(int, void*, std::size_t)>("read");
  return size != 8 && fails("read") ? -1 : real(file, bytes, size);
}
ssize_t write(int file, const void* bytes, std::size_t size) {
  static auto* const real = next<ssize_t(int, const void*, std::size_t)>("write");
  return size != 8 && fails("write") ? -1 : real(file, bytes, size);
}
long syscall(long number, ...) noexcept {
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (long& each : a) each = va_arg(arguments, long);
  va_end(arguments);
  static auto* const real = next<long(long, ...)>("syscall");
  // A futex is woken in any case; only waits end early.
  const bool wakes = number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAKE;
  return !wakes && fails(("syscall " + std::to_string(number)).c_str())
             ? -1
             : real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*),
                   void* argument) noexcept {
  static auto* const real = next<decltype(::pthread_create)>("pthread_create");
  return fails("pthread_create") ? errno : real(thread, attributes, run, argument);
}

}  // extern "C"

namespace {

// ---- the life of a pool

int twice(int value) { return 2 * value; }
std::string larger(std::string text) { return text + text; }
void die() { ::kill(::getpid(), SIGKILL); }

int complaints = 0;
void complain(const std::string& what) {
  std::printf("%s\n", what.c_str());
  ++complaints;
}

// What a call came to: its value, or the name of a muster::error.
template <class T>
void expect_outcome(muster::future<T>& f, const T& value, bool must_succeed, const char* which) {
  if (!f.wait_for(30s)) return complain(std::string(which) + " did not settle");
  try {
    if (f.get() != value) complain(std::string(which) + " has another value");
  } catch (const muster::error& e) {
    if (must_succeed) complain(std::string(which) + " failed: " + e.what());
  } catch (const std::exception& e) {
    complain(std::string(which) + " failed with no muster::error: " + e.what());
  }
}

void live(bool must_succeed) try {
  const std::string text(150'000, 'a');
  muster::process_pool pool(
      {.workers = {2},
       .retry = {.attempts = must_succeed ? 1 : 3, .backoff = {.first = 0ns, .max = 0ns}},
       .limits = {.open_files = 64},
       .ready_timeout = 5s,
       .restart = {.first = 1ms, .max = 5ms},
       .worker_stderr = muster::worker_stderr::keep});
  std::vector<muster::future<int>> small;
  std::vector<muster::future<std::string>> large;
  for (int i = 0; i < 10; ++i) small.push_back(pool.submit({.deadline = 20s}, twice, i));
  for (int i = 0; i < 2; ++i) large.push_back(pool.submit({.deadline = 20s}, larger, text));
  auto lost = pool.submit({.deadline = 20s, .retry = muster::retry_options{.attempts = 1}}, die);
  for (int i = 0; i < 10; ++i)
    expect_outcome(small[static_cast<std::size_t>(i)], 2 * i, must_succeed, "a call");
  for (auto& f : large) expect_outcome(f, text + text, must_succeed, "a large call");
  if (!lost.wait_for(30s)) complain("the call that kills its worker did not settle");
  try {
    pool.recycle({.at_once = 2, .deadline = 5s});
  } catch (const muster::error& e) {
    if (must_succeed) complain(std::string("recycle failed: ") + e.what());
  }
  auto last = pool.submit({.deadline = 20s}, twice, 21);
  expect_outcome(last, 42, must_succeed, "the last call");
  const auto report = pool.stop(10s);
  if (must_succeed && report.forced) complain("stop had to force it");
} catch (const muster::error& e) {
  if (must_succeed) complain(std::string("no pool: ") + e.what());
} catch (const std::exception& e) {
  complain(std::string("no pool, and no muster::error: ") + e.what());
}

std::size_t entries_in(const char* directory) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator(directory)) ++count;
  return count;
}
std::size_t shared_mappings() {
  std::ifstream maps("/proc/self/maps");
  std::size_t count = 0;
  for (std::string line; std::getline(maps, line);)
    count += line.find("memfd:muster") != std::string::npos ? 1 : 0;
  return count;
}

void prepare(char** argv) {
  static failure chosen;
  const int file = ::open(argv[5], O_RDWR | O_CLOEXEC);
  void* const shared = ::mmap(nullptr, 4, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (file < 0 || shared == MAP_FAILED) ::_exit(3);
  ::close(file);
  chosen.function = argv[1];
  chosen.role = argv[2];
  chosen.nth = static_cast<unsigned>(std::atoi(argv[3]));
  chosen.error = std::atoi(argv[4]);
  chosen.struck = static_cast<std::atomic<unsigned>*>(shared);
  chosen.owner = std::getenv("MUSTER_ZYGOTE") == nullptr ? ::getpid() : 0;
  wanted = &chosen;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  ::alarm(100);  // whoever waits for us
  prepare(argv);
  try {
    muster::init(argc, argv);
  } catch (const muster::error& e) {  // a named error; the first pool tries again
  }
  const std::size_t descriptors = entries_in("/proc/self/fd");
  live(false);
  std::printf("struck: %u\n", wanted->struck->exchange(1));  // and nobody from now on
  live(true);
  if (const std::size_t now = entries_in("/proc/self/fd"); now > descriptors + 2)
    complain(std::to_string(now) + " descriptors are open, not " + std::to_string(descriptors));
  if (shared_mappings() != 0) complain("memory of a worker is still mapped");
  // A thread that was joined may be seen for a moment longer.
  for (int looks = 0; looks < 2'000 && entries_in("/proc/self/task") != 1; ++looks) ::usleep(1'000);
  if (const std::size_t now = entries_in("/proc/self/task"); now != 1)
    complain(std::to_string(now) + " threads are left");
  return complaints == 0 ? 0 : 1;
}
