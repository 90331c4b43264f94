#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Counts the instructions of one task with callgrind, and compares with the table that is kept.

A machine that is busy with others changes times much more than how many instructions a task takes, so a regression is
seen without a quiet one. Each program runs with few tasks and with many; the difference, divided by the tasks between, leaves
out what a pool's start and end take. Callgrind runs one thread at a time, so waiting for a lock or for another core's
cache line is not in it. The fewest of several runs count.

Standard output has a line of JSON for each workload. Exits with 1 when one takes more than the kept table says, by more
than the bound; and with 2 when it could not be counted.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys

import results
from sides import HERE, Bench

KEPT = HERE / "results" / "instructions.json"
BOUND = 1.15  # on a busy machine tasks seem long, so workers take fewer at once: up to 12 % more
LIMIT = 120   # seconds for one run


def with_warm_up(count):
    """threads/workloads.hpp runs a tenth as many before."""
    return count + count // 10 + 1


# By name: the workload of the program, few and many.
WORKLOADS = {
    "post": ("thread_post", 20_000, 100_000),
    "post from 4 threads": ("thread_producers", 20_000, 100_000),
    "submit and get": ("thread_submit", 20_000, 100_000),
    "post from a task": ("thread_inside", 20_000, 100_000),
}


def count_once(program, workload, count):
    # On one CPU and in turn: how the threads meet is then nearly the same each time, also on a busy machine.
    cpu = str(min(os.sched_getaffinity(0)))
    command = ["taskset", "-c", cpu, "valgrind", "--tool=callgrind", "--fair-sched=yes", "--callgrind-out-file=/dev/null",
               program, workload, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT)
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode != 0 or not collected:
        raise RuntimeError(f"{workload}: callgrind failed: {done.stderr.strip()[-500:]}")
    return int(collected.group(1))


def per_task(few, many):
    """Of two counts: (tasks, instructions) each."""
    return (many[1] - few[1]) / (many[0] - few[0])


def measure(program, name, runs):
    workload, *counts = WORKLOADS[name]
    few, many = ([count_once(program, workload, count) for _ in range(runs)] for count in counts)
    tasks = [with_warm_up(count) for count in counts]
    # What disturbs a run only adds to it.
    least, most = (round(per_task((tasks[0], min(few)), (tasks[1], end(many)))) for end in (min, max))
    return {"task": name, "workload": workload, "instructions": least, "most": most, "runs": runs}


def first_line(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n", maxsplit=1)[0].strip()


def facts(bench):
    return {"compiler": first_line(bench.compiler, "--version"), "flags": bench.setting("CMAKE_BUILD_TYPE"),
            "valgrind": first_line("valgrind", "--version"),
            "muster": first_line("git", "-C", HERE, "describe", "--always", "--dirty")}


def read_kept(path):
    if not path.exists():
        return {}, {}
    kept = json.loads(path.read_text())
    return kept["made_by"], {entry["task"]: entry["instructions"] for entry in kept["tasks"]}


def write_kept(path, made_by, found):
    lines = ",\n".join("    " + json.dumps(entry) for entry in found)
    path.write_text(f'{{\n  "made_by": {json.dumps(made_by)},\n  "tasks": [\n{lines}\n  ]\n}}\n')


def judge(found, kept, bound):
    """Adds to each what was kept and the ratio; returns the names of those that take too many."""
    worse = []
    for entry in found:
        before = kept.get(entry["task"])
        if before is None:
            continue
        entry["kept"] = before
        entry["ratio"] = round(entry["instructions"] / before, 3)
        if entry["instructions"] > bound * before:
            worse.append(entry["task"])
    return worse


def table(found):
    rows = [("a task by", "instructions", "most", "kept", "ratio")]
    rows += [(e["task"], results.shown(e["instructions"]), results.shown(e["most"]), results.shown(e.get("kept")),
              results.shown(e.get("ratio"))) for e in found]
    return results.columns(rows, right=(1, 2, 3, 4))


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder, as build/bench")
    parser.add_argument("--runs", type=int, default=4, help="runs of each, with few and with many tasks (default: 4)")
    parser.add_argument("--bound", type=float, default=BOUND, metavar="TIMES",
                        help=f"how many times as many are too many (default: {BOUND})")
    parser.add_argument("--record", action="store_true", help="keep what was found in bench/results/instructions.json")
    arguments = parser.parse_args()
    if arguments.runs < 1 or arguments.bound < 1:
        parser.error("--runs and --bound are at least 1")
    return arguments


def main():
    arguments = read_arguments()
    bench = Bench(arguments.build.resolve())
    try:
        made_by = facts(bench)
        kept_by, kept = read_kept(KEPT)
        found = [measure(bench.programs / "thread_muster", name, arguments.runs) for name in WORKLOADS]
    except (OSError, ValueError, KeyError, RuntimeError, subprocess.SubprocessError) as problem:
        print(f"instructions: {problem}", file=sys.stderr)
        return 2
    worse = judge(found, kept, arguments.bound)
    print(json.dumps({"made_by": made_by}))
    for entry in found:
        print(json.dumps(entry))
    if sys.stderr.isatty():
        print(table(found), file=sys.stderr)
    for fact in ("compiler", "flags", "valgrind"):
        if kept and kept_by.get(fact) != made_by[fact]:
            print(f"instructions: not the same {fact}: {kept_by.get(fact)}, then {made_by[fact]}", file=sys.stderr)
    if arguments.record:
        write_kept(KEPT, made_by, [{k: e[k] for k in ("task", "workload", "instructions", "most", "runs")} for e in found])
        print(f"instructions: recorded in {KEPT}", file=sys.stderr)
        return 0
    if worse:
        print(f"instructions: more than {arguments.bound} times as many as kept: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
