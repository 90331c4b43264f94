// SPDX-License-Identifier: MIT
//
// What a payload costs at the least when it is copied once: memcpy between two places in memory that are in
// use already. `floor_copy 64k|1m|64m <count>` prints megabytes a second.
#include <cstring>

#include "common.hpp"

namespace {

double copy_all(std::size_t size, std::size_t count) {
  const std::vector<char> from(size, 'm');
  std::vector<char> to(size, '-');
  const auto begin = bench::clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(to.data(), from.data(), size);
    asm volatile("" : : "r"(to.data()) : "memory");
  }
  const double time = bench::seconds_since(begin);
  bench::require(to.back() == 'm', "nothing was copied");
  return static_cast<double>(size * count) / 1e6 / time;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::job what = bench::read_job(argc, argv);
  if (what.workload == "64k") return bench::report(copy_all(std::size_t{64} << 10U, what.count));
  if (what.workload == "1m") return bench::report(copy_all(std::size_t{1} << 20U, what.count));
  if (what.workload == "64m") return bench::report(copy_all(std::size_t{64} << 20U, what.count));
  return bench::not_supported;
}
