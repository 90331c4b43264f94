// SPDX-License-Identifier: MIT
#include "module/throw_trace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <thread>

// These have names for the dynamic linker, which the trace asks. They call each other through volatile
// pointers, and throw without a condition, so that no optimiser can copy, split or inline them into something
// without a name.
void trace_test_thrower(int number) { throw std::runtime_error(std::to_string(number)); }
void (*volatile call_thrower)(int) = trace_test_thrower;

void trace_test_middle(int number) {
  call_thrower(number);
  asm volatile("" ::: "memory");  // or the call above becomes a jump, and leaves no frame
}
void (*volatile call_middle)(int) = trace_test_middle;

int trace_test_deep(int depth);
int (*volatile call_deep)(int) = trace_test_deep;
int trace_test_deep(int depth) {
  if (depth == 0) call_thrower(depth);
  const int below = call_deep(depth - 1);
  asm volatile("" ::: "memory");
  return below + 1;
}

void trace_test_rethrower() {
  try {
    call_thrower(1);
  } catch (...) {
    throw;
  }
}
void (*volatile call_rethrower)() = trace_test_rethrower;

namespace {

using muster::module::describe_trace;
using muster::module::traced_call;

void run_middle(void*) { call_middle(1); }

void run_nothing(void*) {}

std::string trace_of(void (*function)(void*), void* argument = nullptr) {
  try {
    traced_call(function, argument);
  } catch (...) {
    return describe_trace();
  }
  return "nothing was thrown";
}

std::string line(const std::string& text, std::size_t number) {
  std::size_t begin = 0;
  for (; number > 0; --number) begin = text.find('\n', begin) + 1;
  return text.substr(begin, text.find('\n', begin) - begin);
}

TEST(throw_trace, names_the_thrower_first_and_its_caller_next) {
  const std::string trace = trace_of(run_middle);
  EXPECT_TRUE(line(trace, 0).starts_with("#0 trace_test_thrower(int)+0x")) << trace;
  EXPECT_TRUE(line(trace, 1).starts_with("#1 trace_test_middle(int)+0x")) << trace;
  EXPECT_NE(line(trace, 0).find("_tests+0x"), std::string::npos) << trace;
  EXPECT_EQ(trace.find("traced_call"), std::string::npos) << trace;
  EXPECT_EQ(trace.find("__cxa"), std::string::npos) << trace;
}

TEST(throw_trace, lets_the_exception_through_unharmed) {
  try {
    traced_call(run_middle, nullptr);
    FAIL();
  } catch (const std::runtime_error& problem) {
    EXPECT_STREQ(problem.what(), "1");
  }
}

TEST(throw_trace, runs_the_destructors_on_both_sides) {
  struct counter {
    int& count;
    ~counter() { ++count; }
  };
  int count = 0;
  try {
    const counter outer{count};
    traced_call(
        [](void* argument) {
          const counter inner{*static_cast<int*>(argument)};
          call_thrower(1);
        },
        &count);
  } catch (...) {}
  EXPECT_EQ(count, 2);
}

TEST(throw_trace, is_empty_when_nothing_left_the_call) {
  EXPECT_FALSE(trace_of(run_middle).empty());
  traced_call(run_nothing, nullptr);
  EXPECT_EQ(describe_trace(), "");
  traced_call(
      [](void*) {
        try {
          call_thrower(1);
        } catch (...) {}
      },
      nullptr);
  EXPECT_EQ(describe_trace(), "");
}

TEST(throw_trace, of_an_exception_thrown_again_is_taken_where_that_was_done) {
  const std::string trace = trace_of([](void*) { call_rethrower(); });
  // No name is asked for: compilers put the catch block in a cold section, which has none.
  EXPECT_TRUE(line(trace, 0).starts_with("#0 ")) << trace;
  EXPECT_EQ(trace.find("trace_test_thrower"), std::string::npos) << trace;
}

TEST(throw_trace, of_a_deep_stack_is_bounded) {
  const std::string trace = trace_of([](void*) { call_deep(1000); });
  EXPECT_NE(trace.find("#10 trace_test_deep(int)"), std::string::npos) << trace;
  EXPECT_LE(std::ranges::count(trace, '\n'), 64);
}

TEST(throw_trace, nests) {
  const std::string trace = trace_of([](void*) {
    const std::string inner = trace_of(run_middle);
    EXPECT_TRUE(line(inner, 0).starts_with("#0 trace_test_thrower")) << inner;
    call_thrower(1);
  });
  EXPECT_TRUE(line(trace, 0).starts_with("#0 trace_test_thrower(int)")) << trace;
  EXPECT_EQ(trace.find("trace_test_middle"), std::string::npos) << trace;
}

TEST(throw_trace, belongs_to_its_thread) {
  trace_of(run_middle);
  std::string elsewhere = "not asked";
  std::thread([&] { elsewhere = describe_trace(); }).join();
  EXPECT_EQ(elsewhere, "");
  EXPECT_NE(describe_trace(), "");
}

}  // namespace
