// SPDX-License-Identifier: MIT
// refused-because: a function with C variadic arguments (...) cannot be called in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

#include <cstdio>

int main() { muster::detail::check_call<decltype(&std::printf), const char*>(); }
