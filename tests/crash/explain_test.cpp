// SPDX-License-Identifier: MIT
// What a death says: each field, for workers that really die, and for one that lies about it.
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstring>
#include <mutex>
#include <sstream>

#include "ipc/last_words.hpp"
#include "kit/pools.hpp"
#include "kit/processes.hpp"
#include "module/symbols.hpp"
#include "process/process_crew.hpp"

// Functions with names that a backtrace shall show, so none of them may vanish into its caller.
#define NOT_INLINED __attribute__((noipa))
#if defined(__clang__)
#undef NOT_INLINED
#define NOT_INLINED __attribute__((noinline))
#endif

namespace muster::test {

volatile int depth_of_interest = 0;

NOT_INLINED int write_through_null() {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
  return depth_of_interest;
}
NOT_INLINED int outer_of_the_crash() { return write_through_null() + depth_of_interest; }

NOT_INLINED int never_ending_recursion(int n) {
  volatile char room[512];
  room[static_cast<std::size_t>(n) % sizeof room] = static_cast<char>(n);
  return depth_of_interest < 0 ? 0 : never_ending_recursion(n + 1) + room[0];
}

NOT_INLINED int give_up() {
  std::abort();
  return depth_of_interest;
}

NOT_INLINED int divide(int by) { return 7 / by + depth_of_interest; }

NOT_INLINED int call_nowhere() {
  int (*volatile nowhere)() = nullptr;
  return nowhere() + depth_of_interest;
}

NOT_INLINED int spin_for_ever(std::string begun) {
  touch(begun);
  for (volatile unsigned spins = 0;;) spins = spins + 1;
}

namespace {

process_options quiet(int workers = 1) {
  return {.workers = {workers}, .restart = {.first = 1ms, .max = 10ms}, .worker_stderr = worker_stderr::keep};
}

template <class F, class... Arguments>
death death_of(process_pool& pool, F f, Arguments... arguments) {
  try {
    (void)pool.submit({.id = "the-one"}, f, arguments...).get();
  } catch (const unexpected_exit& e) {
    return e.death();
  }
  ADD_FAILURE() << "it lived";
  return {};
}

bool mentions(const std::vector<stack_frame>& trace, std::string_view function) {
  return std::any_of(trace.begin(), trace.end(), [&](const stack_frame& frame) {
    return frame.function.find(function) != std::string::npos;
  });
}

std::string shown(const death& how) {
  std::ostringstream out;
  out << how;
  return out.str();
}

// The sanitizers report faults themselves: then there is no backtrace of ours, and the death says why.
bool expect_no_trace_under_a_sanitizer(const death& how) {
  if constexpr (!base::is_sanitized) return false;
  EXPECT_TRUE(how.backtrace.empty());
  EXPECT_NE(how.backtrace_missing.find("sanitizer"), std::string::npos) << how.backtrace_missing;
  return true;
}

#define NO_FAULTS_UNDER_A_SANITIZER() \
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer ends a faulting process with an exit code of its own"

TEST(a_death, says_who_died_with_which_task_how_old_and_what_it_had_done) {
  process_pool pool(quiet());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(pool.submit(echo, i).get(), i);
  const int pid = pool.submit(process_id).get();
  const death how = death_of(pool, die, 0, 3);
  EXPECT_EQ(how.pid, pid);
  EXPECT_EQ(how.worker, 0U);
  EXPECT_EQ(how.generation, 1U);
  EXPECT_EQ(how.exit_code, 3);
  EXPECT_EQ(how.cause, death_cause::exited);
  EXPECT_EQ(how.tasks_served, 4U);
  EXPECT_GT(how.alive, 0ns);
  EXPECT_GT(how.peak_memory, 0U);
  ASSERT_EQ(how.tasks.size(), 1U);
  EXPECT_EQ(how.tasks[0].task_id, "the-one");
  EXPECT_EQ(how.tasks[0].attempt, 1);
  EXPECT_TRUE(how.backtrace.empty()) << "it left by its own will";
  EXPECT_TRUE(how.backtrace_missing.empty());
  EXPECT_FALSE(how.signal_sender);
  const std::string text = shown(how);
  for (const char* part :
       {"exited with code 3", "the-one", "served 4 tasks", "1st in its slot", "MiB", "last words"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  EXPECT_EQ(death_of(pool, die, 0, 0).generation, 2U);
}

TEST(a_death, by_a_fault_names_the_function_and_its_callers) {
  NO_FAULTS_UNDER_A_SANITIZER();
  process_pool pool(quiet());
  std::mutex mutex;
  std::string event_text;
  pool.on(event_kind::worker_died, [&](const event& e) {
    const std::lock_guard lock(mutex);
    event_text = e.text;
  });
  const death how = death_of(pool, outer_of_the_crash);
  EXPECT_EQ(how.signal, SIGSEGV);
  EXPECT_EQ(how.cause, death_cause::signalled);
  EXPECT_EQ(how.fault_address, 0U);
  EXPECT_FALSE(how.signal_sender) << "the kernel itself";
  ASSERT_GE(how.backtrace.size(), 3U) << shown(how);
  EXPECT_NE(how.backtrace[0].function.find("write_through_null"), std::string::npos) << shown(how);
  EXPECT_NE(how.backtrace[1].function.find("outer_of_the_crash"), std::string::npos) << shown(how);
  EXPECT_NE(how.backtrace[0].module.find("crash_tests"), std::string::npos);
  if (module::has_source_lines()) {
    EXPECT_NE(how.backtrace[0].source.find("explain_test.cpp:"), std::string::npos) << shown(how);
  }
  ASSERT_NE(how.place(), nullptr);
  EXPECT_NE(how.place()->function.find("write_through_null"), std::string::npos);
  EXPECT_NE(how.summary().find("write_through_null"), std::string::npos) << how.summary();
  EXPECT_EQ(how.summary().find('\n'), std::string::npos);
  const std::string text = shown(how);
  for (const char* part : {"SIGSEGV", "null pointer", "Where it was", "outer_of_the_crash"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return event_text.find("write_through_null") != std::string::npos;
  })) << event_text;
}

TEST(a_death, by_stack_overflow_is_named_so) {
  NO_FAULTS_UNDER_A_SANITIZER();
  process_pool pool(quiet());
  const death how = death_of(pool, never_ending_recursion, 1);
  EXPECT_EQ(how.signal, SIGSEGV);
  EXPECT_EQ(how.detail, "its stack overflowed");
  EXPECT_EQ(how.backtrace.size(), ipc::most_frames);
  EXPECT_NE(how.backtrace[0].function.find("never_ending_recursion"), std::string::npos) << shown(how);
  EXPECT_NE(how.backtrace[50].function.find("never_ending_recursion"), std::string::npos) << shown(how);
}

TEST(a_death, by_abort_names_who_called_it_and_that_it_came_from_itself) {
  process_pool pool(quiet());
  const death how = death_of(pool, give_up);
  EXPECT_EQ(how.signal, SIGABRT);
  if (expect_no_trace_under_a_sanitizer(how)) return;
  EXPECT_EQ(how.signal_sender, how.pid);
  EXPECT_TRUE(mentions(how.backtrace, "give_up")) << shown(how);
  ASSERT_NE(how.place(), nullptr);
  EXPECT_NE(how.place()->function.find("give_up"), std::string::npos)
      << "not in the C library: " << shown(how);
  EXPECT_NE(how.summary().find("sent by itself"), std::string::npos) << how.summary();
}

TEST(a_death, by_other_faults_names_the_function_too) {
  NO_FAULTS_UNDER_A_SANITIZER();
  process_pool pool(quiet());
  if (const death how = death_of(pool, divide, 0); how.signal == SIGFPE) {  // some machines divide by zero
    EXPECT_TRUE(mentions(how.backtrace, "divide")) << shown(how);
  }
  const death jumped = death_of(pool, call_nowhere);
  EXPECT_EQ(jumped.signal, SIGSEGV);
  EXPECT_TRUE(mentions(jumped.backtrace, "call_nowhere")) << shown(jumped);
  const death mapped = death_of(pool, [] {
    char name[] = "/tmp/muster-test-XXXXXX";
    const int file = ::mkstemp(name);
    ::unlink(name);
    auto* memory = static_cast<volatile char*>(::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, file, 0));
    return static_cast<int>(memory[0]);  // behind the end of the file
  });
  EXPECT_EQ(mapped.signal, SIGBUS);
  EXPECT_FALSE(mapped.backtrace.empty()) << shown(mapped);
  EXPECT_TRUE(mapped.fault_address);
}

TEST(a_death, by_a_thread_of_the_task_names_its_function) {
  NO_FAULTS_UNDER_A_SANITIZER();
  process_pool pool(quiet());
  const death how = death_of(pool, [] {
    std::thread([] { outer_of_the_crash(); }).join();
    return 1;
  });
  EXPECT_EQ(how.signal, SIGSEGV);
  EXPECT_TRUE(mentions(how.backtrace, "outer_of_the_crash")) << shown(how);
}

// Ends by a signal from outside, which is sent once the task runs.
death death_by(int signal) {
  process_pool pool(quiet());
  scratch files;
  const int pid = pool.submit(process_id).get();
  auto f = pool.submit(spin_for_ever, files("begun"));
  EXPECT_TRUE(appears(files("begun")));
  signal_process(pid, signal);
  try {
    (void)f.get();
  } catch (const unexpected_exit& e) {
    return e.death();
  }
  return {};
}

TEST(a_death, by_sigkill_from_outside_says_that_nobody_here_did_it) {
  const death how = death_by(SIGKILL);
  EXPECT_EQ(how.signal, SIGKILL);
  EXPECT_EQ(how.cause, death_cause::signalled);
  EXPECT_FALSE(how.signal_sender) << "nobody can know";
  EXPECT_TRUE(how.backtrace.empty());
  EXPECT_NE(shown(how).find("This pool did not kill it"), std::string::npos) << shown(how);
}

TEST(a_death, by_a_fault_signal_from_outside_names_the_sender_and_where_it_struck) {
  NO_FAULTS_UNDER_A_SANITIZER();
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS}) {
    const death how = death_by(signal);
    EXPECT_EQ(how.signal, signal);
    EXPECT_EQ(how.signal_sender, ::getpid());
    EXPECT_FALSE(how.fault_address);
    EXPECT_TRUE(mentions(how.backtrace, "spin_for_ever")) << shown(how);
  }
}

