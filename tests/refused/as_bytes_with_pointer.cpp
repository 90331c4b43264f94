// SPDX-License-Identifier: MIT
// refused-because: as_bytes<T> is true for a type that holds a pointer
#include <muster/call.hpp>

struct slice {
  int length;
  const char* text;
};
template <>
inline constexpr bool muster::as_bytes<slice> = true;

int main() {
  muster::writer out;
  muster::encode(out, slice{0, nullptr});
}
