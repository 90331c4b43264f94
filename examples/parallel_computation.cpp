// SPDX-License-Identifier: MIT
// Parallel computation: the input in blocks, a worker for each processor, the results in the order of the
// input. For code of your own that computes. With a millisecond a block the cost of a task does not matter.
#include <cstdio>
#include <vector>

#include <muster/muster.hpp>

namespace {

bool is_prime(int n) {
  for (int d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return n >= 2;
}

int count_primes(int from, int numbers) {
  int found = 0;
  for (int n = from; n < from + numbers; ++n) found += is_prime(n) ? 1 : 0;
  return found;
}

}  // namespace

int main() {
  constexpr int block = 10'000, blocks = 20;
  muster::thread_pool pool(muster::presets::cpu());
  std::vector<int> starts;
  for (int i = 0; i < blocks; ++i) starts.push_back(i * block);

  int primes = 0;
  for (const int found : pool.map(count_primes, starts, block)) primes += found;
  std::printf("%d primes below %d\n", primes, block * blocks);
}
