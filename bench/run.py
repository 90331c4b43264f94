#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks: ours and theirs in turn, medians, one JSON line for each workload and peer.

The first line of standard output describes the machine. A table to read goes to standard error. bench/README.md
says what each workload is and how to add a peer.
"""
import argparse
import contextlib
import dataclasses
import datetime
import fnmatch
import json
import os
import pathlib
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
NPM_PACKAGE = "@jjavery/worker-pool@0.5.0"
NOT_SUPPORTED = 3   # the exit status of a side that has no such workload
RUN_LIMIT = 35      # seconds for one run; the programs end themselves after 30
MOST_FAILURES = 2   # runs of a side that may fail before it is given up
NOISY = 1.5         # a side whose slowest run is so many times its fastest


class Skipped(Exception):
    """This side cannot be measured here, which is no failure."""


# ---- sides: how one run of each gives a number ----

def run_program(command):
    """Runs a program in a session of its own, whose processes are all ended afterwards; returns its last line.

    Its output goes to files: workers that outlive their owner would keep a pipe open. What it says on standard error
    is shown only when it fails, for some workers complain when they are ended.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+", errors="replace") as complaints:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=complaints,
                                   start_new_session=True)
        try:
            status = process.wait(RUN_LIMIT)
        except subprocess.TimeoutExpired:
            status = "no end in time"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        lines = out.read().split()
        complaints.seek(0)
        complaint = complaints.read().strip()[-1000:]
    if status == NOT_SUPPORTED:
        raise Skipped("has no such workload, or this machine not enough CPUs for it")
    if status != 0 or not lines:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {status}\n{complaint}".rstrip())
    return float(lines[-1])


def program(name, workload=None):
    """A program of bench/CMakeLists.txt, called with the name of the workload or with what it calls it."""
    def measure(bench, job, count):
        path = bench.programs / name
        if not path.exists():
            raise Skipped(f"{name} was not built (is its library installed?)")
        return run_program([path, workload or job, str(count)])
    return measure


def python(_bench, job, count):
    return run_program([sys.executable, HERE / "processes/python_executor.py", job, str(count)])


def node(bench, job, count):
    return run_program(["node", "--no-warnings", "--expose-gc", HERE / "processes/node_pool.mjs",
                        bench.npm_package(), job, str(count)])


def compile_time(source):
    """Seconds of CPU that the compiler takes, which other work on the machine disturbs less than the time of day."""
    def measure(bench, _job, _count):
        with tempfile.TemporaryDirectory() as folder:
            command = [bench.compiler, "-std=c++20", "-O2", "-I", HERE.parent / "include", "-c", HERE / source,
                       "-o", pathlib.Path(folder) / "out.o"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, timeout=RUN_LIMIT, env={**os.environ, "CCACHE_DISABLE": "1"})
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return measure


def added_bytes(name):
    """What a stripped program is larger than one that only says hello."""
    def measure(bench, _job, _count):
        path = bench.programs / name
        if not path.exists():
            raise Skipped(f"{name} was not built (is its library installed?)")
        return path.stat().st_size - (bench.programs / "hello_plain").stat().st_size
    return measure


# ---- workloads ----

@dataclasses.dataclass
class Side:
    measure: object         # (bench, workload, count) -> the number
    count: int = 1
    quick: int = 1          # the count with --quick


@dataclasses.dataclass
class Workload:
    unit: str               # "calls/s": more is better; all others: less is better
    ours: Side
    peers: dict
    runs: int = 0           # 0: as asked for; otherwise the result is the same each time


def threads(unit, count, quick):
    peers = {name: Side(program(f"thread_{name}"), count, quick) for name in ("onetbb", "asio", "mutex_queue")}
    return Workload(unit, Side(program("thread_muster"), count, quick), peers)


def processes(unit, ours=(1, 1), python_count=(1, 1), node_count=(1, 1), **floors):
    peers = {"python_executor": Side(python, *python_count), "node_worker_pool": Side(node, *node_count), **floors}
    return Workload(unit, Side(program("process_muster"), *ours), peers)


def ring_of_256():
    return Side(program("floor_ring", "256_in_flight"), 5_000_000, 200_000)


