#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails when docs/coverage.md names a test that does not exist.

Tests are named there as `suite.test` in backticks; a `*` stands for any letters, and instantiations (`on_threads`) are
left out. `example.name` is the test that runs examples/name.cpp and compares what it prints.

  check_coverage.py [root]
"""
import fnmatch
import pathlib
import re
import sys

NAMED = re.compile(r"`([a-z_0-9*]+\.[a-z_0-9*]+)`")
DEFINED = re.compile(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\(\s*(\w+)\s*,\s*(\w+)\s*\)")
FILE_ENDINGS = (".hpp", ".cpp", ".md", ".py", ".txt", ".sh", ".json", ".h")


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    tests = {f"{suite}.{name}" for path in (root / "tests").rglob("*.cpp")
             for suite, name in DEFINED.findall(path.read_text())}
    tests |= {f"example.{path.stem}" for path in (root / "examples").glob("*.expected")}
    problems, named = [], 0
    for number, text in enumerate((root / "docs/coverage.md").read_text().splitlines(), 1):
        for name in NAMED.findall(text):
            if name.endswith(FILE_ENDINGS):
                continue
            named += 1
            if not fnmatch.filter(tests, name):
                problems.append(f"docs/coverage.md:{number}: there is no test {name}")
    if named == 0:
        problems.append("docs/coverage.md names no test at all")
    print("\n".join(problems), end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
