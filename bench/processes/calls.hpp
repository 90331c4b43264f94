// SPDX-License-Identifier: MIT
//
// What is measured of calls, for all kinds of workers of ours. `call(i)` submits i + 1 and `send()` a payload
// of `size` bytes, whose number comes back; both return futures.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <muster/future.hpp>

#include "common.hpp"

namespace bench {

template <class Call>
void warm_up(Call call) {
  for (int i = 0; i < 300; ++i) require(call(i).get() == i + 1, "a result is wrong");
}

/// Calls a second: all are submitted at once, and all results taken.
template <class Call>
double calls_a_second(std::size_t count, Call call) {
  warm_up(call);
  std::vector<muster::future<int>> results;
  results.reserve(count);
  const auto begin = clock::now();
  for (std::size_t i = 0; i < count; ++i) results.push_back(call(static_cast<int>(i)));
  std::int64_t sum = 0;
  for (auto& result : results) sum += result.get();
  const double time = seconds_since(begin);
  const auto n = static_cast<std::int64_t>(count);
  require(sum == n * (n + 1) / 2, "the results are wrong");
  return static_cast<double>(count) / time;
}

/// Megabytes a second, with two calls under way.
template <class Send>
double megabytes_a_second(std::size_t size, std::size_t count, Send send) {
  const auto check = [&](muster::future<int> result) {
    require(result.get() == static_cast<int>(size), "a result is wrong");
  };
  check(send());
  const auto begin = clock::now();
  auto earlier = send();
  for (std::size_t i = 1; i < count; ++i) check(std::exchange(earlier, send()));
  check(std::move(earlier));
  return static_cast<double>(size * count) / 1e6 / seconds_since(begin);
}

}  // namespace bench
