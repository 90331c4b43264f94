#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""check_snippets.py page.md program.cpp: every ```cpp block of the page stands in the program, in the page's order.

Lines are compared without the blanks around them, since a block of the page may be indented in the program.
"""
import pathlib
import re
import sys


def lines_of(text):
    return [line.strip() for line in text.splitlines() if line.strip()]


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    page, program = map(pathlib.Path, sys.argv[1:])
    blocks = re.findall(r"^```cpp\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    if not blocks:
        sys.exit(f"{page}: has no block of C++")
    whole, at = lines_of(program.read_text()), 0
    for block in blocks:
        wanted = lines_of(block)
        found = next((i for i in range(at, len(whole)) if whole[i:i + len(wanted)] == wanted), None)
        if found is None:
            sys.exit(f"{page}: this does not stand in {program}, or not in the page's order:\n{block}")
        at = found + len(wanted)


if __name__ == "__main__":
    main()