WORKLOADS = {
    "thread_post": threads("ns/task", 1_000_000, 20_000),
    "thread_post_48": threads("ns/task", 1_000_000, 20_000),
    "thread_submit": threads("ns/task", 200_000, 10_000),
    "thread_wake": threads("us", 400, 50),
    "process_calls": processes("calls/s", (1_000_000, 20_000), (10_000, 1_000), (50_000, 2_000),
                               floor_ring_256=ring_of_256()),
    "process_map": processes("calls/s", (1_000_000, 20_000), (1_000_000, 20_000), (50_000, 2_000),
                             floor_ring_256=ring_of_256()),
    "process_latency": processes(
        "us", (5_000, 500), (2_000, 200), (3_000, 300),
        floor_futex_same_core=Side(program("floor_futex", "same"), 10_000, 1_000),
        floor_futex_cross_core=Side(program("floor_futex", "cross"), 5_000, 500),
        floor_ring_1=Side(program("floor_ring", "one_at_a_time"), 10_000, 1_000)),
    "process_start": processes("ms"),
    "process_one_more": Workload("ms", Side(program("process_muster", "process_one_more_large")),
                                 {"small_owner": Side(program("process_muster", "process_one_more_small"))}),
    "process_crash": processes("ms"),
    "process_hung": processes("ms"),
    "process_memory": processes("B/call", *[(100_000, 10_000)] * 3),
    "header_compile": Workload("s", Side(compile_time("use/include_muster.cpp")),
                               {"standard_headers": Side(compile_time("use/include_standard.cpp"))}),
    "binary_size": Workload("B", Side(added_bytes("hello_muster")),
                            {name: Side(added_bytes(f"hello_{name}")) for name in ("mutex_queue", "asio")}, runs=1),
}


# ---- running ----

class Bench:
    """Where things are, and what was found out about the machine on the way. Owned by main."""

    def __init__(self, build):
        self.build = build
        self.programs = build / "bench"
        cache = build / "CMakeCache.txt"
        found = re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache.read_text() if cache.exists() else "", re.M)
        self.compiler = found.group(1) if found else "c++"
        self.npm_problem = None

    def npm_package(self):
        """The folder with the npm package, which is installed when it is first needed."""
        folder = self.build / "npm"
        if (folder / "node_modules" / NPM_PACKAGE.rsplit("@", 1)[0]).exists() and shutil.which("node"):
            return folder
        if self.npm_problem is None:
            self.npm_problem = self.install_npm_package(folder)
        if self.npm_problem:
            raise Skipped(self.npm_problem)
        return folder

    @staticmethod
    def install_npm_package(folder):
        """Returns what went wrong, or an empty string."""
        for command in ("node", "npm"):
            if not shutil.which(command):
                return f"there is no {command}"
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", ".", "--ignore-scripts", "--no-audit", "--no-fund", NPM_PACKAGE]
        try:
            done = subprocess.run(command, cwd=folder, timeout=60, capture_output=True, text=True, check=False)
        except subprocess.TimeoutExpired:
            return f"npm could not install {NPM_PACKAGE} within a minute"
        return f"npm could not install {NPM_PACKAGE}: {done.stderr.strip()[-300:]}" if done.returncode else ""

    def machine(self):
        version = subprocess.run([self.compiler, "--version"], capture_output=True, text=True, check=False).stdout
        commit = subprocess.run(["git", "-C", HERE, "describe", "--always", "--dirty"], capture_output=True, text=True,
                                check=False).stdout.strip()
        model = re.search(r"^model name\s*:\s*(.+)$", pathlib.Path("/proc/cpuinfo").read_text(), re.M)
        return {"date": datetime.date.today().isoformat(), "cores": len(os.sched_getaffinity(0)),
                "cpu": model.group(1) if model else platform.machine(), "kernel": platform.release(),
                "compiler": version.split("\n", maxsplit=1)[0], "muster": commit,
                "load": round(os.getloadavg()[0], 2)}


def say(text):
    print(text, file=sys.stderr, flush=True)


def measure_rounds(bench, name, workload, arguments, deadline):
    """Runs all sides once a round. Returns the numbers of each side that could be measured, and whether ours always
    could."""
    sides = {"muster": workload.ours, **workload.peers}
    numbers = {side: [] for side in sides}
    failures = dict.fromkeys(sides, 0)
    runs = workload.runs or arguments.runs
    for round_number in range(runs):
        # Every other round runs backwards, so that nobody is always measured after the same neighbour.
        for side in list(sides)[::1 if round_number % 2 == 0 else -1]:
            if side not in numbers:
                continue
            if time.monotonic() > deadline:
                say(f"{name}: stopped after {round_number} of {runs} rounds, the time is up")
                return {s: values for s, values in numbers.items() if values}, False
            count = sides[side].quick if arguments.quick else sides[side].count
            try:
                numbers[side].append(sides[side].measure(bench, name, count))
            except Skipped as why:
                say(f"{name}: {side} is skipped: {why}")
                del numbers[side]
            except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
                say(f"{name}: {side} FAILED: {problem}")
                failures[side] += 1
                if failures[side] == MOST_FAILURES:
                    say(f"{name}: {side} is given up")
                    del numbers[side]
    measured = {side: values for side, values in numbers.items() if values}
    return measured, "muster" in measured and failures["muster"] == 0


