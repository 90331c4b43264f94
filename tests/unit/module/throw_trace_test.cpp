// SPDX-License-Identifier: MIT
#include "module/throw_trace.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <thread>

// These have names for the dynamic linker, which the trace asks.
__attribute__((noinline)) void trace_test_thrower(int number) {
  if (number > 0) throw std::runtime_error("thrown");
}

__attribute__((noinline)) void trace_test_middle(int number) {
  trace_test_thrower(number);
  asm volatile("" ::: "memory");  // or the call above becomes a jump, and leaves no frame
}

__attribute__((noinline)) int trace_test_deep(int depth) {
  if (depth == 0) throw depth;
  const int below = trace_test_deep(depth - 1);
  asm volatile("" ::: "memory");
  return below + 1;
}

__attribute__((noinline)) void trace_test_rethrower() {
  try {
    trace_test_thrower(1);
  } catch (...) {
    throw;
  }
}

namespace {

using muster::module::describe_trace;
using muster::module::traced_call;

void call_middle(void* argument) { trace_test_middle(*static_cast<int*>(argument)); }

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
  int number = 1;
  const std::string trace = trace_of(call_middle, &number);
  EXPECT_TRUE(line(trace, 0).starts_with("#0 trace_test_thrower(int)+0x")) << trace;
  EXPECT_TRUE(line(trace, 1).starts_with("#1 trace_test_middle(int)+0x")) << trace;
  EXPECT_NE(line(trace, 0).find("_tests+0x"), std::string::npos) << trace;
  EXPECT_EQ(trace.find("traced_call"), std::string::npos) << trace;
  EXPECT_EQ(trace.find("__cxa"), std::string::npos) << trace;
}

TEST(throw_trace, lets_the_exception_through_unharmed) {
  int number = 1;
  try {
    traced_call(call_middle, &number);
    FAIL();
  } catch (const std::runtime_error& problem) {
    EXPECT_STREQ(problem.what(), "thrown");
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
          trace_test_thrower(1);
        },
        &count);
  } catch (...) {
  }
  EXPECT_EQ(count, 2);
}

TEST(throw_trace, is_empty_when_nothing_left_the_call) {
  int number = 1;
  EXPECT_FALSE(trace_of(call_middle, &number).empty());
  number = 0;
  traced_call(call_middle, &number);
  EXPECT_EQ(describe_trace(), "");
  traced_call(
      [](void*) {
        try {
          trace_test_thrower(1);
        } catch (...) {
        }
      },
      nullptr);
  EXPECT_EQ(describe_trace(), "");
}

TEST(throw_trace, of_an_exception_thrown_again_names_who_did_that) {
  const std::string trace = trace_of([](void*) { trace_test_rethrower(); });
  EXPECT_TRUE(line(trace, 0).starts_with("#0 trace_test_rethrower()")) << trace;
}

TEST(throw_trace, of_a_deep_stack_is_bounded) {
  const std::string trace = trace_of([](void*) { trace_test_deep(1000); });
  EXPECT_NE(trace.find("#10 trace_test_deep(int)"), std::string::npos) << trace;
  EXPECT_LE(std::ranges::count(trace, '\n'), 64);
}

TEST(throw_trace, nests) {
  const std::string trace = trace_of([](void*) {
    int number = 1;
    const std::string inner = trace_of(call_middle, &number);
    EXPECT_TRUE(line(inner, 0).starts_with("#0 trace_test_thrower")) << inner;
    trace_test_rethrower();
  });
  EXPECT_TRUE(line(trace, 0).starts_with("#0 trace_test_rethrower()")) << trace;
}

TEST(throw_trace, belongs_to_its_thread) {
  int number = 1;
  trace_of(call_middle, &number);
  std::string elsewhere = "not asked";
  std::thread([&] { elsewhere = describe_trace(); }).join();
  EXPECT_EQ(elsewhere, "");
  EXPECT_NE(describe_trace(), "");
}

}  // namespace
