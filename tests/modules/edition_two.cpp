// SPDX-License-Identifier: MIT
#include "edition.hpp"

TEST_EDITION("2")