def rounded(value):
    return float(f"{value:.4g}") if abs(value) < 1e4 else round(value)


def is_noisy(values):
    return max(values) > NOISY * min(values) and max(values) - min(values) > 1e-9


def compare(name, workload, numbers):
    """One result for each peer; without ours there is nothing to compare."""
    ours = numbers.get("muster")
    results = []
    for peer, theirs in numbers.items():
        if peer == "muster" or not ours:
            continue
        middle, their_middle = statistics.median(ours), statistics.median(theirs)
        result = {"workload": name, "ours": rounded(middle), "unit": workload.unit, "peer": peer,
                  "theirs": rounded(their_middle),
                  "ratio": rounded(middle / their_middle) if their_middle else None,
                  "runs": min(len(ours), len(theirs)),
                  "spread": {"ours": [rounded(min(ours)), rounded(max(ours))],
                             "theirs": [rounded(min(theirs)), rounded(max(theirs))]}}
        if is_noisy(ours) or is_noisy(theirs):
            result["noisy"] = True
        results.append(result)
    return results


def table(results):
    rows = [("workload", "unit", "ours", "peer", "theirs", "ours/theirs", "")]
    rows += [(r["workload"], r["unit"], f"{r['ours']:,}", r["peer"], f"{r['theirs']:,}",
              "-" if r["ratio"] is None else f"{r['ratio']:.4g}", "noisy" if r.get("noisy") else "")
             for r in results]
    widths = [max(len(row[i]) for row in rows) for i in range(7)]
    right = (2, 4, 5)
    lines = ["  ".join(cell.rjust(w) if i in right else cell.ljust(w)
                       for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows]
    return "\n".join(lines + ["calls/s: more is better; all others: less is better"])


def record(path, machine, results):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("    " + json.dumps(result) for result in results)
    path.write_text(f'{{\n  "machine": {json.dumps(machine)},\n  "results": [\n{lines}\n  ]\n}}\n')
    say(f"recorded in {path}")


def record_path(machine, name):
    name = name or f"{machine['cores']}x{machine['cpu']}"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return HERE / "results" / f"{machine['date']}-{slug}.json"


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder, as build/bench")
    parser.add_argument("--workload", default="*", metavar="NAME", help="only these; a * stands for anything")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side (default: 5)")
    parser.add_argument("--quick", action="store_true", help="small sizes: to see that it works, not to measure")
    parser.add_argument("--minutes", type=float, default=5.5, help="stop after so long (default: 5.5)")
    parser.add_argument("--record", nargs="?", const="", metavar="MACHINE",
                        help="also write bench/results/<date>-<machine>.json; the machine is named after its CPU")
    arguments = parser.parse_args()
    arguments.names = [name for name in WORKLOADS if fnmatch.fnmatchcase(name, arguments.workload)]
    if not arguments.names:
        parser.error(f"no workload is called {arguments.workload}; there are: {' '.join(WORKLOADS)}")
    if arguments.quick and arguments.record is not None:
        parser.error("--quick measures nothing that is worth a record")
    if arguments.runs < 1:
        parser.error("--runs is at least 1")
    return arguments


def main():
    arguments = read_arguments()
    bench = Bench(arguments.build.resolve())
    deadline = time.monotonic() + 60 * arguments.minutes
    machine = bench.machine()
    print(json.dumps({"machine": machine}), flush=True)
    results, complete = [], True
    for name in arguments.names:
        begin = time.monotonic()
        numbers, done = measure_rounds(bench, name, WORKLOADS[name], arguments, deadline)
        complete &= done
        for result in compare(name, WORKLOADS[name], numbers):
            print(json.dumps(result), flush=True)
            results.append(result)
        say(f"{name}: {time.monotonic() - begin:.0f} s")
    say(table(results))
    if arguments.record is not None and not complete:
        say("not recorded, because something is missing")
    elif arguments.record is not None:
        record(record_path(machine, arguments.record), machine, results)
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
