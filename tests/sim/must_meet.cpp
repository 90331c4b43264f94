// SPDX-License-Identifier: MIT
#include "must_meet.hpp"

namespace muster::sim {

namespace {

// Each is met soonest by a pool that serves; in time, in every state.
constexpr const char* faults[] = {
    "cannot be started",
    "does not come up",
    "never ready",
    "dies idle",
    "dies with a task begun",
    "dies with a task begun and others not",
    "dies with tasks not begun",
    "put back unbegun",
    "taken back",
    "told to stop",
    "ignores that it was told",
    "ignores that it shall end",
    "slow",
    "answers late",
    "falls silent",
    "leaves",
    "ignores a signal",
    "has served its tasks",
    "has served twice its tasks",
    "is told to end while it has tasks",
};

constexpr const char* events[] = {
    "its worker is killed after it settled",
    "cancelled while queued",
    "cancelled while placed",
    "cancelled while waiting",
    "killed: not_ready",
    "killed: run_timeout",
    "killed: cancelled",
    "killed: stopped",
    "killed: unresponsive",
    "is doubted while it is busy",
    "is doubted while it is idle",
    "is trusted again while it is idle",
    "is trusted again while it has a task",
    "ends by signal 2",
    "ends by signal 15",
    "a worker was replaced by a new one",
    "recycle: all done",
    "recycle: rolled back",
    "recycle: the deadline passed",
    "recycle: the pool was stopped",
    "recycle: there is no worker in that slot",
    "refused: the queue is full",
    "waits for the worker of its key, serving",
    "is given a task of its own while it is idle",
    "is given a task of its own while it is busy",
    "closed, and ended by itself",
    "closed, and stopped before its end",
    "a task was dropped for another",
    "a new task was dropped",
    "waits for a token or a key",
    "waits for its key",
    "resized to fewer",
    "resized to more",
    "refused: the circuit is open",
    "refused: set aside",
    "a slot rests",
    "a task was set aside",
    "stop was forced",
    "stop names stuck tasks",
    "started again",
    "answers before one that began earlier",
    "dies with several tasks begun",
    "the circuit lets calls through on trial",
};

// The rarest of them is met once in a hundred worlds or so.
constexpr std::uint64_t enough_for_all = 3'000;

}  // namespace

std::vector<std::string> must_meet(std::uint64_t worlds) {
  std::vector<std::string> all(std::begin(events), std::end(events));
  for (const char* fault : faults)
    for (const char* state : pool_states)
      if (worlds >= enough_for_all || state == pool_states[0])
        all.push_back(std::string(fault) + ", " + state);
  return all;
}

}  // namespace muster::sim
