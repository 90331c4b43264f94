// SPDX-License-Identifier: MIT
// refused-because: a std::function cannot be called in another process, nor sent to one
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

#include <functional>

int apply(std::function<int(int)> step) { return step(1); }

int main() { muster::detail::check_call<decltype(apply), int (&)(int)>(); }
