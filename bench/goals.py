#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What of the goals is met: goals.py <results> prints the table of docs/performance.md, --write puts it there.

Every line is one goal: a workload, what ours is held against there, and the bound. Nothing in the table is written by
hand, so that it says what a file of results says and no more.
"""
import argparse
import dataclasses
import pathlib
import sys

import results
from workloads import WORKLOADS

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs/performance.md"
BEGIN, END = "<!-- begin: bench/goals.py -->", "<!-- end -->"
# Not among the best: it works on the queue in the submitting thread; it has calls and no pool around them.
OUT_OF_CONTEST = ("openmp", "erlang_ports")


@dataclasses.dataclass
class Goal:
    what: str
    workload: str           # nothing: there is none yet
    bound: float = 1.0      # of the ratio, or of ours where `against` is nothing
    against: str = "best"   # the best peer; or the name of one, or of a floor
    unit: str = ""          # of the bound, where it is one of ours


GOALS = [
    Goal("post of an empty task, one submitter", "thread_post", 0.6),
    Goal("the same with 48 bytes", "thread_post_48", 0.6),
    Goal("the same with priority, deadline and stop token", "thread_options", 0.6, "bs_thread_pool"),
    Goal("submit and get, 200,000 futures", "thread_submit", 0.8),
    Goal("4 submitters", "thread_producers"),
    Goal("posts from inside workers", "thread_inside"),
    Goal("1,000 tasks of 1 us: part of the ideal", "thread_1us", 0.98),
    Goal("1,000 tasks of 10 us: part of the ideal", "thread_10us", 0.98),
    Goal("wake after 1 ms idle, p50", "thread_wake", 1.3, "floor_futex"),
    Goal("wake after 1 ms idle, p99", "thread_wake_p99", 1.2),
    Goal("CPU time of an idle pool in 2 s", "thread_idle", 2.0),
    Goal("wakes of an idle pool in 2 s", "thread_idle_wakes", 0, "", "wakes"),
    Goal("memory of a queued task of 48 bytes", "thread_memory", 1.35),
    Goal("16 workers on 2 cores, against 2", "thread_scale", 1.5, "workers_2"),
    Goal("no-op calls, all under way, against the best library", "process_calls", 36),
    Goal("the same against Erlang's ports", "process_calls", 7, "erlang_ports"),
    Goal("map of no-ops", "process_map", 3),
    Goal("one call at a time, never spinning", "process_latency", 1.3, "floor_futex_cross_core"),
    Goal("one call at a time, spinning allowed", "process_latency_spinning", 0.1),
    Goal("64 KiB one way, copied in", "process_payload_64k", 0.6, "floor_memcpy"),
    Goal("1 MiB one way, copied in", "process_payload_1m", 0.6, "floor_memcpy"),
    Goal("64 MiB one way, copied in", "process_payload_64m", 0.6, "floor_memcpy"),
    Goal("64 MiB in a lease of the arena, against a no-op call", "process_lease_64m", 2.0, "no_op"),
    Goal("first result of a new pool of 2", "process_start", 0.25),
    Goal("one more worker: owner of 1 GiB, against a small one", "process_one_more", 1.3, "small_owner"),
    Goal("one more worker, against the floor of a zygote", "process_grow", 2.0, "floor_zygote"),
    Goal("SIGKILL of a busy worker until its replacement has run a task", "process_crash", 0.2),
    Goal("hung task: from its timeout until its worker is gone", "process_hung", 5, "", "ms"),
    Goal("owner's memory for a queued call (18 MiB for 100,000)", "process_memory", 188.7, "", "B/call"),
    Goal("memory of a worker without work", "process_worker_memory", 4096, "", "KiB"),
    Goal("burst of 200 calls: how far apart the workers are", "process_burst", 10, "", "% apart"),
    Goal("no-op calls of Node workers, against the npm package's own pool", "node_calls", 1.0, "node_worker_pool"),
    Goal("1 MiB to Node workers, against the same", "node_payload_1m", 10, "node_worker_pool"),
    Goal("`muster run` of commands, against xargs", "run_one_shot", 0.9, "xargs"),
    Goal("`muster run` on warm workers, against GNU parallel's processes", "run_warm", 50, "gnu_parallel"),
    Goal("compiling the header, against BS::thread_pool's", "header_compile", 1.0, "bs_thread_pool"),
    Goal("what a hello program grows by", "binary_size", 2 << 20, "", "B"),
]


def best(of_it):
    """Of the results of one workload the one with the best peer; nothing when no peer counts."""
    peers = [r for r in of_it if not results.is_floor(r["peer"]) and r["peer"] not in OUT_OF_CONTEST]
    choose = max if peers and results.more_is_better(peers[0]["unit"]) else min
    return choose(peers, key=lambda r: r["theirs"], default=None)


def figure(result, side, name=""):
    return f"{name.replace('_', ' ')} {results.shown(result[side])}".strip() + f" {result['unit']}"


def must(goal, more_is_better):
    sign = "≥" if more_is_better else "≤"
    if goal.unit:
        return f"{sign} {goal.bound:,} {goal.unit}"
    return f"{sign} {goal.bound:g}× {'best' if goal.against == 'best' else goal.against.replace('_', ' ')}"


def row(goal, found):
    """What, workload, must, ours, best peer, limit, ratio, met."""
    of_it = [result for result in found if result["workload"] == goal.workload]
    if not goal.workload:
        return [goal.what, "none yet", "", *["not measured yet"] + [""] * 4]
    planned = WORKLOADS.get(goal.workload)
    unit = of_it[0]["unit"] if of_it else planned.unit if planned else ""
    more = results.more_is_better(unit)
    cells = [goal.what, f"`{goal.workload}`", must(goal, more)]
    if not of_it:
        return [*cells, *["not measured yet"] + [""] * 4]
    peer = best(of_it)
    floors = [result for result in of_it if results.is_floor(result["peer"])]
    limit = next((r for r in floors if r["peer"] == goal.against), floors[0] if floors else None)
    against = peer if goal.against == "best" else next((r for r in of_it if r["peer"] == goal.against), None)
    cells += [figure(of_it[0], "ours"), figure(peer, "theirs", peer["peer"]) if peer else "",
              figure(limit, "theirs", limit["peer"][len(results.FLOOR):]) if limit else ""]
    value = of_it[0]["ours"] if goal.unit else against and against["ratio"]
    if value is None:
        return [*cells, "", "not measured yet"]
    met = value >= goal.bound if more else value <= goal.bound
    noisy = any(r.get("noisy") for r in ([against] if against else of_it))
    return [*cells, "" if goal.unit else f"{value:.3g}", ("yes" if met else "**no**") + (", noisy" if noisy else "")]


def table(path):
    machine, found = results.read(path)
    lines = [f"From `bench/results/{pathlib.Path(path).name}`: {machine.get('date', '?')}, {machine.get('cores', '?')} × "
             f"{machine.get('cpu', '?')}, muster {machine.get('muster', '?')}.", "",
             "| what | workload | must | ours | best peer | limit | ratio | met |", "|---|---|---|---|---|---|---|---|"]
    lines += ["| " + " | ".join(row(goal, found)) + " |" for goal in GOALS]
    return "\n".join(lines)


def written_into(page, text):
    before, rest = page.split(BEGIN, maxsplit=1)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END, maxsplit=1)[1]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", help="a file of bench/results, or what run.py printed")
    parser.add_argument("--write", action="store_true", help="put it into docs/performance.md")
    arguments = parser.parse_args()
    try:
        text = table(arguments.results)
    except (OSError, ValueError) as problem:
        print(f"goals: {problem}", file=sys.stderr)
        return 2
    if arguments.write:
        PAGE.write_text(written_into(PAGE.read_text(), text))
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
