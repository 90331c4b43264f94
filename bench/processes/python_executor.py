#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Python's concurrent.futures.ProcessPoolExecutor: python_executor.py <workload> <count> prints one number.

What it has no call for is done as its users have to: an executor whose worker died is broken, so a new one is made;
a task that hangs is ended by killing its worker.
"""
import os
import select
import signal
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor, TimeoutError as NotYet
from concurrent.futures.process import BrokenProcessPool

NOT_SUPPORTED = 3
clock = time.perf_counter


# ---- what the workers run ----

def increment(value):
    return value + 1


def own_pid(_=None):
    return os.getpid()


# ---- what the owner does ----

def warm(workers):
    pool = ProcessPoolExecutor(workers)
    for i in range(300):
        assert pool.submit(increment, i).result() == i + 1
    return pool


def calls(count):
    pool = warm(2)
    begin = clock()
    results = [pool.submit(increment, i) for i in range(count)]
    total = sum(result.result() for result in results)
    seconds = clock() - begin
    assert total == count * (count + 1) // 2
    return count / seconds


def map_all(count):
    """In chunks, the fastest way it has; 1,000 was its best size."""
    pool = warm(2)
    begin = clock()
    total = sum(pool.map(increment, range(count), chunksize=1000))
    seconds = clock() - begin
    assert total == count * (count + 1) // 2
    return count / seconds


def latency(count):
    pool = warm(2)
    times = []
    for _ in range(count):
        begin = clock()
        pool.submit(increment, 1).result()
        times.append((clock() - begin) * 1e6)
    return statistics.median(times)


def start(_):
    begin = clock()
    pool = ProcessPoolExecutor(2)
    assert pool.submit(increment, 1).result() == 2
    return (clock() - begin) * 1e3


def crash(_):
    pool = warm(1)
    victim = pool.submit(own_pid).result()
    lost = pool.submit(time.sleep, 30)
    time.sleep(0.05)
    begin = clock()
    os.kill(victim, signal.SIGKILL)
    try:
        lost.result()
        raise AssertionError("a killed task has a result")
    except BrokenProcessPool:
        pool = ProcessPoolExecutor(1)
    assert pool.submit(own_pid).result() != victim
    return (clock() - begin) * 1e3


def hung(_):
    pool = warm(1)
    victim = pool.submit(own_pid).result()
    watched = os.pidfd_open(victim)
    begin = clock()
    late = pool.submit(time.sleep, 30)
    try:
        late.result(timeout=0.05)
        raise AssertionError("a hung task has a result")
    except NotYet:
        os.kill(victim, signal.SIGKILL)
    assert select.select([watched], [], [], 20)[0], "the worker is still there"
    return (clock() - begin - 0.05) * 1e3


def memory(count):
    def resident():
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    pool = warm(2)
    blockers = [pool.submit(time.sleep, 30) for _ in range(2)]
    time.sleep(0.1)
    before = resident()
    results = [pool.submit(increment, i) for i in range(count)]
    after = resident()
    assert len(results) == count and not any(blocker.done() for blocker in blockers)
    return (after - before) / count


WORKLOADS = {"process_calls": calls, "process_map": map_all, "process_latency": latency, "process_start": start,
             "process_crash": crash, "process_hung": hung, "process_memory": memory}


def main():
    workload, count = sys.argv[1], int(sys.argv[2])
    if workload not in WORKLOADS:
        return NOT_SUPPORTED
    signal.alarm(30)
    print(WORKLOADS[workload](count))
    sys.stdout.flush()
    # Whoever measures ends the workers; an orderly end would wait for those that sleep.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
