// SPDX-License-Identifier: MIT
//
// A program whose workers are obedient_worker's, to be an owner that tests may kill, and to be run as a
// zygote by others. `zygote_user <what>` does one of the things below, prints what the test wants to know and
// ends with 0 when all went well; every other code is the line that failed.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "children/obedient_worker.hpp"
#include "children/zygote_kit.hpp"

namespace {

using namespace muster;
using namespace muster::test;

#define CHECK(condition)                                           \
  do {                                                             \
    if (!(condition)) {                                            \
      std::fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
      std::exit(1);                                                \
    }                                                              \
  } while (false)

process::zygote_link opened() {
  auto link = process::zygote_link::open();
  if (!link) std::fprintf(stderr, "%s\n", link.error().text().c_str());
  CHECK(link);
  return std::move(*link);
}

void one_worker_answers() {
  auto link = opened();
  const auto worker = order_worker(link, birth_of(0));
  const auto born = next<process::started>(link);
  CHECK(worker.ask("pid") == std::to_string(born.pid));
}

// Prints the pids of everything that must die with this process, then waits to be killed, busy.
int wait_to_be_killed() {
  auto link = opened();
  std::vector<ordered_worker> workers;
  std::string pids = std::to_string(link.zygote_pid());
  for (std::uint32_t slot = 0; slot < 4; ++slot) {
    workers.push_back(order_worker(link, birth_of(slot)));
    pids += " " + std::to_string(next<process::started>(link).pid);
    pids += " " + workers.back().ask("fork") + " " + workers.back().ask("daemon");
  }
  std::printf("%s\n", pids.c_str());
  std::fflush(stdout);
  std::thread([] {
    while (true) asm volatile("");
  }).detach();
  while (true) ::pause();
}

int with_threads() {
  std::atomic<bool> done = false;
  std::thread second([&] { done.wait(false); });
  CHECK(process::initialise(obedient_hooks()) == process::role::owner);
  one_worker_answers();
  done = true;
  done.notify_all();
  second.join();
  return 0;
}

int with_closed_descriptors() {
  const int results = ::fcntl(1, F_DUPFD_CLOEXEC, 100);
  for (int descriptor = 0; descriptor < 3; ++descriptor) ::close(descriptor);
  CHECK(process::initialise(obedient_hooks()) == process::role::owner);
  auto link = opened();
  const auto worker = order_worker(link, birth_of(0));
  next<process::started>(link);
  const std::string found = worker.ask("descriptors");
  CHECK(::write(results, found.data(), found.size()) == static_cast<ssize_t>(found.size()));
  return 0;
}

// A fork of the owner makes a zygote of its own, and its end does not touch its parent's workers.
int forked() {
  auto link = opened();
  const auto worker = order_worker(link, birth_of(0));
  next<process::started>(link);
  const pid_t pid = ::fork();
  if (pid == 0) {
    {
      auto own = opened();
      CHECK(own.zygote_pid() != link.zygote_pid());
      const auto other = order_worker(own, birth_of(0));
      next<process::started>(own);
      CHECK(other.ask("init") == "this is a worker");
    }
    { const auto parents = std::move(link); }  // destroyed here: nothing may happen to it
    std::exit(0);
  }
  int status = 0;
  CHECK(::waitpid(pid, &status, 0) == pid && status == 0);
  CHECK(worker.ask("identity").starts_with("muster-test-0"));
  CHECK(!link.next());
  return 0;
}

// The zygote is nobody's child: a host that waits for its children does not wait for it, and init leaves none
// behind.
int without_children() {
  CHECK(::wait(nullptr) < 0 && errno == ECHILD);
  auto link = opened();
  const auto worker = order_worker(link, birth_of(0));
  next<process::started>(link);
  CHECK(base::children_of(::getpid()).empty());
  ::kill(link.zygote_pid(), SIGKILL);
  next<process::lost>(link);
  link = opened();  // by running this program again: its start is our child for a moment, and is waited for
  CHECK(::wait(nullptr) < 0 && errno == ECHILD);
  one_worker_answers();
  return 0;
}

// What was in stdio's buffer at init must come out once, not once a worker.
int with_buffered_output() {
  auto link = opened();
  for (std::uint32_t slot = 0; slot < 3; ++slot) {
    const auto worker = order_worker(link, birth_of(slot));
    next<process::started>(link);
    CHECK(worker.ask("print") == "done");
    CHECK(base::send_message(worker.control.get(), std::as_bytes(std::span("return 0", 8))));
    CHECK(WEXITSTATUS(next<process::ended>(link).wait_status) == 0);
  }
  return 0;
}

// The owner becomes another program: same pid, so only the closed sockets tell.
int replaced_by_another_program() {
  auto link = opened();
  const auto worker = order_worker(link, birth_of(0));
  std::printf("%d %d\n", link.zygote_pid(), next<process::started>(link).pid);
  std::fflush(stdout);
  ::execl("/bin/sleep", "sleep", "60", nullptr);
  return 1;
}

int without_init() {
  const auto link = process::zygote_link::open();
  CHECK(!link);
  std::printf("%s\n", link.error().text().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "without-init") return without_init();
  if (what == "threads") return with_threads();
  if (what == "closed") return with_closed_descriptors();
  if (what == "buffered") std::cout << "printed before init\n";
  if (!process::initialise(obedient_hooks())) return 2;
  if (what == "killed") return wait_to_be_killed();
  if (what == "forked") return forked();
  if (what == "childless") return without_children();
  if (what == "buffered") return with_buffered_output();
  if (what == "replaced") return replaced_by_another_program();
  return 3;
}
