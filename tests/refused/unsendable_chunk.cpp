// SPDX-License-Identifier: MIT
// refused-because: the chunks that this function yields cannot cross back from another process
#include <thread>

#include <muster/pool.hpp>

muster::process_pool& pool();

int start(muster::yielder<std::thread>&) { return 1; }

int main() { (void)pool().stream(start); }
