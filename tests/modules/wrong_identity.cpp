// SPDX-License-Identifier: MIT
//
// A module that was built for the same layout with another standard library.
#include <muster/detail/module_abi.hpp>

extern "C" __attribute__((visibility("default"))) const muster::detail::module_description*
muster_module_1() {
  static const muster::detail::module_description description = {
      .abi = muster::detail::module_abi,
      .size = sizeof(muster::detail::module_description),
      .identity = "muster 0.1, a library of its own",
      .compiler = "a compiler of its own",
      .version = "",
      .problem = nullptr,
      .exports = nullptr,
      .export_count = 0,
      .init = nullptr,
      .close = nullptr,
  };
  return &description;
}
