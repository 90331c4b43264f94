// SPDX-License-Identifier: MIT
//
// A program that has habits of its own and uses pools: `host <habit>`. Exit code 0: its pools were well, a
// worker that crashed among them, and nothing of the program was changed by them. Otherwise standard error,
// or the file named in HOST_COMPLAINTS, says what was.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <muster/muster.hpp>

#include "base/sanitizer.hpp"

using namespace std::chrono_literals;

namespace {

int complaints = 0;
void expect(bool holds, const std::string& what) {
  if (holds) return;
  ++complaints;
  const char* const path = std::getenv("HOST_COMPLAINTS");
  const int file = path == nullptr ? ::dup(2) : ::open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
  (void)!::write(file, (what + "\n").c_str(), what.size() + 1);
  ::close(file);
}

int twice(int value) { return 2 * value; }
void die() { ::raise(SIGSEGV); }
// Descriptors above 2 that a worker has, besides the one it reads the directory with.
int open_files() {
  int count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count - 4;
}
std::size_t threads() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

muster::process_options quiet(int workers) {
  return {.workers = {workers},
          .restart = {.first = 1ms, .max = 5ms},
          .worker_stderr = muster::worker_stderr::keep};
}

// Twenty calls and a crash among them.
void use(muster::process_pool& pool) {
  std::vector<muster::future<int>> calls;
  for (int i = 0; i < 10; ++i) calls.push_back(pool.submit(twice, i));
  auto crash = pool.submit(die);
  for (int i = 10; i < 20; ++i) calls.push_back(pool.submit(twice, i));
  for (int i = 0; i < 20; ++i)
    expect(calls[static_cast<std::size_t>(i)].get() == 2 * i, "a call has another value");
  try {
    crash.get();
    expect(false, "the crash has a value");
  } catch (const muster::unexpected_exit& e) {
    expect(e.death().signal == SIGSEGV, std::string("the crash was another: ") + e.what());
  }
}
void use_a_pool() {
  muster::process_pool pool(quiet(2));
  use(pool);
  pool.stop(30s);
}
void use_threads() {
  muster::thread_pool pool(muster::thread_options{.workers = {2}});
  for (int i = 0; i < 100; ++i)
    expect(pool.submit(twice, i).get() == 2 * i, "a thread's call has another value");
}

// ---- what a pool must leave alone

struct state {
  std::map<int, struct sigaction> handlers;
  sigset_t mask{};
  mode_t umask = 0;
  std::string directory, locale;
  std::vector<std::string> environment;
  std::size_t threads = 0;
  rlimit files{};

  static state now() {
    state s;
    for (int signal = 1; signal < NSIG; ++signal) {
      struct sigaction action = {};
      if (::sigaction(signal, nullptr, &action) == 0) s.handlers[signal] = action;
    }
    ::sigprocmask(SIG_SETMASK, nullptr, &s.mask);
    s.umask = ::umask(0);
    ::umask(s.umask);
    s.directory = std::filesystem::current_path();
    s.locale = std::setlocale(LC_ALL, nullptr);
    for (char** each = environ; *each != nullptr; ++each) s.environment.emplace_back(*each);
    s.threads = ::threads();
    ::getrlimit(RLIMIT_NOFILE, &s.files);
    return s;
  }
  void expect_unchanged() const {
    const state after = now();
    for (const auto& [signal, action] : handlers) {
      const auto& other = after.handlers.at(signal);
      expect(action.sa_handler == other.sa_handler && action.sa_flags == other.sa_flags,
             "the handler of signal " + std::to_string(signal) + " has changed");
      expect(::sigismember(&mask, signal) == ::sigismember(&after.mask, signal),
             "the mask of signal " + std::to_string(signal) + " has changed");
    }
    expect(umask == after.umask, "umask has changed");
    expect(directory == after.directory, "the working directory has changed");
    expect(locale == after.locale, "the locale has changed");
    expect(environment == after.environment, "the environment has changed");
    expect(files.rlim_cur == after.files.rlim_cur, "RLIMIT_NOFILE has changed");
    // A thread that was joined may be seen for a moment longer; a sanitizer's own comes when it likes.
    if (muster::base::threads_are_sanitized) return;
    for (int looks = 0; looks < 2'000 && ::threads() > threads; ++looks) ::usleep(1'000);
    expect(::threads() == threads, "threads are left");
  }
};

// ---- habits

std::atomic<int> children_ended = 0;

void waits_for_any_child() {
  struct sigaction action = {};
  action.sa_handler = [](int) { ++children_ended; };
  ::sigaction(SIGCHLD, &action, nullptr);
  const state before = state::now();
  use_a_pool();
  expect(children_ended == 0, "SIGCHLD came for a process that is not the program's");
  expect(::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD,
         "the program has a child that it never made");
  const pid_t own = ::fork();
  if (own == 0) ::_exit(7);
  muster::process_pool pool(quiet(2));
  use(pool);
  int status = 0;
  while (::waitpid(-1, &status, 0) != own)
    if (errno != EINTR) return expect(false, "the program's own child is gone");
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "the exit code of the program's own child is lost");
  pool.stop(30s);
  before.expect_unchanged();
}

