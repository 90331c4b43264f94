// SPDX-License-Identifier: MIT
// refused-because: this function yields chunks, which only pool.stream hands to a reader
#include <muster/pool.hpp>

muster::process_pool& pool();

int count(muster::yielder<int>&) { return 1; }

int main() { (void)pool().submit(count); }
