// SPDX-License-Identifier: MIT
#include <taskflow/taskflow.hpp>