void ignores_children() {
  ::signal(SIGCHLD, SIG_IGN);
  const state before = state::now();
  use_a_pool();
  before.expect_unchanged();
}

void blocks_all_signals() {
  sigset_t all;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  const state before = state::now();
  use_a_pool();
  before.expect_unchanged();
}

void has_two_pools() {
  muster::process_pool first(quiet(2));
  auto second = std::make_unique<muster::process_pool>(quiet(1));
  use(first);
  use(*second);
  second.reset();
  use(first);
  use_a_pool();
}

void forks() {
  muster::process_pool pool(quiet(2));
  use(pool);
  for (const bool uses : {false, true}) {
    const pid_t child = ::fork();
    if (child == 0) {
      complaints = 0;
      if (uses) use_a_pool();
      ::_exit(complaints == 0 ? 0 : 1);
    }
    int status = 1;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    expect(status == 0, "a fork of the program was not well: " + std::to_string(status));
  }
  use(pool);
}

void has_few_descriptors() {
  const rlimit few = {.rlim_cur = 64, .rlim_max = 64};
  ::setrlimit(RLIMIT_NOFILE, &few);
  const state before = state::now();
  use_a_pool();
  use_threads();
  before.expect_unchanged();
}

void has_many_descriptors() {
  rlimit files = {};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const rlim_t wanted = std::min<rlim_t>(files.rlim_max, 10'100);
  files.rlim_cur = std::max(files.rlim_cur, wanted);
  ::setrlimit(RLIMIT_NOFILE, &files);
  const int null = ::open("/dev/null", O_RDONLY);  // not close-on-exec
  rlim_t opened = 1;
  while (opened < wanted - 100 && ::dup(null) >= 0) ++opened;
  expect(opened > 900, "only " + std::to_string(opened) + " descriptors could be opened");
  muster::process_pool pool(quiet(1));
  use(pool);
  expect(pool.submit(open_files).get() == 5, "a worker has descriptors of its owner");
}

// The library once more, inside a plugin that comes and goes.
void unloads_plugins() {
  const state before = state::now();
  for (int round = 0; round < 3; ++round) {
    void* const plugin = ::dlopen(MUSTER_PLUGIN, RTLD_NOW | RTLD_LOCAL);
    if (plugin == nullptr) return expect(false, ::dlerror());
    const auto work = reinterpret_cast<int (*)()>(::dlsym(plugin, "work"));
    expect(work != nullptr && work() == 4'950, "the plugin's pool was not well");
    ::dlclose(plugin);
    use_a_pool();
  }
  before.expect_unchanged();
}

const std::map<std::string, std::function<void()>> habits = {
    {"waits_for_any_child", waits_for_any_child},
    {"ignores_children", ignores_children},
    {"blocks_all_signals", blocks_all_signals},
    {"has_two_pools", has_two_pools},
    {"forks", forks},
    {"has_few_descriptors", has_few_descriptors},
    {"has_many_descriptors", has_many_descriptors},
    {"unloads_plugins", unloads_plugins},
    {"has_no_standard_files", use_a_pool},
};

}  // namespace

int main(int argc, char** argv) {
  ::alarm(100);  // whoever waits for us
  const std::string habit = argc > 1 ? argv[1] : "";
  if (habit == "has_no_standard_files")
    for (const int file : {0, 1, 2}) ::close(file);
  if (habit == "ignores_children") ::signal(SIGCHLD, SIG_IGN);
  muster::init(argc, argv);
  if (!habits.contains(habit)) return 2;
  try {
    habits.at(habit)();
  } catch (const std::exception& e) {
    expect(false, e.what());
  }
  return complaints == 0 ? 0 : 1;
}
