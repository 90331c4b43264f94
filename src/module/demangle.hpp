// SPDX-License-Identifier: MIT
//
// Names of types and functions as people write them. Any thread.
#pragma once

#include <string>

namespace muster::module {

/// The readable form of a mangled name, or the name itself when it is none.
std::string demangle(const char* name);

}  // namespace muster::module