TEST(a_death, for_lack_of_memory_says_so_with_limit_and_peak) {
  if (base::is_sanitized) GTEST_SKIP() << "a sanitizer needs more memory than any sensible limit";
  auto options = quiet();
  options.limits.memory = 128_MiB;
  process_pool pool(options);
  const death how = death_of(pool, [] {
    std::vector<std::string> all;
    for (;;) all.emplace_back(std::size_t{8} << 20, 'm');
    return 1;
  });
  EXPECT_EQ(how.cause, death_cause::out_of_memory);
  EXPECT_EQ(how.memory_limit, 128_MiB);
  EXPECT_GT(how.peak_memory, 64_MiB);
  EXPECT_LT(how.peak_memory, 512_MiB);
  const std::string text = shown(how);
  EXPECT_NE(text.find("under a limit of 128 MiB"), std::string::npos) << text;
}

// What killed the worker of a task that is past its run timeout.
death death_of_late(process_pool& pool, const task_options& task, auto f, auto... arguments) {
  std::mutex mutex;
  std::shared_ptr<const death> seen;
  const auto handler = pool.on(event_kind::worker_died, [&](const event& e) {
    const std::lock_guard lock(mutex);
    seen = e.death;
  });
  auto running = pool.submit(task, f, arguments...);
  EXPECT_EQ(outcome_of(running), error_code::task_timeout);
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return seen != nullptr;
  }));
  pool.off(handler);
  const std::lock_guard lock(mutex);
  return seen ? *seen : death{};
}

