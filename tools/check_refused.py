#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Passes when a program does not compile and the compiler says what the program promises it will say.

The comment at the head of the program holds one or several lines `// refused-because: <sentence>`; each sentence
must appear in the compiler's output. The compiler echoes no source lines here, so that it cannot quote the program.
A line `// refused-with: <n>` says how many errors there may be in all.
"""
import argparse
import pathlib
import re
import subprocess
import sys


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--std", default="c++20")
    parser.add_argument("program", type=pathlib.Path)
    options = parser.parse_args()

    head = []
    for line in options.program.read_text().splitlines():
        if not line.startswith("//"):
            break
        head.append(line)
    sentences = re.findall(r"^// refused-because: (.+?)\s*$", "\n".join(head), re.MULTILINE)
    if not sentences:
        print(f"{options.program}: its first comment has no line '// refused-because: <sentence>'")
        return 1

    command = [options.compiler, f"-std={options.std}", "-fsyntax-only", "-fno-diagnostics-show-caret"]
    if "clang" in pathlib.Path(options.compiler).name:
        command[-1] = "-fno-caret-diagnostics"
    command += [f"-I{directory}" for directory in options.include] + [str(options.program)]
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    if run.returncode == 0:
        print(f"{options.program}: compiles, but must be refused because: {sentences[0]}")
        return 1
    unsaid = [sentence for sentence in sentences if sentence not in run.stdout]
    for sentence in unsaid:
        print(f"{options.program}: is refused, but the compiler does not say: {sentence}")
    if unsaid:
        print(run.stdout)
    allowed = re.search(r"^// refused-with: (\d+)$", "\n".join(head), re.MULTILINE)
    errors = len(re.findall(r": error: ", run.stdout))
    if allowed and errors != int(allowed[1]):
        print(f"{options.program}: is refused with {errors} errors, not {allowed[1]}")
        print(run.stdout)
        return 1
    return 1 if unsaid else 0


if __name__ == "__main__":
    sys.exit(main())
