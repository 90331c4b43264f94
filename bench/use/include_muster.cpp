// SPDX-License-Identifier: MIT
#include <muster/muster.hpp>
