// SPDX-License-Identifier: MIT
#pragma once

// What the tests of hosts share: programs that are started for real. Called by the test's thread.

#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <muster/host.hpp>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {

inline std::string program_file(const std::string& name) {
  return MUSTER_SOURCE_DIR "/tests/hosts/programs/" + name;
}

// The system's own: one from a version manager is started by a shell first.
inline const char* python_command() {
  return ::access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
}

inline program talker(const std::string& beginning = {}) {
  program what{.command = {python_command(), "-IS", program_file("talker.py")}};
  if (!beginning.empty()) what.command.push_back(beginning);
  return what;
}

inline process_options one_host(int at_once = 1) {
  return {.workers = {.min = 1, .max = 1, .at_once = at_once},
          .grace = 20ms,
          .ready_timeout = watchdog,
          .restart = {.first = 1ms, .max = 10ms},
          .env = {.set = {{"PYTHONDONTWRITEBYTECODE", "1"}}},
          .worker_stderr = worker_stderr::keep};
}

// The error that the future gives; where it gives none, or another, the test fails here.
template <class E, class T>
std::unique_ptr<E> error_of(future<T> f) {
  try {
    static_cast<void>(f.get());
  } catch (const E& e) {
    return std::make_unique<E>(e);
  }
  throw std::logic_error("it gave a value");
}

// Why its first worker did not come up, as the pool tells it; it has all day for that, so it is told at once.
template <class Host>
std::string start_failure_of(const Host& what) {
  process_options options = one_host();
  options.ready_timeout = 24h;
  options.start = false;
  options.restart = {.first = 24h, .max = 24h};
  host_pool pool(what, options);
  std::string cause;
  std::mutex mutex;
  pool.on(event_kind::start_failed, [&](const event& e) {
    const std::lock_guard lock(mutex);
    if (cause.empty()) cause = e.text;
  });
  std::thread starter([&] {
    try {
      pool.start();
    } catch (const error&) {}
  });
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !cause.empty();
  }));
  (void)pool.terminate();
  starter.join();
  return cause;
}

// A module's file is replaced while a call of it is under way: that call is finished by the module it began
// with, and the pool's next worker has the new one. In `text` stands EDITION, which its function `edition`
// gives; so does `held`, which makes a file beside the module's (.begun) and waits for another (.gate).
template <class Host>
void expect_reload(Host what, const std::string& name, std::string text) {
  const scratch files;
  const std::string file = files(name);
  const auto install = [&](const std::string& edition) {
    std::string written = text;
    written.replace(written.find("EDITION"), 7, edition);
    std::ofstream(file + ".new") << written;
    std::filesystem::rename(file + ".new", file);
  };
  install("one");
  what.module = file;
  host_pool pool(what, one_host());
  auto held = pool.call<std::string>("held");
  ASSERT_TRUE(appears(file + ".begun"));
  install("two");
  recycle_report report;
  std::thread recycling([&] { report = pool.recycle(); });
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_recycled == 1; }));
  EXPECT_EQ(pool.call<std::string>("edition").get(), "two");
  touch(file + ".gate");
  EXPECT_EQ(held.get(), "one");
  recycling.join();
  EXPECT_EQ(report.replaced, 1U);
  EXPECT_EQ(pool.call<std::string>("edition").get(), "two");
}

inline void expect_text(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << "no \"" << part << "\" in: " << text;
}

}  // namespace muster::test
