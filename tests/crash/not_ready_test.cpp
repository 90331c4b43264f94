// SPDX-License-Identifier: MIT
// Programs that never become workers: the cause is told at once, by event and by start, and not when the time
// to be ready is over.
#include <mutex>
#include <thread>

#include "kit/pools.hpp"

namespace muster::test {
namespace {

// A copy of a program that works, with this in place of that.
std::string changed_copy(const std::string& program, const std::string& to, const std::string& from = {},
                         const std::string& into = {}) {
  std::ifstream file(program, std::ios::binary);
  std::string all((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(from.size(), into.size());
  if (!from.empty()) {
    const auto at = all.find(from);
    EXPECT_NE(at, std::string::npos) << program << " does not hold " << from;
    if (at != std::string::npos) all.replace(at, into.size(), into);
  }
  std::ofstream(to, std::ios::binary) << all;
  std::filesystem::permissions(to, std::filesystem::perms::owner_all);
  return to;
}

// What a pool with this program says, at once, of why it has no workers.
std::string told_at_once(const std::string& program) {
  std::mutex mutex;
  std::string failed, degraded;
  process_pool pool({.workers = {1},
                     .ready_timeout = 24h,
                     .restart = {.first = 1h, .max = 1h},
                     .program = program,
                     .worker_stderr = worker_stderr::keep,
                     .start = false});
  pool.on(event_kind::start_failed, [&](const event& e) {
    const std::lock_guard lock(mutex);
    failed = e.text;
  });
  pool.on(event_kind::degraded, [&](const event& e) {
    const std::lock_guard lock(mutex);
    degraded = e.text;
  });
  std::string thrown;
  std::thread starter([&] {
    try {
      pool.start();
    } catch (const error& e) {
      thrown = e.what();
    }
  });
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return !failed.empty() && !degraded.empty();
  }));
  EXPECT_TRUE(pool.stats().degraded);
  pool.terminate();
  starter.join();
  const std::lock_guard lock(mutex);
  EXPECT_NE(degraded.find(failed.substr(failed.find(": ") + 2)), std::string::npos) << degraded;
  return failed;
}

TEST(not_ready, a_program_that_cannot_be_executed_is_named_with_the_reason) {
  scratch files;
  std::ofstream(files("script")) << "#!/there/is/no/such/interpreter\n";
  std::filesystem::permissions(files("script"), std::filesystem::perms::owner_all);
  const std::string text = told_at_once(files("script"));
  EXPECT_NE(text.find("No such file"), std::string::npos) << text;
  EXPECT_NE(text.find(files("script")), std::string::npos) << text;
}

TEST(not_ready, a_missing_shared_library_is_named) {
  scratch files;
  const std::string program =
      changed_copy(MUSTER_CHILDREN_DIR "/doomed_owner", files("program"), "libstdc++.so.6", "libnobody.so.6");
  const std::string text = told_at_once(program);
  EXPECT_NE(text.find("libnobody.so.6"), std::string::npos) << text;
  EXPECT_NE(text.find("exit code 127"), std::string::npos) << text;
}

TEST(not_ready, a_program_that_ends_before_it_gets_there_is_quoted) {
  scratch files;
  std::ofstream(files("script")) << "#!/bin/sh\necho out of licences >&2\nexit 3\n";
  std::filesystem::permissions(files("script"), std::filesystem::perms::owner_all);
  const std::string text = told_at_once(files("script"));
  EXPECT_NE(text.find("out of licences"), std::string::npos) << text;
  EXPECT_NE(text.find("exit code 3"), std::string::npos) << text;
}

TEST(not_ready, a_program_that_does_not_exist_is_refused) {
  process_options options;
  options.program = "/there/is/no/such/program";
  try {
    process_pool pool(options);
    FAIL();
  } catch (const invalid_options& e) {
    EXPECT_NE(std::string(e.what()).find("/there/is/no/such/program"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace muster::test
