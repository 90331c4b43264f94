#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares ours in two files of results, those of an earlier and of a later revision: compare.py <earlier> <later>.

`slower` is how many times as much time, memory or size ours takes later; its range comes from the quartiles of both.
`peers` is the same of the peers of that workload, which did not change: what the machine did meanwhile. A workload has
become slower when all three hold: ours is worse by more than the bound, by more than the bound beyond what peers are
(their median), and the two ranges of ours do not overlap. Exits with 1 when one has, with 2 when there is nothing to
compare.
"""
import argparse
import statistics
import sys

import results


def of_ours(found):
    """By workload: unit, median and range of ours, whether a result of it is noisy, and the medians of its peers."""
    workloads = {}
    for result in found:
        entry = workloads.setdefault(result["workload"], {
            "unit": result["unit"], "ours": result["ours"], "range": result["spread"]["ours"], "noisy": False,
            "peers": {}})
        # What is noisy beside a noisy peer may be sound itself, so ours is judged by its own range.
        entry["noisy"] |= results.is_noisy(result["spread"]["ours"])
        if not results.is_floor(result["peer"]):
            entry["peers"][result["peer"]] = result["theirs"]
    return workloads


def times_worse(unit, earlier, later):
    better, worse = (later, earlier) if results.more_is_better(unit) else (earlier, later)
    return worse / better if better else None


def compare(name, earlier, later, bound):
    """One row, and whether ours became slower."""
    unit = earlier["unit"]
    slower = times_worse(unit, earlier["ours"], later["ours"])
    if slower is None:
        return (name, unit, results.shown(earlier["ours"]), results.shown(later["ours"]), "-", "", "-", "not comparable"), False
    ends = [times_worse(unit, a, b) for a in earlier["range"] for b in later["range"]]
    low, high = (min(ends), max(ends)) if None not in ends else (slower, slower)
    shared = earlier["peers"].keys() & later["peers"].keys()
    moves = [times_worse(unit, earlier["peers"][peer], later["peers"][peer]) for peer in shared]
    moves = [move for move in moves if move is not None]
    peers = statistics.median(moves) if moves else 1.0
    is_slower = slower > bound and slower > bound * peers and low > 1
    is_faster = slower < 1 / bound and slower * bound < peers and high < 1
    said = "SLOWER" if is_slower else "faster" if is_faster else "within its spread" if slower > bound else ""
    if earlier["noisy"] or later["noisy"]:
        said = f"{said}, noisy" if said else "noisy"
    row = (name, unit, results.shown(earlier["ours"]), results.shown(later["ours"]), f"{slower:.3g}",
           f"{low:.3g} to {high:.3g}", f"{peers:.3g}" if moves else "-", said)
    return row, is_slower


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("earlier", help="a file of bench/results, or what run.py printed")
    parser.add_argument("later", help="the same of the later revision")
    parser.add_argument("--bound", type=float, default=1.1, metavar="TIMES",
                        help="how many times worse is slower (default: 1.1)")
    arguments = parser.parse_args()
    if arguments.bound < 1:
        parser.error("--bound is at least 1")
    return arguments


def main():
    arguments = read_arguments()
    try:
        (machine, earlier), (later_machine, later) = results.read(arguments.earlier), results.read(arguments.later)
    except (OSError, ValueError) as problem:
        print(f"compare: {problem}", file=sys.stderr)
        return 2
    earlier, later = of_ours(earlier), of_ours(later)
    shared = [name for name in earlier if name in later]
    if not shared:
        print("compare: the two have no workload in common", file=sys.stderr)
        return 2
    for fact in ("cpu", "cores", "compiler"):
        if machine.get(fact) != later_machine.get(fact):
            print(f"compare: not the same {fact}: {machine.get(fact)}, then {later_machine.get(fact)}", file=sys.stderr)
    compared = [compare(name, earlier[name], later[name], arguments.bound) for name in shared]
    titles = ("workload", "unit", machine.get("muster", "earlier"), later_machine.get("muster", "later"), "slower",
              "range", "peers", "")
    print(results.columns([titles] + [row for row, _ in compared], right=(2, 3, 4, 6)))
    for name in sorted(earlier.keys() ^ later.keys()):
        print(f"{name}: only in the {'earlier' if name in earlier else 'later'}")
    worse = [row[0] for row, is_slower in compared if is_slower]
    if worse:
        print(f"slower by more than {arguments.bound} times: {', '.join(worse)}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
