#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Pools of processes for Python: python_pools.py <pool> <workload> <count> prints one number.

The pools are concurrent.futures' ProcessPoolExecutor, multiprocessing.Pool and pebble's ProcessPool. What a pool has no
call for is done as its users have to: an executor whose worker died is broken, so a new one is made; a task that hangs
is ended by killing its worker.
"""
import collections
import contextlib
import os
import select
import signal
import statistics
import sys
import time

NOT_SUPPORTED = 3
clock = time.perf_counter


# ---- what the workers run ----

def increment(value):
    return value + 1


def own_pid(_=None):
    return os.getpid()


# ---- the pools: submit gives something with get(seconds) ----

class Taken:
    """The result of a pool whose futures call their get `result`."""

    def __init__(self, future):
        self.get = future.result


class Executor:
    """concurrent.futures."""

    def __init__(self, workers):
        from concurrent.futures import ProcessPoolExecutor
        self.pool = ProcessPoolExecutor(workers)
        self.workers = workers

    def submit(self, function, *arguments):
        return Taken(self.pool.submit(function, *arguments))

    def map(self, function, inputs):
        return self.pool.map(function, inputs, chunksize=1000)

    def after_a_death(self, lost):
        """The pool to go on with once one of its workers was killed."""
        with contextlib.suppress(Exception):
            lost.get()
            raise SystemExit("a killed task has a result")
        return Executor(self.workers)


class Pool:
    """multiprocessing. The task of a worker that was killed never settles."""

    def __init__(self, workers):
        from multiprocessing import Pool as make
        self.pool = make(workers)

    def submit(self, function, *arguments):
        return self.pool.apply_async(function, arguments)

    def map(self, function, inputs):
        return self.pool.map(function, inputs, chunksize=1000)

    def after_a_death(self, _lost):
        return self


class Pebble:
    """Its map sends no chunks by itself, and gets them as its documentation says."""

    def __init__(self, workers):
        from pebble import ProcessPool
        self.pool = ProcessPool(max_workers=workers)

    def submit(self, function, *arguments):
        return Taken(self.pool.schedule(function, args=arguments))

    def submit_for(self, seconds, function, *arguments):
        return Taken(self.pool.schedule(function, args=arguments, timeout=seconds))

    def map(self, function, inputs):
        return self.pool.map(function, inputs, chunksize=1000).result()

    def after_a_death(self, _lost):
        return self


POOLS = {"python_executor": Executor, "python_pool": Pool, "pebble": Pebble}


# ---- what the owner does ----

def warm(make, workers):
    pool = make(workers)
    for i in range(300):
        assert pool.submit(increment, i).get() == i + 1
    return pool


def calls(make, count):
    pool = warm(make, 2)
    begin = clock()
    results = [pool.submit(increment, i) for i in range(count)]
    total = sum(result.get() for result in results)
    seconds = clock() - begin
    assert total == count * (count + 1) // 2
    return count / seconds


def map_all(make, count):
    """In chunks, the fastest way there is; 1,000 was the best size."""
    pool = warm(make, 2)
    begin = clock()
    total = sum(pool.map(increment, range(count)))
    seconds = clock() - begin
    assert total == count * (count + 1) // 2
    return count / seconds


def latency(make, count):
    pool = warm(make, 2)
    times = []
    for _ in range(count):
        begin = clock()
        pool.submit(increment, 1).get()
        times.append((clock() - begin) * 1e6)
    return statistics.median(times)


def burst(make, count):
    pool = warm(make, 2)
    results = [pool.submit(own_pid) for _ in range(count)]
    most = max(collections.Counter(result.get() for result in results).values())
    return 100 * (2 * most / count - 1)


def payloads(size):
    def measure(make, count):
        pool = warm(make, 2)
        payload = bytes(size)
        assert pool.submit(len, payload).get() == size
        begin = clock()
        earlier = pool.submit(len, payload)
        for _ in range(count - 1):
            later = pool.submit(len, payload)
            assert earlier.get() == size
            earlier = later
        assert earlier.get() == size
        return size * count / 1e6 / (clock() - begin)
    return measure


def start(make, _):
    begin = clock()
    pool = make(2)
    assert pool.submit(increment, 1).get() == 2
    return (clock() - begin) * 1e3


def crash(make, _):
    pool = warm(make, 1)
    victim = pool.submit(own_pid).get()
    lost = pool.submit(time.sleep, 30)
    time.sleep(0.05)
    begin = clock()
    os.kill(victim, signal.SIGKILL)
    pool = pool.after_a_death(lost)
    assert pool.submit(own_pid).get() != victim
    return (clock() - begin) * 1e3


def hung(make, _):
    limit = 0.05
    pool = warm(make, 1)
    victim = pool.submit(own_pid).get()
    watched = os.pidfd_open(victim)
    begin = clock()
    if hasattr(pool, "submit_for"):
        late = pool.submit_for(limit, time.sleep, 30)
    else:
        late = pool.submit(time.sleep, 30)
        try:
            late.get(limit)
            raise SystemExit("a hung task has a result")
        except Exception:  # each pool has its own for "not yet"
            os.kill(victim, signal.SIGKILL)
    assert select.select([watched], [], [], 20)[0], "the worker is still there"
    return (clock() - begin - limit) * 1e3


def resident(process="self"):
    with open(f"/proc/{process}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def memory(make, count):
    pool = warm(make, 2)
    blockers = [pool.submit(time.sleep, 30) for _ in range(2)]
    time.sleep(0.1)
    before = resident()
    results = [pool.submit(increment, i) for i in range(count)]
    after = resident()
    assert len(results) == count and len(blockers) == 2
    return (after - before) / count


def worker_memory(make, _):
    pool = warm(make, 1)
    return resident(pool.submit(own_pid).get()) / 1024


WORKLOADS = {"process_calls": calls, "process_map": map_all, "process_latency": latency,
             "process_latency_spinning": latency, "process_burst": burst,
             "process_payload_64k": payloads(64 << 10), "process_payload_1m": payloads(1 << 20),
             "process_payload_64m": payloads(64 << 20), "process_start": start, "process_crash": crash,
             "process_hung": hung, "process_memory": memory, "process_worker_memory": worker_memory}


def main():
    pool, workload, count = POOLS[sys.argv[1]], sys.argv[2], int(sys.argv[3])
    if workload not in WORKLOADS:
        return NOT_SUPPORTED
    signal.alarm(30)
    print(WORKLOADS[workload](pool, count))
    sys.stdout.flush()
    # Whoever measures ends the workers; an orderly end would wait for those that sleep.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
