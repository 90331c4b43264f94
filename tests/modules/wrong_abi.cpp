// SPDX-License-Identifier: MIT
//
// What a module of a muster to come may look like: of its description only the number is known to be where it
// was.
#include <cstdint>

namespace muster::detail {
struct module_description;
}

namespace {

struct description_to_come {
  std::uint32_t abi;
  std::uint32_t nothing_known[15];
};
constexpr description_to_come description = {4711, {}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const muster::detail::module_description*
muster_module_1() {
  return reinterpret_cast<const muster::detail::module_description*>(&description);
}