TEST(a_death, by_run_timeout_says_where_it_hung) {
  const with_patience long_enough({.answer = watchdog});  // on a machine with other things to do
  auto options = quiet();
  options.grace = 1ms;
  process_pool pool(options);
  scratch files;
  const death how = death_of_late(pool, {.run_timeout = 100ms}, spin_for_ever, files("begun"));
  EXPECT_EQ(how.cause, death_cause::run_timeout);
  EXPECT_EQ(how.signal, SIGKILL);
  if (expect_no_trace_under_a_sanitizer(how)) return;
  EXPECT_TRUE(mentions(how.backtrace, "spin_for_ever")) << shown(how);
  EXPECT_NE(how.summary().find("it was in"), std::string::npos) << how.summary();
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

TEST(a_death, by_run_timeout_says_in_which_wait_it_hung) {
  const with_patience long_enough({.answer = watchdog});  // on a machine with other things to do
  auto options = quiet();
  options.grace = 0ns;
  process_pool pool(options);
  const death how = death_of_late(pool, {.run_timeout = 100ms}, [] {
    for (;;) ::pause();
  });
  EXPECT_EQ(how.cause, death_cause::run_timeout);
  if (expect_no_trace_under_a_sanitizer(how)) return;
  EXPECT_TRUE(mentions(how.backtrace, "pause")) << shown(how);
}

TEST(a_death, of_a_stopped_worker_past_its_run_timeout_says_that_it_could_not_say) {
  auto options = quiet();
  options.grace = 1ms;
  process_pool pool(options);
  const death how = death_of_late(pool, {.run_timeout = 50ms}, [] { ::raise(SIGSTOP); });
  EXPECT_EQ(how.cause, death_cause::run_timeout);
  EXPECT_TRUE(how.backtrace.empty());
  if (expect_no_trace_under_a_sanitizer(how)) return;
  EXPECT_NE(how.backtrace_missing.find("SIGSTOP"), std::string::npos) << how.backtrace_missing;
  EXPECT_NE(shown(how).find("SIGSTOP"), std::string::npos);
}

TEST(a_death, of_a_worker_that_blocks_every_signal_says_that_no_answer_came) {
  auto options = quiet();
  options.grace = 1ms;
  process_pool pool(options);
  const death how = death_of_late(pool, {.run_timeout = 50ms}, [] {
    sigset_t all;
    ::sigfillset(&all);
    ::sigprocmask(SIG_SETMASK, &all, nullptr);
    for (;;) ::pause();
  });
  EXPECT_EQ(how.cause, death_cause::run_timeout);
  if (expect_no_trace_under_a_sanitizer(how)) return;
  EXPECT_NE(how.backtrace_missing.find("did not answer"), std::string::npos) << how.backtrace_missing;
}

TEST(a_death, by_a_late_program_that_took_the_workers_place_is_still_a_run_timeout) {
  auto options = quiet();
  options.grace = 1ms;
  process_pool pool(options);
  const death how =
      death_of_late(pool, {.run_timeout = 200ms}, [] { ::execl("/bin/sleep", "sleep", "100", nullptr); });
  EXPECT_EQ(how.cause, death_cause::run_timeout) << shown(how);
  EXPECT_TRUE(how.backtrace.empty());
}

TEST(a_death, costs_the_tasks_behind_a_late_one_nothing) {
  auto options = quiet();
  options.grace = 1ms;
  options.strategy = strategy::round_robin;  // hands over what waits
  process_pool pool(options);
  scratch files;
  auto late = pool.submit({.run_timeout = 100ms}, spin_for_ever, files("begun"));
  std::vector<future<int>> behind;
  for (int i = 0; i < 20; ++i) behind.push_back(pool.submit(echo, i));
  EXPECT_EQ(outcome_of(late), error_code::task_timeout);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
}

void handle_segv_in_init() {
  ::signal(SIGSEGV, [](int) {
    (void)!::write(2, "my own handler\n", 15);
    ::signal(SIGSEGV, SIG_DFL);
  });
}

TEST(a_death, in_a_program_with_its_own_handler_leaves_that_alone) {
  NO_FAULTS_UNDER_A_SANITIZER();
  auto options = quiet();
  options.init = handle_segv_in_init;
  process_pool pool(options);
  const death how = death_of(pool, write_through_null);
  EXPECT_EQ(how.signal, SIGSEGV);
  EXPECT_NE(how.last_stderr.find("my own handler"), std::string::npos) << how.last_stderr;
  EXPECT_TRUE(how.backtrace.empty());
  EXPECT_NE(how.backtrace_missing.find("itself"), std::string::npos) << how.backtrace_missing;
}

TEST(a_death, of_a_child_that_a_task_forked_is_the_childs_alone) {
  NO_FAULTS_UNDER_A_SANITIZER();
  process_pool pool(quiet());
  const auto status_of_child = [](int signal) {
    const pid_t child = ::fork();
    if (child == 0) {
      if (signal == SIGSEGV) write_through_null();
      std::abort();
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
  };
  EXPECT_EQ(pool.submit(status_of_child, SIGABRT).get(), SIGABRT);
  EXPECT_EQ(pool.submit(status_of_child, SIGSEGV).get(), SIGSEGV);
  EXPECT_EQ(pool.stats().workers_died, 0U);
}

TEST(a_death, of_one_worker_with_many_begun_tasks_is_one_value) {
  // One call is run at a time, but a worker that dies with its zygote may have been found to have begun more.
  const auto shared = std::make_shared<const death>(death{.worker = 3, .pid = 5, .exit_code = 1});
  const unexpected_exit a(shared, {.task = 1}), b(shared, {.task = 2});
  EXPECT_EQ(&a.death(), &b.death());
}

// -----------------------------------------------------------------------------------------------------------
// lies

// The last words in the memory that this worker shares with its owner.
ipc::last_words* own_words() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t from = 0;
    if (line.find("muster-replies") == std::string::npos ||
        std::sscanf(line.c_str(), "%" SCNxPTR, &from) != 1)
      continue;
    return &reinterpret_cast<ipc::reply_memory*>(from)->words;
  }
  return nullptr;
}

