#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws a file of results: plot.py <results> <picture.svg>. Ours, peers and floors of each workload, as bars.

Each workload has its own scale, which begins at nothing; the best is at the top. A thin line is the range from the first
to the third quartile.
"""
import argparse
import fnmatch
import html
import pathlib
import sys

import results

WIDTH, LEFT, RIGHT = 860, 190, 170  # of the picture; beside the bars on their left and right
BAR, GAP, TITLE = 13, 5, 30         # heights: of a bar, between bars, of a workload's title
TOP = 92
OURS, PEER, FLOOR, TEXT, DIM = "#3d8b7d", "#9aa7b5", "#fbfcfd", "#1f2933", "#5f6c7b"


def of_workload(found):
    """The sides of one workload, the best first: name, median, range."""
    first = found[0]
    sides = [("muster", first["ours"], first["spread"]["ours"])]
    sides += [(result["peer"], result["theirs"], result["spread"]["theirs"]) for result in found]
    return sorted(sides, key=lambda side: side[1], reverse=results.more_is_better(first["unit"]))


def text(x, y, words, colour=TEXT, size=12, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"{more}>{html.escape(words)}</text>'


def draw_side(y, side, most):
    name, median, (low, high) = side
    room = WIDTH - LEFT - RIGHT

    def at(value):
        return LEFT + room * min(max(value, 0) / most, 1)

    kind = "muster" if name == "muster" else "floor" if results.is_floor(name) else "peer"
    fill, edge = {"muster": (OURS, OURS), "peer": (PEER, PEER), "floor": (FLOOR, DIM)}[kind]
    label = name[len(results.FLOOR):] if kind == "floor" else name
    middle = y + BAR / 2
    parts = [text(LEFT - 10, y + BAR - 2.5, label.replace("_", " "), TEXT if kind == "muster" else DIM,
                  more=' text-anchor="end"' + (' font-weight="700"' if kind == "muster" else "")),
             f'<rect x="{LEFT}" y="{y:.1f}" width="{max(at(median) - LEFT, 1):.1f}" height="{BAR}" fill="{fill}" '
             f'stroke="{edge}" rx="1.5"/>']
    if high > low:
        parts.append(f'<line x1="{at(low):.1f}" y1="{middle:.1f}" x2="{at(high):.1f}" y2="{middle:.1f}" stroke="{TEXT}" '
                     'stroke-width="1.4"/>')
    parts.append(text(max(at(median), at(high)) + 8, y + BAR - 2.5, results.shown(median), DIM))
    return parts


def draw_workload(y, name, found):
    """The lines of one workload, and where the next begins."""
    unit = found[0]["unit"]
    sides = of_workload(found)
    most = max(max(median, high) for _, median, (_, high) in sides) or 1
    better = "more" if results.more_is_better(unit) else "less"
    noisy = "; noisy" if any(result.get("noisy") for result in found) else ""
    parts = [text(20, y + 18, name, size=13, more=' font-weight="700"'),
             text(WIDTH - 20, y + 18, f"{unit}, {better} is better{noisy}", DIM, more=' text-anchor="end"')]
    y += TITLE
    for side in sides:
        parts += draw_side(y, side, most)
        y += BAR + GAP
    return parts, y + GAP


def legend():
    parts, x = [], 20
    for fill, edge, words in ((OURS, OURS, "muster"), (PEER, PEER, "peer"), (FLOOR, DIM, "what the machine can do")):
        parts.append(f'<rect x="{x}" y="66" width="12" height="12" fill="{fill}" stroke="{edge}" rx="2"/>')
        parts.append(text(x + 18, 76, words, DIM))
        x += 30 + 7 * len(words)
    return parts


def draw(machine, found):
    workloads = {}
    for result in found:
        workloads.setdefault(result["workload"], []).append(result)
    body, y = [], TOP
    for name, of_it in workloads.items():
        parts, y = draw_workload(y, name, of_it)
        body += parts
    facts = ", ".join(str(fact) for fact in (machine.get("date"), f"{machine.get('cores', '?')} cores",
                                             machine.get("cpu"), machine.get("muster")) if fact)
    head = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y:.0f}" width="{WIDTH}" height="{y:.0f}" '
            'font-family="Inter, \'Helvetica Neue\', Arial, \'DejaVu Sans\', sans-serif" role="img">',
            "<title>muster beside its peers</title>", f'<rect width="{WIDTH}" height="{y:.0f}" fill="#fbfcfd"/>',
            text(20, 34, "muster beside its peers", size=20, more=' font-weight="700"'), text(20, 54, facts, DIM)]
    return "\n".join(head + legend() + body + ["</svg>"]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", help="a file of bench/results, or what run.py printed")
    parser.add_argument("picture", type=pathlib.Path, help="the SVG to write")
    parser.add_argument("--workload", default="*", metavar="NAME", help="only these; a * stands for anything")
    arguments = parser.parse_args()
    try:
        machine, found = results.read(arguments.results)
    except (OSError, ValueError) as problem:
        print(f"plot: {problem}", file=sys.stderr)
        return 2
    found = [result for result in found if fnmatch.fnmatchcase(result["workload"], arguments.workload)]
    if not found:
        print(f"plot: {arguments.results} has no such workload", file=sys.stderr)
        return 2
    arguments.picture.write_text(draw(machine, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
