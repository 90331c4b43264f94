# SPDX-License-Identifier: MIT
"""What a result is: how numbers become one, how it is written, read, and shown. Used by run.py, compare.py and plot.py.

A result compares ours with one peer in one workload:
    workload, unit, peer; ours, theirs: medians; ratio: ours/theirs; runs: of the side that has fewer;
    spread: {ours, theirs, ratio}: each from the first quartile to the third, the ratio's being of rounds;
    steal: the part of the machine's time that others of the same host took, where it is noteworthy;
    noisy: true, if these figures should not be trusted.
A file has the machine, the results, and what was skipped and why; or it is what run.py printed, one JSON object a line.
"""
import json
import pathlib
import statistics

NOISY = 1.25        # a side whose third quartile is so many times its first
NOTED_STEAL = 0.02  # below this it says nothing
NOISY_STEAL = 0.10
MORE_IS_BETTER = ("calls/s", "MB/s", "% of ideal")
FLOOR = "floor_"    # so begins the name of a peer that is what the machine can do


def more_is_better(unit):
    return unit in MORE_IS_BETTER


def is_floor(peer):
    return peer.startswith(FLOOR)


# ---- from numbers to results ----

def rounded(value):
    return float(f"{value:.4g}") if abs(value) < 1e4 else round(value)


def quartiles(values):
    """The first and the third: between them lies the middle half."""
    if len(values) < 2:
        return [values[0], values[0]]
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return [first, third]


def is_noisy(values):
    first, third = quartiles(values)
    return third > NOISY * first and third - first > 1e-9


def ratio_of(ours, theirs):
    return ours / theirs if theirs else None


def compare_sides(name, unit, rounds, steal=0.0):
    """One result for each peer that has numbers; without ours there is nothing to compare.

    `rounds` has for each side, by the number of the round, what was measured in it.
    """
    ours = rounds.get("muster")
    results = []
    for peer, theirs in rounds.items():
        if peer == "muster" or not ours or not theirs:
            continue
        our_values, their_values = list(ours.values()), list(theirs.values())
        middle, their_middle = statistics.median(our_values), statistics.median(their_values)
        ratio = ratio_of(middle, their_middle)
        of_rounds = [ours[i] / theirs[i] for i in ours.keys() & theirs.keys() if theirs[i]]
        spread = {"ours": quartiles(our_values), "theirs": quartiles(their_values)}
        if of_rounds:
            spread["ratio"] = quartiles(of_rounds)
        result = {"workload": name, "ours": rounded(middle), "unit": unit, "peer": peer, "theirs": rounded(their_middle),
                  "ratio": None if ratio is None else rounded(ratio), "runs": min(len(ours), len(theirs)),
                  "spread": {side: [rounded(v) for v in values] for side, values in spread.items()}}
        if steal >= NOTED_STEAL:
            result["steal"] = round(steal, 2)
        if is_noisy(our_values) or is_noisy(their_values) or steal >= NOISY_STEAL:
            result["noisy"] = True
        results.append(result)
    return results


# ---- to read ----

def columns(rows, right):
    """Rows of text below each other; the columns in `right` end together, the others begin together."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(w) if i in right else cell.ljust(w)
                               for i, (cell, w) in enumerate(zip(row, widths))).rstrip() for row in rows)


def shown(value):
    return "-" if value is None else f"{value:,}"


def shown_range(values):
    return "" if not values or values[0] == values[1] else f"{values[0]:,} to {values[1]:,}"


def table(results):
    rows = [("workload", "unit", "ours", "peer", "theirs", "ours/theirs", "in half of the rounds", "")]
    rows += [(r["workload"], r["unit"], shown(r["ours"]), r["peer"], shown(r["theirs"]), shown(r["ratio"]),
              shown_range(r["spread"].get("ratio")), "noisy" if r.get("noisy") else "") for r in results]
    return columns(rows, right=(2, 4, 5)) + f"\n{', '.join(MORE_IS_BETTER)}: more is better; all others: less is better"


# ---- files ----

def write(path, machine, results, skipped):
    def lines(entries):
        return ",\n".join("    " + json.dumps(entry) for entry in entries)

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{{\n  "machine": {json.dumps(machine)},\n  "results": [\n{lines(results)}\n  ],\n'
                    f'  "skipped": [\n{lines(skipped)}\n  ]\n}}\n')


def read(path):
    """Returns the machine and the results. Raises ValueError when it is not a file of results."""
    text = pathlib.Path(path).read_text()
    try:
        try:
            whole = json.loads(text)
            entries = [whole] if "workload" in whole else []
            machine, results = whole.get("machine", {}), whole.get("results", entries)
        except json.JSONDecodeError:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
            machine = next((e["machine"] for e in entries if "machine" in e), {})
            results = [e for e in entries if "workload" in e and "skipped" not in e]
        for result in results:
            result["spread"], result["ours"], result["theirs"], result["unit"], result["peer"]
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise ValueError(f"{path} has no results as bench/run.py writes them: {problem!r}") from problem
    return machine, results
