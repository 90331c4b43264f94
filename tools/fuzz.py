#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs the fuzzers of a build, two at a time, and says what they found.

  fuzz.py build [--seconds 600] [target...]

Each begins with tests/fuzz/corpus/<target> and what it met in earlier runs, which is kept in <build>/corpus/<target>.
An input that breaks a promise is left in <build>/found/<target>, what libFuzzer says in <build>/<target>.log.
"""
import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
AT_ONCE = 2
MOST_MEMORY = 2_048  # MiB of one fuzzer
MOST_AT_A_TIME = 512  # MiB that one allocation may ask for: inputs are small
LONGEST_INPUT = 4_096  # bytes
LONGEST_RUN = 20  # seconds that one input may take


def arguments_of(program, build, seconds):
    name = program.name
    met, found = build / "corpus" / name, build / "found" / name
    for each in (met, found):
        each.mkdir(parents=True, exist_ok=True)
    return [program.resolve(), f"-max_total_time={seconds}", f"-timeout={LONGEST_RUN}", f"-max_len={LONGEST_INPUT}",
            f"-rss_limit_mb={MOST_MEMORY}", f"-malloc_limit_mb={MOST_AT_A_TIME}", f"-artifact_prefix={found}/",
            "-print_final_stats=1", f"-dict={build / 'words'}", met,
            ROOT / "tests/fuzz/corpus" / name]


def write_words(build):
    """The names of all options, which nobody hits upon by chance."""
    names = re.findall(r"^\| `([a-z_.]+)`", (ROOT / "docs/reference/options.md").read_text(), re.MULTILINE)
    (build / "words").write_text("".join(f'"{each}="\n' for each in sorted(set(names))))


def run(program, build, seconds):
    """Whether all promises held, and a line about it."""
    log = build / f"{program.name}.log"
    with log.open("w") as out:
        code = subprocess.run(arguments_of(program, build, seconds), stdin=subprocess.DEVNULL, stdout=out,
                              stderr=subprocess.STDOUT, check=False).returncode
    text = log.read_text(errors="replace")
    inputs = re.findall(r"number_of_executed_units: (\d+)", text)
    covered = re.findall(r"cov: (\d+)", text)
    line = f"{program.name}: {inputs[-1] if inputs else '?'} inputs, {covered[-1] if covered else '?'} places covered"
    if code == 0:
        return True, line + ", nothing found"
    why = re.findall(r"^(?:broken promise: .*|SUMMARY: .*|==\d+== ?ERROR: .*)$", text, re.MULTILINE)
    return False, f"{line}\n  {why[0] if why else f'ended with code {code}'}\n  see {log} and {build / 'found' / program.name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("targets", nargs="*")
    asked = parser.parse_intermixed_args()
    names = asked.targets or sorted(each.name for each in (ROOT / "tests/fuzz/corpus").iterdir())
    programs = [asked.build / "fuzzers" / name for name in names]
    missing = [each.name for each in programs if not each.exists()]
    if missing:
        sys.exit(f"fuzz: not built: {', '.join(missing)}")
    write_words(asked.build)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as runs:
        well = True
        for held, line in runs.map(lambda program: run(program, asked.build, asked.seconds), programs):
            print(line, flush=True)
            well = well and held
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
