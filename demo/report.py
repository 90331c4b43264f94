#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What came of a run:  report.py RUN_DIRECTORY [OUT_DIRECTORY [CONTACT_SHEET_PROGRAM]]

Reads run.json, results.jsonl and events.jsonl. Prints a table, writes summary.json, timeline.svg and, given the program
that draws it, contact-sheet.jpg. Fails when the numbers do not add up, when a photograph gave no thumbnail, when a
hostile file did not fail as it should, or when a process was left behind.
"""
import json
import os
import pathlib
import re
import subprocess
import sys

import timeline

KINDS = ("worker_error", "unexpected_exit", "out_of_memory", "task_timeout")
SUMMARY_KEYS = {"tasks", "succeeded", "failed", "workers_started", "workers_died", "orphans", "seconds"}
SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}


class refused(Exception):
    """The run, or what it wrote, is not what it should be."""


def read_lines(path):
    path = pathlib.Path(path)
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


# ---- what the results say ----
def kind_of(result):
    """One of KINDS. Whatever else a task may throw counts as the task's own error."""
    kind = result["error"]["kind"]
    return kind if kind in KINDS else "worker_error"


def cause_of(result):
    """What went wrong, in a few words."""
    error, kind = result["error"], kind_of(result)
    if kind == "out_of_memory":
        return "out of memory"
    if kind == "task_timeout":
        return "never came to an end"
    if kind == "unexpected_exit":
        number = error.get("signal")
        return f"crashed ({SIGNALS.get(number, f'signal {number}')})" if number else "its process ended"
    first = (error.get("message") or error["kind"]).strip().splitlines()[0]
    first = re.sub(r"^task \d+( \(.*?\))?(, worker \d+)?: ", "", first)  # the table has columns for these
    return re.sub(r"^(\w+::)*\w*(error|exception|failure)\w*: ", "", first)


def name_of(result):
    return str(result.get("id") or f"task {result['index']}")


def summarise(results, events, orphans, seconds):
    failed = dict.fromkeys(KINDS, 0)
    for result in results:
        if not result["ok"]:
            failed[kind_of(result)] += 1
    count = lambda what: sum(event["event"] == what for event in events)
    return {
        "tasks": len(results),
        "succeeded": sum(bool(result["ok"]) for result in results),
        "failed": failed,
        "workers_started": count("worker_started"),
        "workers_died": count("worker_died"),
        "orphans": orphans,
        "seconds": seconds,
    }


def check_summary(summary):
    """Raises unless the numbers can be true together."""
    problems = []
    if set(summary) != SUMMARY_KEYS or set(summary["failed"]) != set(KINDS):
        raise refused("the summary has not exactly the keys it should have")
    numbers = [value for key, value in summary.items() if key not in ("failed", "seconds")]
    if any(type(number) is not int or number < 0 for number in [*numbers, *summary["failed"].values()]):
        problems.append("a count is not a whole number of 0 or more")
    failures = sum(summary["failed"].values())
    if summary["tasks"] != summary["succeeded"] + failures:
        problems.append(f"{summary['tasks']} tasks are not {summary['succeeded']} that succeeded and {failures} "
                        "that failed")
    if summary["workers_died"] > summary["workers_started"]:
        problems.append(f"{summary['workers_died']} workers died, but only {summary['workers_started']} were started")
    if summary["failed"]["unexpected_exit"] > summary["workers_died"]:
        problems.append("more tasks lost their worker than workers died")
    if problems:
        raise refused("the summary does not add up: " + "; ".join(problems))


def problems_of(run, results, summary):
    """Everything about this run that is not as it must be, one sentence each."""
    problems = []
    expected, seen = run["expected"], {}
    for result in results:
        name = name_of(result)
        if name in seen:
            problems.append(f"{name} has two results")
        seen[name] = result
    for name in seen.keys() - expected.keys():
        problems.append(f"{name} has a result, and nobody asked for it")
    for name, kind in expected.items():
        result = seen.get(name)
        if result is None:
            problems.append(f"{name} has no result")
        elif kind is None and not result["ok"]:
            slow = " (on a slow machine: TIMEOUT=20s make demo)" if kind_of(result) == "task_timeout" else ""
            problems.append(f"{name} is a photograph, and gave no thumbnail: {cause_of(result)}{slow}")
        elif kind is not None and result["ok"]:
            problems.append(f"{name} is hostile, and gave a thumbnail")
        elif kind is not None and kind_of(result) != kind:
            problems.append(f"{name} must fail as {kind}, and failed as {kind_of(result)}: {cause_of(result)}")
        elif kind is None and not pathlib.Path(result["value"]["path"]).is_file():
            problems.append(f"{name} has a result, but its thumbnail is not there")
    if summary["orphans"] != 0:
        problems.append(f"{summary['orphans']} processes were left behind")
    failures = summary["tasks"] - summary["succeeded"]
    if run["exit_code"] != (1 if failures else 0):
        problems.append(f"muster run ended with {run['exit_code']}, which is not what {failures} failures mean")
    return problems


