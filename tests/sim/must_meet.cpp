// SPDX-License-Identifier: MIT
#include "must_meet.hpp"

namespace muster::sim {

namespace {

const char* const must_be_met[] = {
    "cannot be started, serving",
    "cannot be started, degraded",
    "does not come up, serving",
    "does not come up, degraded",
    "does not come up, stopping",
    "never ready, serving",
    "never ready, degraded",
    "dies idle, serving",
    "dies with a task begun, serving",
    "dies with a task begun, degraded",
    "dies with a task begun, stopping",
    "dies with a task begun and others not, serving",
    "dies with tasks not begun, serving",
    "dies with tasks not begun, degraded",
    "put back unbegun, serving",
    "taken back, serving",
    "told to stop, serving",
    "told to stop, stopping",
    "ignores that it was told, serving",
    "ignores that it was told, stopping",
    "ignores that it shall end, serving",
    "slow, serving",
    "answers late, serving",
    "its worker is killed after it settled",
    "cancelled while queued",
    "cancelled while placed",
    "cancelled while waiting",
    "killed: not_ready",
    "killed: run_timeout",
    "killed: cancelled",
    "killed: stopped",
    "killed: unresponsive",
    "falls silent, serving",
    "falls silent, stopping",
    "is doubted while it is busy",
    "is doubted while it is idle",
    "is trusted again while it is idle",
    "is trusted again while it has a task",
    "leaves, serving",
    "ignores a signal, serving",
    "ignores a signal, stopping",
    "ends by signal 2",
    "ends by signal 15",
    "has served its tasks, serving",
    "has served its tasks, degraded",
    "has served its tasks, stopping",
    "has served twice its tasks, serving",
    "is told to end while it has tasks, serving",
    "a worker was replaced by a new one",
    "recycle: all done",
    "recycle: rolled back",
    "recycle: the deadline passed",
    "recycle: the pool was stopped",
    "recycle: there is no worker in that slot",
    "refused: the queue is full",
    "waits for the worker of its key, serving",
    "stop was forced",
    "stop names stuck tasks",
};

}  // namespace

std::span<const char* const> must_meet() { return must_be_met; }

}  // namespace muster::sim
