// SPDX-License-Identifier: MIT
// refused-because: a pointer means nothing in another process
// SPDX-License-Identifier: MIT
#include <muster/call.hpp>

int length(const char* text) { return text[0]; }

int main() { muster::detail::check_call<decltype(length), const char(&)[4]>(); }
