// SPDX-License-Identifier: MIT
#include <BS_thread_pool.hpp>