# ---- what a person reads ----
def paint(text, code):
    return f"\033[{code}m{text}\033[0m" if sys.stdout.isatty() and "NO_COLOR" not in os.environ else text


def shorten(text, most):
    return text if len(text) <= most else text[:most - 1] + "…"


def print_table(results):
    width = min(44, max(len(name_of(result)) for result in results))
    print(f"\n{'file':<{width}}  {'outcome':<15}  {'time':>7}  worker  what came of it")
    for result in sorted(results, key=lambda each: each["index"]):
        took = f"{result['ended'] - result['began']:6.2f}s" if result.get("began") is not None else ""
        worker = "" if result.get("worker") is None else result["worker"]
        if result["ok"]:
            value = result["value"]
            outcome = "ok".ljust(15)
            what = f"{value['photo_width']} x {value['photo_height']} -> {value['width']} x {value['height']}"
        else:
            outcome, what = paint(kind_of(result).ljust(15), "31"), cause_of(result)
        print(f"{shorten(name_of(result), width):<{width}}  {outcome}  {took:>7}  {worker!s:^6}  {shorten(what, 70)}")


def print_deaths(results):
    """Of those that cost a worker: what muster had to say about it."""
    for result in results:
        if result["ok"] or kind_of(result) == "worker_error":
            continue
        error = result["error"]
        print(f"\n{paint(name_of(result), '1')}\n    {(error.get('message') or '').strip().splitlines()[0]}")
        frames = [line.strip() for line in (error.get("backtrace") or "").splitlines() if "thumbnails" in line]
        for frame in frames[:3]:
            print(f"    {shorten(frame, 110)}")


def headline(summary):
    failures = summary["tasks"] - summary["succeeded"]
    return (f"{summary['succeeded']} thumbnails from {summary['tasks']} files, {failures} failures, "
            f"{summary['workers_died']} dead workers, in {summary['seconds']:.1f} s")


def draw_contact_sheet(program, out, results, summary):
    tiles = []
    for result in sorted(results, key=lambda each: each["index"]):
        caption = pathlib.PurePath(name_of(result)).stem.replace("_", " ")
        kind, text = ("photo", result["value"]["path"]) if result["ok"] else ("failed", cause_of(result))
        tiles.append("\t".join([kind, re.sub(r"\s+", " ", caption), re.sub(r"[\t\n]", " ", text)]))
    done = subprocess.run([program, out, headline(summary)], input="\n".join(tiles) + "\n", stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise refused(f"the contact sheet could not be drawn: {done.stdout.strip()}")


def report(run_directory, out, contact_sheet=None):
    """Returns the exit code of the demonstration."""
    run_directory, out = pathlib.Path(run_directory), pathlib.Path(out)
    try:
        run = json.loads((run_directory / "run.json").read_text(encoding="utf-8"))
        results, events = read_lines(run_directory / "results.jsonl"), read_lines(run_directory / "events.jsonl")
        if not results:
            raise refused(f"muster run ended with {run['exit_code']} and gave no results")
        summary = summarise(results, events, run["orphans"], run["seconds"])
        check_summary(summary)
        print_table(results)
        print_deaths(results)
        (out / "summary.json").write_text(json.dumps(summary) + "\n")
        (out / "timeline.svg").write_text(timeline.draw(results, events, summary, cause_of, kind_of), encoding="utf-8")
        made = ["summary.json", "timeline.svg"]
        problems = problems_of(run, results, summary)
        lost = any("is not there" in problem for problem in problems)
        if contact_sheet and not lost:
            draw_contact_sheet(contact_sheet, out / "contact-sheet.jpg", results, summary)
            made.append("contact-sheet.jpg")
    except refused as why:
        print(f"demo: {why}", file=sys.stderr)
        return 1
    print("\n" + paint(headline(summary), "1"))
    print(f"{summary['workers_started']} workers were started for {run['workers']} places; "
          f"{summary['orphans']} processes were left behind")
    for name in made:
        print(f"    {os.path.relpath(out / name)}")
    sys.stdout.flush()
    for problem in problems:
        print(f"demo: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    sys.exit(report(sys.argv[1], *(sys.argv[2:] or [sys.argv[1]])))