enum class lie { counts, kind, addresses, maps, all, device, garbage };

int lie_and_die(int how, std::uint64_t seed) {
  ipc::last_words& words = *own_words();
  std::mt19937_64 dice(seed);
  words.kind = 1;
  words.signal = SIGABRT;
  words.frame_count = 4;
  for (auto& frame : words.frames) frame = 0x1000;
  std::string maps = "0-ffffffffffffffff r-xp 0 0:0 0 /nowhere\n";
  switch (static_cast<lie>(how)) {
    case lie::counts: words.frame_count = 0xffffffff; break;
    case lie::kind: words.kind = 77; break;
    case lie::addresses:
      words.frame_count = ipc::most_frames;
      for (auto& frame : words.frames) frame = dice();
      break;
    case lie::maps: maps = std::string(300, '-') + "\n\n zz\n1-2\n" + std::string(5000, 'x'); break;
    case lie::all: words.map_bytes = 0xffffffff; break;
    case lie::device: {
      struct stat about{};
      ::stat("/dev/zero", &about);
      maps = "0-ffffffffffffffff r-xp 0 0:0 " + std::to_string(about.st_ino) + " /dev/zero\n";
      break;
    }
    case lie::garbage:
      for (std::size_t i = 0; i < sizeof words; ++i)
        reinterpret_cast<unsigned char*>(&words)[i] = static_cast<unsigned char>(dice());
      break;
  }
  if (static_cast<lie>(how) != lie::all && static_cast<lie>(how) != lie::garbage)
    words.map_bytes = static_cast<std::uint32_t>(maps.size());
  if (static_cast<lie>(how) != lie::garbage) {
    std::memcpy(words.maps, maps.data(), std::min<std::size_t>(maps.size(), sizeof words.maps));
    words.stage.store(2);
  }
  ::signal(SIGABRT, SIG_DFL);
  ::raise(SIGABRT);
  return 0;
}

