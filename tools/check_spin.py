#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Checks a Promela model with Spin, all ways it can go: check_spin.py --spin <spin> --compiler <cc> <model.pml>.

The model as it is must have no error, and every state of it must be seen. Each macro BROKEN_<what> that the model knows
breaks it in one way, and Spin must find that. Exits with 1 when one of these is not so.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

LIMIT = 240  # seconds for one search


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=LIMIT)
    return done.returncode, done.stdout + done.stderr


def search(arguments, define):
    """What Spin's checker says, or raises RuntimeError."""
    with tempfile.TemporaryDirectory() as folder:
        for command in ([arguments.spin, *([f"-D{define}"] if define else []), "-a", arguments.model.resolve()],
                        [arguments.compiler, "-O2", "-w", "-DSAFETY", "-DMEMLIM=2000", "-o", "pan", "pan.c"],
                        ["./pan", "-m1000000", "-n"]):
            status, said = run(command, folder)
            if status != 0:
                raise RuntimeError(f"{command[0]} failed: {said}")
        return said


def error_in(said):
    """The first error, or nothing when every state was seen without one. Raises RuntimeError when not all were seen."""
    found = re.search(r"^pan:\d+: (.+?)(?: \(at depth \d+\))?$", said, re.M)
    if found is None and ("errors: 0" not in said or "Search not completed" in said or "max search depth" in said):
        raise RuntimeError(f"not every state was seen: {said}")
    return found.group(1) if found else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--spin", default="spin")
    parser.add_argument("--compiler", default="cc", help="of C")
    parser.add_argument("model", type=pathlib.Path)
    arguments = parser.parse_args()
    failures = 0
    for define in [None, *sorted(set(re.findall(r"\bBROKEN_\w+", arguments.model.read_text())))]:
        said = search(arguments, define)
        error = error_in(said)
        good = (error is None) == (define is None)
        if define is None:
            states = re.search(r"(\d+) states, stored", said).group(1)
            says = f"no error in {states} states" if good else f"FAILED: {error}"
        else:
            says = f"{define}: found ({error})" if good else f"{define}: FAILED to find it"
        failures += not good
        print(f"{arguments.model.name}: {says}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
