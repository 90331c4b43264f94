// SPDX-License-Identifier: MIT
//
// A plugin with a copy of the library inside. Its host knows nothing of that.
#include <muster/muster.hpp>

extern "C" int work() {
  muster::thread_pool pool(muster::thread_options{.workers = {2}});
  int sum = 0;
  for (int i = 0; i < 100; ++i) sum += pool.submit([i] { return i; }).get();
  return sum;
}
