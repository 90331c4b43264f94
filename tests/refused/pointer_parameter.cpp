// SPDX-License-Identifier: MIT
// refused-because: a pointer means nothing in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int first(const int* numbers) { return *numbers; }

int main() { muster::detail::check_call<decltype(first), const int*>(); }
