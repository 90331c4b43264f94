// SPDX-License-Identifier: MIT
// The module whose function `muster run` calls here.
#include <muster/module.hpp>

namespace {

int increment(int value) { return value + 1; }

}  // namespace

MUSTER_MODULE(m) { m.add("increment", increment); }
