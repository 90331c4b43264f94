#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the benchmarks: ours and every peer in turn, medians, one JSON line for each workload and peer.

The first line of standard output describes the machine. A table to read goes to standard error, when that is a
terminal or with --table. bench/README.md says what each workload is and how to add a peer.
"""
import argparse
import datetime
import fnmatch
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import time

import results as of_results
from sides import HERE, Bench, Skipped
from workloads import WORKLOADS

MOST_FAILURES = 2   # runs of a side that may fail before it is given up


def say(text):
    print(text, file=sys.stderr, flush=True)


# ---- the machine ----

def first_line(*command):
    try:
        output = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL).stdout
    except OSError:
        return ""
    return output.split("\n", maxsplit=1)[0].strip()


def text_of(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def found(pattern, text, otherwise=""):
    match = re.search(pattern, text, re.M)
    return match.group(1) if match else otherwise


def describe_machine(bench):
    cpus = text_of("/proc/cpuinfo")
    return {"date": datetime.date.today().isoformat(), "cores": len(os.sched_getaffinity(0)),
            "cpu": found(r"^model name\s*:\s*(.+)$", cpus, platform.machine()),
            "virtual": bool(re.search(r"^flags\s*:.*\bhypervisor\b", cpus, re.M)),
            "governor": text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip() or "unknown",
            "memory_MiB": int(found(r"^MemTotal:\s*(\d+)", text_of("/proc/meminfo"), "0")) // 1024,
            "system": found(r'^PRETTY_NAME="(.+)"$', text_of("/etc/os-release"), "unknown"),
            "kernel": platform.release(), "compiler": first_line(bench.compiler, "--version"),
            "python": platform.python_version(), "node": first_line("node", "--version") or "none",
            "muster": first_line("git", "-C", HERE, "describe", "--always", "--dirty"),
            "load": round(os.getloadavg()[0], 2)}


class StealMeter:
    """What part of the machine's time others of the same host took since it was made; 0 where nobody says."""

    def __init__(self):
        self.before = self.read()

    @staticmethod
    def read():
        times = [int(word) for word in found(r"^cpu +(.+)$", text_of("/proc/stat")).split()[:8]]
        return (times[7], sum(times)) if len(times) == 8 else (0, 0)

    def part(self):
        stolen, total = (now - then for now, then in zip(self.read(), self.before))
        return stolen / total if total > 0 else 0.0


# ---- running ----

class Rounds:
    """What the sides of one workload gave, by side and number of the round."""

    def __init__(self, bench, name, workload, quick):
        self.bench, self.name, self.quick = bench, name, quick
        self.sides = {"muster": workload.ours, **workload.peers}
        self.numbers = {side: {} for side in self.sides}
        self.failures = dict.fromkeys(self.sides, 0)
        self.skipped = {}

    def run(self, side, number):
        what = self.sides[side]
        try:
            self.numbers[side][number] = what.measure(self.bench, self.name, what.quick if self.quick else what.count)
        except Skipped as why:
            self.leave_out(side, f"skipped: {why}")
        except (RuntimeError, OSError, subprocess.SubprocessError) as problem:
            say(f"{self.name}: {side} FAILED: {problem}")
            self.failures[side] += 1
            if self.failures[side] == MOST_FAILURES:
                self.leave_out(side, "given up: it failed too often")

    def leave_out(self, side, why):
        say(f"{self.name}: {side} is {why}")
        del self.numbers[side]
        self.skipped[side] = why

    def run_all(self, runs, deadline):
        """One run of every side a round, so that what disturbs the machine disturbs all alike. Returns whether all
        that was asked for was done."""
        for number in range(runs):
            # Every other round runs backwards, so that nobody is always measured after the same neighbour.
            for side in list(self.numbers)[::1 if number % 2 == 0 else -1]:
                if time.monotonic() > deadline:
                    say(f"{self.name}: stopped after {number} of {runs} rounds, the time is up")
                    return False
                self.run(side, number)
                if "muster" not in self.numbers:
                    return False  # there is nothing to compare with
        return bool(self.numbers.get("muster")) and self.failures["muster"] == 0


def show(result):
    print(json.dumps(result), flush=True)
    return result


def run_workload(bench, name, arguments, deadline):
    """Returns the results, who was skipped, and whether all that was asked for was done."""
    workload = WORKLOADS[name]
    begin, steal = time.monotonic(), StealMeter()
    rounds = Rounds(bench, name, workload, arguments.quick)
    complete = rounds.run_all(workload.runs or arguments.runs, deadline)
    found_here = [show(r) for r in of_results.compare_sides(name, workload.unit, rounds.numbers, steal.part())]
    skipped = [show({"workload": name, "peer": peer, "skipped": why}) for peer, why in rounds.skipped.items()]
    say(f"{name}: {time.monotonic() - begin:.0f} s")
    return found_here, skipped, complete


def record_path(machine, name):
    name = name or f"{machine['cores']}x{machine['cpu']}"
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return HERE / "results" / f"{machine['date']}-{slug}.json"


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path, help="the build folder, as build/bench")
    parser.add_argument("--workload", default="*", metavar="NAME", help="only these; a * stands for anything")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run of small sizes: to see that it works")
    parser.add_argument("--minutes", type=float, default=30, help="stop after so long (default: 30)")
    parser.add_argument("--table", action="store_true", help="a table on standard error, even into a file")
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
    if arguments.quick:
        arguments.runs = 1
    return arguments


def main():
    arguments = read_arguments()
    bench = Bench(arguments.build.resolve())
    deadline = time.monotonic() + 60 * arguments.minutes
    machine = describe_machine(bench)
    show({"machine": machine})
    results, skipped, complete = [], [], True
    for name in arguments.names:
        more, missing, done = run_workload(bench, name, arguments, deadline)
        results += more
        skipped += missing
        complete &= done
    machine["load_after"] = round(os.getloadavg()[0], 2)
    if results and (arguments.table or sys.stderr.isatty()):
        say(of_results.table(results))
    if arguments.record is not None and not complete:
        say("not recorded, because something is missing")
    elif arguments.record is not None:
        path = record_path(machine, arguments.record)
        of_results.write(path, machine, results, skipped)
        say(f"recorded in {path}")
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
