// SPDX-License-Identifier: MIT
//
// The version of muster. The numbers are those of the headers a program is compiled with; `version()` names
// the library it is linked with. Callable from any thread. The build reads the version of the package from
// this file.
#pragma once

#include <string_view>

namespace muster {

inline constexpr int version_major = 0;
inline constexpr int version_minor = 1;
inline constexpr int version_patch = 0;

/// The version of the linked library as "major.minor.patch". Never blocks, never throws.
std::string_view version() noexcept;

}  // namespace muster
