// SPDX-License-Identifier: MIT
//
// A module that takes its process down before anybody can call it.
#include <csignal>

namespace {
const int dead = ::raise(SIGKILL);
}

extern "C" __attribute__((visibility("default"))) int muster_dies_when_loaded() { return dead; }
