// SPDX-License-Identifier: MIT
// A stream of results: tasks of several producers and pools, read in one place as they are done, each with
// its id. A failure is one record among others, and a slow reader slows the producers down.
#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <muster/muster.hpp>

namespace {

int price(int item) { return item % 40 == 13 ? throw std::out_of_range("no such item") : item; }

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::thread_pool here(2);
  muster::process_pool there(2);
  muster::results<int> done(8);  // at most so many are under way or unread

  const auto feed = [&done](auto& pool, const std::string& shop) {
    for (int item = 0; item < 50; ++item) done.submit(pool, {.id = shop + std::to_string(item)}, price, item);
  };
  std::thread producers([&] {
    std::thread other([&] { feed(there, "there-"); });
    feed(here, "here-");
    other.join();
    done.close();  // the loop below ends after the last result
  });

  int sum = 0;
  std::vector<std::string> failed;
  for (auto& result : done) {
    if (result.ok())
      sum += *result.value;
    else
      failed.push_back(result.id + ": " + result.what());
  }
  producers.join();

  std::sort(failed.begin(), failed.end());
  for (const std::string& each : failed) std::puts(each.c_str());
  std::printf("sum of the others: %d\n", sum);
}
