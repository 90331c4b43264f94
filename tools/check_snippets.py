#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_snippets.py page.md program.cpp ...: every ```cpp or ```c block of the page stands in a program, in the page's order.

Lines are compared without the blanks around them, since a block of the page may be indented in the program.
"""
import pathlib
import re
import sys


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def find(wanted, whole, at):
    return next((i for i in range(at, len(whole)) if whole[i:i + len(wanted)] == wanted), None)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    page, programs = pathlib.Path(sys.argv[1]), sys.argv[2:]
    blocks = re.findall(r"^```(?:cpp|c)\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    if not blocks:
        sys.exit(f"{page}: has no block of C++ or C")
    left = {program: lines_of(pathlib.Path(program).read_text()) for program in programs}
    for block in blocks:
        wanted = lines_of(block)
        found = next((program for program in programs if find(wanted, left[program], 0) is not None), None)
        if found is None:
            where = programs[0] if len(programs) == 1 else f"any of {len(programs)} programs"
            sys.exit(f"{page}: this does not stand in {where}, or not in the page's order:\n{block}")
        left[found] = left[found][find(wanted, left[found], 0) + len(wanted):]


if __name__ == "__main__":
    main()
