# SPDX-License-Identifier: MIT
"""The workloads: for each ours, its peers and floors, and how often. bench/README.md says what each of them measures."""
import dataclasses

import sides


@dataclasses.dataclass
class Side:
    measure: object         # (bench, workload, count) -> the number
    count: int = 1
    quick: int = 1          # the count with --quick


@dataclasses.dataclass
class Workload:
    unit: str               # results.MORE_IS_BETTER says for which of them more is better
    ours: Side
    peers: dict
    runs: int = 0           # 0: as asked for; otherwise the result is the same each time


THREAD_PEERS = ("onetbb", "openmp", "asio", "mutex_queue", "bs_thread_pool", "taskflow", "concurrencpp", "dispenso",
                "libfork", "stdexec", "toomanycooks")
# The module that a pool of Python comes with; and the packages of npm, as node_pools.mjs calls them.
PYTHON_PEERS = {"python_executor": "concurrent.futures", "python_pool": "multiprocessing", "pebble": "pebble"}
NODE_PEERS = ("node_worker_pool", "workerpool", "tinypool", "poolifier", "jest_worker", "piscina_threads")


def threads(unit, count, quick, **floors):
    peers = {name: Side(sides.program(f"thread_{name}"), count, quick) for name in THREAD_PEERS}
    return Workload(unit, Side(sides.program("thread_muster"), count, quick), {**peers, **floors})


def workers_at_most(most, *fewer):
    def at(workers):
        return Side(sides.program("thread_muster", f"thread_post_by_{workers}"), 1_000_000, 20_000)
    return Workload("ns/task", at(most), {f"workers_{workers}": at(workers) for workers in fewer})


def processes(unit, ours=(1, 1), python=(1, 1), node=(1, 1), erlang=None, **floors):
    peers = {name: Side(sides.python(name, module), *python) for name, module in PYTHON_PEERS.items()}
    peers.update((name, Side(sides.node(name), *node)) for name in NODE_PEERS)
    if erlang:
        peers["erlang_ports"] = Side(sides.erlang, *erlang)
    return Workload(unit, Side(sides.program("process_muster"), *ours), {**peers, **floors})


def ring_of_256():
    return Side(sides.program("floor_ring", "256_in_flight"), 5_000_000, 200_000)


def payload(size, count, quick, slow_count):
    return processes("MB/s", (count, quick), (slow_count, quick), (slow_count, quick),
                     floor_memcpy=Side(sides.program("floor_copy", size), count, quick))


def node_workers(unit, ours, theirs):
    return Workload(unit, Side(sides.program("node_muster"), *ours),
                    {name: Side(sides.node(name), *theirs) for name in NODE_PEERS})


XARGS = sides.for_lines(lambda _bench: ["xargs", "-P2", "-n1", "true"], "xargs")
GNU_PARALLEL = sides.for_lines(lambda _bench: ["parallel", "--will-cite", "-j2", "true", "{}"], "parallel")


def command(words):
    return Workload("calls/s", Side(sides.for_lines(sides.muster_run(*words)), 10_000, 200),
                    {"xargs": Side(XARGS, 10_000, 200), "gnu_parallel": Side(GNU_PARALLEL, 2_000, 100)})


WORKLOADS = {
    "thread_post": threads("ns/task", 1_000_000, 20_000),
    "thread_post_48": threads("ns/task", 1_000_000, 20_000),
    "thread_options": threads("ns/task", 1_000_000, 20_000),
    "thread_submit": threads("ns/task", 200_000, 10_000),
    "thread_producers": threads("ns/task", 1_000_000, 20_000),
    "thread_inside": threads("ns/task", 400_000, 10_000),
    "thread_1us": threads("% of ideal", 100, 5),
    "thread_10us": threads("% of ideal", 100, 2),
    "thread_wake": threads("us", 400, 50, floor_futex=Side(sides.program("floor_wake", "50"), 400, 50)),
    "thread_wake_p99": threads("us", 400, 50, floor_futex=Side(sides.program("floor_wake", "99"), 400, 50)),
    "thread_idle": threads("ms", 2_000, 100),
    "thread_idle_wakes": threads("wakes", 2_000, 100),
    "thread_memory": threads("B/task", 200_000, 20_000),
    "thread_scale": workers_at_most(16, 1, 2, 4, 8),
    "process_calls": processes("calls/s", (1_000_000, 20_000), (10_000, 1_000), (50_000, 2_000), (200_000, 5_000),
                               floor_ring_256=ring_of_256()),
    "process_map": processes("calls/s", (1_000_000, 20_000), (1_000_000, 20_000), (50_000, 2_000),
                             floor_ring_256=ring_of_256()),
    "process_map_singly": Workload("calls/s", Side(sides.program("process_muster"), 1_000_000, 20_000),
                                   {"floor_ring_256": ring_of_256()}),
    "process_latency": processes(
        "us", (5_000, 500), (2_000, 200), (3_000, 300), (3_000, 300),
        floor_futex_same_core=Side(sides.program("floor_futex", "same"), 10_000, 1_000),
        floor_futex_cross_core=Side(sides.program("floor_futex", "cross"), 5_000, 500),
        floor_ring_1=Side(sides.program("floor_ring", "one_at_a_time"), 10_000, 1_000)),
    "process_latency_spinning": processes(
        "us", (100_000, 500), (2_000, 200), (3_000, 300),
        floor_ring_1=Side(sides.program("floor_ring", "one_at_a_time"), 100_000, 1_000)),
    "process_burst": processes("% apart", *[(200, 200)] * 3),
    "process_payload_64k": payload("64k", 5_000, 50, 1_000),
    "process_payload_1m": payload("1m", 1_000, 10, 100),
    "process_payload_64m": payload("64m", 100, 1, 4),
    "process_lease_64m": Workload("us", Side(sides.program("process_muster"), 5_000, 500), {
        "no_op": Side(sides.program("process_muster", "process_latency"), 5_000, 500)}),
    "process_start": processes("ms"),
    "process_one_more": Workload("ms", Side(sides.program("process_muster", "process_one_more_large")),
                                 {"small_owner": Side(sides.program("process_muster", "process_one_more_small"))}),
    "process_grow": Workload("ms", Side(sides.program("process_muster")),
                             {"floor_zygote": Side(sides.program("floor_zygote", "one_more"), 20, 5)}),
    "process_crash": processes("ms"),
    "process_hung": processes("ms"),
    "process_memory": processes("B/call", *[(100_000, 10_000)] * 3),
    "process_worker_memory": processes("KiB"),
    "node_calls": node_workers("calls/s", (50_000, 2_000), (50_000, 2_000)),
    "node_payload_1m": node_workers("MB/s", (300, 10), (100, 10)),
    "run_one_shot": command(["--", "true", "{}"]),
    "run_warm": command(["TASKS:increment"]),
    "header_compile": Workload("s", Side(sides.compile_time("use/include_muster.cpp")), {
        "standard_headers": Side(sides.compile_time("use/include_standard.cpp")),
        "asio": Side(sides.compile_time("use/include_asio.cpp", "MUSTER_BENCH_ASIO")),
        "bs_thread_pool": Side(sides.compile_time("use/include_bs_thread_pool.cpp", "MUSTER_BENCH_BS_THREAD_POOL")),
        "taskflow": Side(sides.compile_time("use/include_taskflow.cpp", "MUSTER_BENCH_TASKFLOW"))}),
    "binary_size": Workload("B", Side(sides.added_bytes("hello_muster")),
                            {name: Side(sides.added_bytes(f"hello_{name}")) for name in ("mutex_queue", "asio")}, runs=1),
}
