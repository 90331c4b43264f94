// SPDX-License-Identifier: MIT
// What tasks print in worker processes, kept with each of them.
#include <sys/wait.h>

#include <cstdio>
#include <iostream>

#include "kit/pools.hpp"
#include "kit/processes.hpp"

namespace muster::test {
namespace {

int print(std::string out, std::string err) {
  std::cout << out;
  std::cerr << err;
  return static_cast<int>(out.size());
}
void print_much(std::size_t bytes) {
  for (std::size_t i = 0; i < bytes / 8; ++i) std::printf("%7zu\n", i);
}

TEST(what_a_task_prints, is_kept_with_it_by_whatever_means_it_was_printed) {
  process_pool pool(1);
  auto f = pool.submit({.capture = capture::keep}, [] {
    std::printf("printf ");
    std::cout << "cout ";
    std::cout.flush();
    std::fflush(stdout);
    (void)!::write(1, "write ", 6);
    std::fprintf(stderr, "stderr ");
    std::cerr << "cerr ";
    return std::system("echo program; echo complaint >&2");
  });
  const auto kept = f.output();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->out, "printf cout write program\n");
  EXPECT_EQ(kept->err, "stderr cerr complaint\n");
  EXPECT_EQ(kept->out_dropped + kept->err_dropped, 0U);
  EXPECT_EQ(f.get(), 0);
}

TEST(what_a_task_prints, is_its_own_alone) {
  process_pool pool({.workers = {1}, .worker_stderr = worker_stderr::keep});
  auto loud = pool.submit(
      [] { std::printf("%s", ""), std::fputs("buffered by a task that is not captured", stdout); });
  auto first = pool.submit({.capture = capture::keep}, print, "one", "eins");
  auto silent = pool.submit({.capture = capture::keep}, nothing);
  auto second = pool.submit({.capture = capture::keep}, print, "two", "zwei");
  loud.wait();
  EXPECT_EQ(first.output()->out, "one");
  EXPECT_EQ(first.output()->err, "eins");
  EXPECT_EQ(silent.output()->out, "");
  EXPECT_EQ(second.output()->out, "two");
  EXPECT_EQ(second.output()->err, "zwei");
  EXPECT_FALSE(loud.output());
}

TEST(what_a_task_prints, is_bounded_and_says_how_much_is_missing) {
  process_pool pool(1);
  auto f = pool.submit({.capture = capture::keep}, print_much, std::size_t{3'000'000});
  const auto kept = f.output();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->out.size(), 64U * 1'024);
  EXPECT_EQ(kept->out_dropped, 3'000'000U - 64 * 1'024);
  EXPECT_TRUE(kept->out.ends_with(" 374999\n"));
}

TEST(what_a_task_prints, is_there_after_a_crash_and_in_the_death) {
  process_pool pool({.workers = {1}, .worker_stderr = worker_stderr::keep});
  auto f = pool.submit({.capture = capture::keep}, [] {
    std::fprintf(stderr, "about to fail");
    (void)!::write(1, "half a line", 11);
    die(SIGKILL, 0);
  });
  const auto kept = f.output();
  ASSERT_TRUE(kept);
  EXPECT_EQ(kept->out, "half a line");
  EXPECT_TRUE(kept->err.starts_with("about to fail")) << kept->err;
  try {
    f.get();
    FAIL();
  } catch (const unexpected_exit& e) {
    EXPECT_TRUE(e.death().last_stderr.starts_with("about to fail")) << e.death().last_stderr;
  }
  EXPECT_EQ(pool.submit({.capture = capture::keep}, print, "well", "").output()->out, "well");
}

TEST(what_a_task_prints, is_that_of_its_last_attempt) {
  process_pool pool(
      {.workers = {1}, .retry = {.attempts = 3, .backoff = {.first = 1ms, .max = 1ms}, .on_error = true}});
  auto f = pool.submit({.capture = capture::keep}, [](context& about) {
    std::cout << "attempt " << about.attempt();
    if (about.attempt() < 3) throw std::runtime_error("again");
  });
  EXPECT_EQ(f.output()->out, "attempt 3");
}

TEST(what_a_task_prints, is_forwarded_line_by_line_with_its_task) {
  testing::internal::CaptureStderr();
  std::uint64_t number = 0;
  {
    process_pool pool({.workers = {1}, .name = "p"});
    auto f = pool.submit({.id = "x", .capture = capture::forward}, print, "one\ntwo", "three\n");
    number = f.task();
    EXPECT_EQ(f.output()->out, "one\ntwo");
    pool.stop();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  const std::string tag = "[p-0 task " + std::to_string(number) + " (x)] ";
  EXPECT_NE(text.find(tag + "one\n" + tag + "two\n" + tag + "three\n"), std::string::npos) << text;
}

TEST(what_a_task_prints, does_not_wait_for_programs_that_it_leaves_behind) {
  process_pool pool(1);
  scratch files;
  auto f = pool.submit(
      {.capture = capture::keep},
      [](std::string started) {
        std::cout << "mine";
        if (::fork() == 0) {
          touch(started);
          for (;;) ::pause();  // it holds both pipes; it ends with the worker's group
        }
        (void)appears(started);
      },
      files("started"));
  EXPECT_EQ(f.output()->out, "mine");
}

TEST(what_a_task_prints, goes_where_it_went_before_once_the_task_is_over) {
  testing::internal::CaptureStderr();
  {
    process_pool pool(1);
    pool.submit({.capture = capture::keep}, print, "", "captured").get();
    pool.submit(print, "", "passed on").get();
    pool.submit({.capture = capture::keep}, [] { ::close(1), ::close(2); }).get();
    pool.submit(print, "", ", and again").get();
    pool.stop();
  }
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_EQ(text.find("captured"), std::string::npos) << text;
  EXPECT_NE(text.find("passed on, and again"), std::string::npos) << text;
}

TEST(what_a_task_prints, goes_beside_its_descriptors_and_leaves_nothing_open) {
  process_pool pool(2);
  pool.submit(nothing).get();
  pool.wait_idle();
  EXPECT_TRUE(eventually([&] { return ready_workers(pool) == 2; }));
  const std::size_t before = entries_in("/proc/self/fd");
  for (int i = 0; i < 100; ++i) {
    auto f = pool.submit(
        {.capture = capture::keep},
        [](unique_fd file, int number) {
          std::cout << number;
          return file;
        },
        unique_fd::duplicate_of(0), i);
    EXPECT_EQ(f.output()->out, std::to_string(i));
    EXPECT_TRUE(f.get());
  }
  pool.wait_idle();
  EXPECT_TRUE(eventually([&] { return entries_in("/proc/self/fd") == before; }))
      << before << " before, " << entries_in("/proc/self/fd") << " now";
}

TEST(what_a_task_prints, is_not_kept_where_nobody_asked_or_it_never_began) {
  process_pool pool(1);
  auto plain = pool.submit(print, "", "");
  EXPECT_FALSE(plain.output());
  const blocker<process_pool> busy(pool);
  auto never = pool.submit({.capture = capture::keep}, print, "x", "");
  never.cancel();
  EXPECT_FALSE(never.output());
}

TEST(what_a_task_prints, cannot_be_kept_on_threads_which_is_said) {
  thread_pool pool(1);
  try {
    (void)pool.submit({.capture = capture::keep}, nothing);
    FAIL();
  } catch (const invalid_options& e) {
    EXPECT_NE(std::string(e.what()).find("capture = keep: "), std::string::npos) << e.what();
    EXPECT_NE(std::string(e.what()).find("use a process_pool"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace muster::test
