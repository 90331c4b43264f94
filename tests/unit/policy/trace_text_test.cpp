// SPDX-License-Identifier: MIT
#include "policy/trace_text.hpp"

#include <gtest/gtest.h>

#include <string>

namespace muster::policy {
namespace {

TEST(a_traceparent, is_what_the_standard_says) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  EXPECT_TRUE(is_traceparent(good));
  EXPECT_TRUE(is_traceparent("01" + good.substr(2) + "-what-comes-later"));
  EXPECT_FALSE(is_traceparent(good + "-x")) << "version 00 has an end";
  EXPECT_FALSE(is_traceparent("01" + good.substr(2) + "x"));
  EXPECT_FALSE(is_traceparent("ff" + good.substr(2)));
  EXPECT_FALSE(is_traceparent(""));
  EXPECT_FALSE(is_traceparent("01" + good.substr(2) + "-" + std::string(300, 'x')));
  EXPECT_FALSE(is_traceparent("00-00000000000000000000000000000000-00f067aa0ba902b7-01"));
  EXPECT_FALSE(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"));
}

TEST(a_traceparent, with_any_one_letter_changed_to_none_of_its_alphabet_is_none) {
  const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  for (std::size_t i = 0; i < good.size(); ++i)
    for (const char wrong : {'G', 'A', ' ', '\0'}) {
      std::string bad = good;
      bad[i] = wrong;
      EXPECT_FALSE(is_traceparent(bad)) << i;
    }
}

TEST(a_tracestate, is_a_list_of_entries) {
  EXPECT_TRUE(is_tracestate(""));
  EXPECT_TRUE(is_tracestate("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
  EXPECT_TRUE(is_tracestate(" a=1 ,\tb@c=2, ,d_-*/=x y"));
  EXPECT_FALSE(is_tracestate("a"));
  EXPECT_FALSE(is_tracestate("=1"));
  EXPECT_FALSE(is_tracestate("a="));
  EXPECT_FALSE(is_tracestate("A=1"));
  EXPECT_FALSE(is_tracestate("a=1=2"));
  EXPECT_FALSE(is_tracestate("a=\n"));
}

TEST(a_tracestate, is_read_beyond_an_empty_entry) {
  EXPECT_TRUE(is_tracestate("a=1,,b=2"));
  EXPECT_FALSE(is_tracestate("a=1,,=2"));
}

TEST(a_tracestate, has_its_bounds) {
  std::string many = "k0=v";
  for (int i = 1; i < 32; ++i) many += ",k" + std::to_string(i) + "=v";
  EXPECT_TRUE(is_tracestate(many));
  EXPECT_FALSE(is_tracestate(many + ",k32=v"));
  EXPECT_TRUE(is_tracestate("a=" + std::string(254, 'x') + ",b=" + std::string(253, 'x')));
  EXPECT_FALSE(is_tracestate("a=" + std::string(254, 'x') + ",b=" + std::string(255, 'x')));
  EXPECT_FALSE(is_tracestate("a=" + std::string(257, 'x')));
}

TEST(a_tracestate, has_keys_and_values_of_up_to_256_letters) {
  const auto entry = [](std::size_t key, std::size_t value) {
    return is_tracestate(std::string(key, 'k') + "=" + std::string(value, 'v'));
  };
  EXPECT_TRUE(entry(1, 1));
  EXPECT_TRUE(entry(200, 256));
  EXPECT_FALSE(entry(200, 257));
  EXPECT_TRUE(entry(256, 200));
  EXPECT_FALSE(entry(257, 200));
  EXPECT_FALSE(entry(1, 0));
  EXPECT_FALSE(entry(0, 1));
}

}  // namespace
}  // namespace muster::policy
