#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The small rules of the house: check_house.py spdx|words [root]

spdx   every source file says its licence in its first line (the second, after a #! line)
words  no file uses a word of tools/words.txt
"""
import pathlib
import re
import subprocess
import sys

COMMENT = {".hpp": "//", ".cpp": "//", ".h": "//", ".c": "//", ".js": "//", ".mjs": "//", ".cjs": "//", ".py": "#",
           ".sh": "#", ".cmake": "#"}
COMMENT_BY_NAME = {"CMakeLists.txt": "#", "Makefile": "#"}
LICENCE = "SPDX-License-Identifier: MIT"
TEXT = set(COMMENT) | {".md", ".txt", ".in", ".json", ".toml", ".yml", ".yaml", ".html"}
NOT_OURS = ("build", "node_modules", ".git", ".cache", "__pycache__")


def project_files(root):
    """What git tracks or would track; without git, everything that is not obviously built."""
    listed = subprocess.run(["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if listed.returncode == 0:
        names = [name for name in listed.stdout.decode().split("\0") if name]
    else:
        names = [str(p.relative_to(root)) for p in root.rglob("*")]
        names = [name for name in names if not set(pathlib.Path(name).parts) & set(NOT_OURS)]
    return [pathlib.Path(name) for name in sorted(names) if (root / name).is_file()]


def check_spdx(root):
    problems = []
    for path in project_files(root):
        lines = (root / path).read_text(errors="replace").splitlines()[:2]
        shebang = bool(lines) and lines[0].startswith("#!")
        comment = COMMENT_BY_NAME.get(path.name) or COMMENT.get(path.suffix) or ("#" if shebang else None)
        if comment and f"{comment} {LICENCE}" not in lines[shebang:shebang + 1]:
            problems.append(f"{path}: line {1 + shebang} must be: {comment} {LICENCE}")
    return problems


def read_words(path):
    words = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            word, instead, where = ([part.strip() for part in line.split(":")] + [""])[:3]
            flags = 0 if word != word.lower() else re.IGNORECASE
            words.append((re.compile(rf"\b{re.escape(word)}\b", flags), word, instead, tuple(where.split())))
    return words


def check_words(root):
    words, problems = read_words(root / "tools" / "words.txt"), []
    for path in project_files(root):
        if path.suffix not in TEXT and path.name not in COMMENT_BY_NAME or path == pathlib.Path("tools/words.txt"):
            continue
        here = [entry for entry in words if not entry[3] or path.parts[0] in entry[3]]
        for number, line in enumerate((root / path).read_text(errors="replace").splitlines(), 1):
            problems += [f"{path}:{number}: not '{word}': {instead}" for pattern, word, instead, _ in here
                         if pattern.search(line)]
    return problems


CHECKS = {"spdx": check_spdx, "words": check_words}


def main():
    if len(sys.argv) < 2 or sys.argv[1] not in CHECKS:
        print(__doc__)
        return 2
    root = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else pathlib.Path(__file__).resolve().parent.parent
    problems = CHECKS[sys.argv[1]](root)
    print("\n".join(problems) if problems else f"{sys.argv[1]}: all is well")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
