#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails on every #include that src/layers.txt does not allow.

A file in src/<room>/ may name, of this project, the headers of its own room, of the rooms on its room's line, and the
public ones; the command (src/cli) only its own and the public ones. A public header may name the standard library of
C++20 and other public headers, and nothing else; include/muster/cereal.hpp may also name cereal, and asio.hpp asio.
One for C (.h) names the headers that C11 has without a library.

  check_layers.py [root]
"""
import pathlib
import re
import sys

STANDARD = set("""
algorithm any array atomic barrier bit bitset cassert cctype cerrno cfenv cfloat charconv chrono cinttypes climits
clocale cmath codecvt compare complex concepts condition_variable coroutine csetjmp csignal cstdarg cstddef cstdint
cstdio cstdlib cstring ctime cuchar cwchar cwctype deque exception execution filesystem format forward_list fstream
functional future initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory
memory_resource mutex new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore
set shared_mutex source_location span sstream stack stdexcept stop_token streambuf string string_view syncstream
system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector
version
""".split())
STANDARD_OF_C = {"float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h", "stdint.h",
                 "stdnoreturn.h"}
MAY_ALSO_NAME = {"cereal.hpp": "cereal/", "asio.hpp": "asio/"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
SOURCES = {".hpp", ".cpp", ".h", ".cc", ".c", ".ipp", ".inc"}


def read_layers(path):
    """The rooms each room may name, and what is wrong with the file itself."""
    allowed, problems = {}, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        line = line.split("#")[0].strip()
        if not line:
            continue
        room, colon, others = line.partition(":")
        room = room.strip()
        if not colon or room in allowed:
            problems.append(f"{path}:{number}: expected one line 'room : other rooms' for each room")
            continue
        allowed[room] = set(others.split())
    for room, others in allowed.items():
        for other in sorted(others - set(allowed)):
            problems.append(f"{path}: room '{room}' may name '{other}', which has no line of its own")

    # What is left when rooms that name no remaining room are taken away, again and again, is a circle.
    remaining = dict(allowed)
    while free := [room for room, others in remaining.items() if not others & set(remaining)]:
        for room in free:
            del remaining[room]
    if remaining:
        problems.append(f"{path}: these rooms name each other in a circle: {' '.join(sorted(remaining))}")
    return allowed, problems


def includes(path):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        if match := INCLUDE.match(line):
            yield number, match[1], match[2]


def source_files(directory):
    return sorted(p for p in directory.rglob("*") if p.suffix in SOURCES) if directory.is_dir() else []


def check_room_include(room, delimiter, name, allowed, root):
    if name.startswith("muster/"):
        if delimiter == '"':
            return f'write <{name}>: public headers are named in angle brackets'
        if not (root / "include" / name).is_file():
            return f"there is no public header <{name}>"
        return None
    first = name.split("/")[0]
    if first in allowed and "/" in name:
        if delimiter == "<" and not (root / "src" / name).is_file():
            return None  # a system header that happens to lie in a directory of that name
        if first != room and first not in allowed[room]:
            may = " ".join(sorted(allowed[room])) or "no other room"
            if room == "cli":
                may = "only the public headers"
            return f"room '{room}' must not name room '{first}' (it may name: {may})"
        return None
    if delimiter == '"':
        return f'"{name}" does not begin with a room: write "room/header.hpp"'
    return None


def check_public_include(path, delimiter, name):
    if delimiter == '"':
        return f'"{name}": a public header names others as <muster/...>'
    if name.startswith("muster/") or name in STANDARD:
        return None
    if path.suffix == ".h":
        return None if name in STANDARD_OF_C else f"<{name}> is no header that C11 has without a library"
    if name.startswith(MAY_ALSO_NAME.get(path.name, "\0")):
        return None
    return f"<{name}> is neither <muster/...> nor a header of the C++20 standard library"


def check(root):
    allowed, problems = read_layers(root / "src" / "layers.txt")
    for path in source_files(root / "src"):
        parts = path.relative_to(root / "src").parts
        shown = path.relative_to(root)
        if len(parts) == 1 or parts[0] not in allowed:
            problems.append(f"{shown}: lies in no room that src/layers.txt names")
            continue
        for number, delimiter, name in includes(path):
            if problem := check_room_include(parts[0], delimiter, name, allowed, root):
                problems.append(f"{shown}:{number}: {problem}")
    for path in source_files(root / "include"):
        for number, delimiter, name in includes(path):
            if problem := check_public_include(path, delimiter, name):
                problems.append(f"{path.relative_to(root)}:{number}: {problem}")
    return problems


def main():
    root = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent
    problems = check(root)
    print("\n".join(problems) if problems else "layers: every include is one that src/layers.txt allows")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