TEST(a_worker_that_lies_about_its_death, is_believed_nothing_that_could_harm_its_owner) {
  process_pool pool(quiet());
  const std::uint64_t seed = seed_of_test();
  for (int how = 0; how <= static_cast<int>(lie::garbage); ++how) {
    const death told = death_of(pool, lie_and_die, how, seed + static_cast<std::uint64_t>(how));
    EXPECT_EQ(told.signal, SIGABRT) << how;
    EXPECT_LE(told.backtrace.size(), ipc::most_frames);
    if (!told.backtrace.empty()) {
      EXPECT_FALSE(mentions(told.backtrace, "lie_and_die"));
    } else {
      EXPECT_FALSE(told.backtrace_missing.empty()) << how;
    }
    EXPECT_FALSE(shown(told).empty());
  }
  EXPECT_EQ(pool.submit(echo, 1).get(), 1);
}

// -----------------------------------------------------------------------------------------------------------
// workers that do not take their calls

// Overwrites the words by which this worker claims calls.
int ruin_claims(std::string begun, std::string gate) {
  touch(begun);
  (void)appears(gate);
  ipc::reply_region& rings = reinterpret_cast<ipc::reply_memory*>(reinterpret_cast<char*>(own_words()) -
                                                                  offsetof(ipc::reply_memory, words))
                                 ->rings;
  for (auto& word : rings.claims) word.store(~std::uint64_t{0});
  return 1;
}

