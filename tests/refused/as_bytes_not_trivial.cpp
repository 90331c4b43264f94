// SPDX-License-Identifier: MIT
// refused-because: as_bytes<T> is true for a type that is not trivially copyable
#include <muster/call.hpp>

struct named {
  std::string name;
};
template <>
inline constexpr bool muster::as_bytes<named> = true;

int main() {
  muster::writer out;
  muster::encode(out, named{});
}
