// SPDX-License-Identifier: MIT
#include <muster/version.hpp>

namespace muster {

std::string_view version() noexcept { return MUSTER_VERSION; }

}  // namespace muster
