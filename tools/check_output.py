#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a program and compares its standard output with a file: check_output.py <expected> <program> [argument ...]"""
import difflib
import pathlib
import subprocess
import sys


def main() -> int:
    expected_file, command = pathlib.Path(sys.argv[1]), sys.argv[2:]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, errors="replace")
    expected = expected_file.read_text()
    if run.stdout != expected:
        sys.stdout.writelines(line if line.endswith("\n") else line + "\n" for line in difflib.unified_diff(
            expected.splitlines(True), run.stdout.splitlines(True), str(expected_file), "standard output"))
    if run.returncode != 0:
        print(f"{command[0]} ended with {run.returncode}")
    return 1 if run.returncode != 0 or run.stdout != expected else 0


if __name__ == "__main__":
    sys.exit(main())
