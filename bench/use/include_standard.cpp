// SPDX-License-Identifier: MIT
//
// What a pool written by hand includes.
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>