TEST(a_worker_that_ruins_its_claim_words, is_ended_when_they_are_next_looked_at) {
  auto options = quiet();
  options.strategy = strategy::round_robin;
  process_pool pool(options);
  scratch files;
  auto ruiner = pool.submit(ruin_claims, files("begun"), files("gate"));
  ASSERT_TRUE(appears(files("begun")));
  std::vector<future<int>> behind;
  for (int i = 0; i < 5; ++i) behind.push_back(pool.submit(echo, i));
  touch(files("gate"));
  std::size_t lost = 0;
  for (int i = 0; i < 5; ++i) {
    try {
      EXPECT_EQ(behind[static_cast<std::size_t>(i)].get(), i);
    } catch (const protocol_violation& e) {
      ++lost;
      EXPECT_EQ(e.death().detail, "it wrote over the word by which it claims its next call");
    }
  }
  EXPECT_GE(lost, 1U);
  EXPECT_TRUE(eventually([&] { return pool.stats().workers_died == 1; }));
  (void)outcome_of(ruiner);
  EXPECT_EQ(pool.submit(echo, 7).get(), 7);
}

TEST(a_worker_that_takes_no_calls, is_ended_and_its_call_is_run_by_another) {
  const with_patience short_one({.claim = 200ms});
  process_pool pool(quiet());
  std::mutex mutex;
  std::string detail;
  pool.on(event_kind::worker_died, [&](const event& e) {
    const std::lock_guard lock(mutex);
    detail = e.death->detail;
  });
  const int pid = pool.submit(process_id).get();
  pool.wait_idle();
  signal_process(pid, SIGSTOP);
  ASSERT_TRUE(eventually([&] { return state_of(pid).state == 'T'; }));
  EXPECT_NE(pool.submit(process_id).get(), pid) << "no time limit is needed for that";
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return detail.find("did not take its next call") != std::string::npos;
  }));
}

}  // namespace
}  // namespace muster::test
