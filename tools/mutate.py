#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Changes the plan in one small way after the other, and sees whether a test notices.

Each mutant is one change to one line of src/engine/plan*.cpp or src/policy: a comparison turned round, a condition
negated or made false, + for -, a number off by one, a statement left out. Only the changed file is compiled; it is
linked before the library, so that its functions win over those of the library, into the program plan_mutant_tests
(the unit tests of engine and policies, and the simulation with fewer worlds). A mutant is caught when a test fails,
crashes or does not end. One that does not compile does not count. What survives is shown.

  mutate.py BUILD [--mutants N] [--seed S] [--jobs J] [--least PERCENT] [--only TEXT] [--list]

BUILD is a build directory in which plan_mutant_tests is built; `make mutants` sees to that.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import resource
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = "plan_mutant_tests"
CPU_SECONDS = 20  # of a run of the tests, which takes one or two
WORLDS = "60"
# Takes longer than all others together.
LEFT_OUT = "failing.one_poison_among_ten_thousand_*"

# What is replaced by what; each occurrence is a mutant of its own.
SWAPS = [
    (r" == ", [" != "]), (r" != ", [" == "]),
    (r" < ", [" <= ", " >= "]), (r" <= ", [" < ", " > "]), (r" > ", [" >= ", " <= "]), (r" >= ", [" > ", " < "]),
    (r" && ", [" || "]), (r" \|\| ", [" && "]),
    (r" \+ ", [" - "]), (r" - ", [" + "]), (r" \+= ", [" -= "]), (r" -= ", [" += "]),
    (r"\+\+(?=\w)", ["--"]), (r"--(?=\w)", ["++"]),
    (r"\btrue\b", ["false"]), (r"\bfalse\b", ["true"]),
    (r"(?<=[ (])!(?=[\w(])", [""]),
    (r"std::max\b(?=\()", ["std::min"]), (r"std::min\b(?=\()", ["std::max"]),
    (r"\bbreak;", ["continue;"]), (r"\bcontinue;", ["break;"]),
    (r"(?<![\w.'<:\"{])(\d+)(?![\w.'>\"}])", ["+1"]),
]
# Says nothing that a test could see, or is no statement of its own.
SPARED = re.compile(r"MUSTER_ASSERT|static_assert|static_cast|^\s*#|^\s*//|\breserve\(|\bsay\(|announce|std::to_string")
DECLARES = re.compile(r"^\s*(const|constexpr|inline|auto|static|using|struct|class|enum|namespace|template|friend|case|"
                      r"return|break|continue|for|if|else|while|do|switch|default|public|private|explicit|void|bool|"
                      r"int|double|std::\w+<|duration |time_point |\[\[)")
STATEMENT = re.compile(r"^\s+[\w*+(:-][^=;{}]*(\([^;{}]*\)|=[^;{}]*|[\w\]])\s*;\s*(//.*)?$")


def code_of(line):
    """The line without its comment, strings blanked."""
    line = re.sub(r'"(\\.|[^"\\])*"', lambda m: '"' + "_" * (len(m[0]) - 2) + '"', line)
    return line.split("//")[0]


def mutants_of(path):
    """(line number, new line) for every change of this file that is worth a try."""
    found = []
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines):
        code = code_of(line)
        if not code.strip() or SPARED.search(line):
            continue
        for pattern, replacements in SWAPS:
            for match in re.finditer(pattern, code):
                for new in replacements:
                    if new == "+1":
                        new = str(int(match[1]) + 1)
                    found.append((number, line[:match.start()] + new + line[match.end():]))
        if match := re.match(r"^(\s*(?:\} else )?(?:if|while) )\((?!const auto|auto)(.*)\)(\s*\{?|\s+[\w:>.*+-]+.*;)$",
                             code.rstrip()):
            inside = line[match.start(2):match.end(2)]
            if inside.count("(") == inside.count(")") and ";" not in inside:
                rest = line[match.end(2) + 1:]
                found.append((number, f"{match[1]}(!({inside})){rest}"))
                found.append((number, f"{match[1]}(false && ({inside})){rest}"))
        if STATEMENT.match(code) and not DECLARES.match(code):
            complete = number > 0 and re.search(r"([;{}:)]|\belse)\s*$", code_of(lines[number - 1]) or ";")
            if complete and code.count("(") == code.count(")"):
                indent = re.match(r"\s*", line)[0]
                found.append((number, f"{indent}(void)0;"))
    return [(number, new) for number, new in found if new != lines[number]]


class Workshop:
    def __init__(self, build):
        self.build = build
        commands = json.loads((build / "compile_commands.json").read_text())
        self.commands = {pathlib.Path(each["file"]).resolve(): each for each in commands}
        ninja = subprocess.run(["ninja", "-C", build, "-t", "commands", PROGRAM], capture_output=True, text=True,
                               check=True)
        self.link = [line for line in ninja.stdout.splitlines() if f"-o tests/{PROGRAM}" in line][-1]

    def includers(self, header):
        """Of a header, what must be compiled so that all its functions are there: tests and files of the engine."""
        name = f'"{header.relative_to(ROOT / "src")}"'
        plan_reads_it = any(name in (ROOT / "src/engine" / f).read_text() for f in ("plan.hpp", "plan_words.hpp"))
        tests = [f for kind in ("policy", "engine") for f in sorted((ROOT / "tests/unit" / kind).glob("*.cpp"))]
        users = sorted((ROOT / "src").rglob("*.cpp"))
        plan = ROOT / "src/engine/plan.cpp"
        reading = [f for f in tests + users if name in f.read_text() or (f == plan and plan_reads_it)]
        return reading[:4]

    def compile(self, source, mutated, overlay, into):
        known = self.commands[source.resolve()]
        words = [w for w in shlex.split(known["command"]) if w != "-Werror"]
        words[words.index("-o") + 1] = str(into)
        at = words.index("-c")
        words[at + 1] = str(mutated if mutated else source)
        # The changed header comes before the true one. Precompiled headers hold none of ours that could be changed.
        words[1:1] = ["-I", str(overlay)] if "ccache" not in words[0] else []
        if "ccache" in words[0] or words[0] == "env":
            compiler = next(i for i, w in enumerate(words) if "++" in os.path.basename(w))
            words = words[compiler:]
            words[1:1] = ["-I", str(overlay)]
        words += ["-w"]
        return subprocess.run(words, cwd=known["directory"], capture_output=True, text=True, check=False)

    def make(self, path, text, folder):
        """The program with this file changed, or None where it does not compile."""
        overlay = folder / "src"
        changed = overlay / path.relative_to(ROOT / "src")
        changed.parent.mkdir(parents=True, exist_ok=True)
        changed.write_text(text)
        objects = []
        sources = [path] if path.suffix == ".cpp" else self.includers(path)
        for number, source in enumerate(sources):
            into = folder / f"{number}.o"
            if self.compile(source, changed if source == path else None, overlay, into).returncode != 0:
                return None
            objects.append(str(into))
        program = folder / PROGRAM
        command = self.link
        for source in sources:  # a test that is compiled again takes the place of itself
            if source.is_relative_to(ROOT / "tests"):
                command = command.replace(
                    f"tests/CMakeFiles/{PROGRAM}.dir/{source.relative_to(ROOT / 'tests')}.o", "")
        # Before all others: of several definitions the first one is taken.
        command = re.sub(r" (?=\S+\.o )", f" -Wl,--allow-multiple-definition {' '.join(objects)} ", command, count=1)
        command = command.replace(f"-o tests/{PROGRAM} ", f"-o {program} ")
        linked = subprocess.run(command, shell=True, cwd=self.build, capture_output=True, text=True, check=False)
        if linked.returncode != 0:
            raise RuntimeError(linked.stdout + linked.stderr)
        return program


def passes(program):
    """Whether all tests are content with it."""
    limit = lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    environment = dict(os.environ, MUSTER_SEEDS=WORLDS)
    for some in (f"-simulation.*:{LEFT_OUT}", "simulation.*"):
        try:
            ran = subprocess.run([program, "--gtest_brief=1", "--gtest_fail_fast", f"--gtest_filter={some}"],
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment,
                                 preexec_fn=limit, timeout=CPU_SECONDS * 20, check=False)
        except subprocess.TimeoutExpired:
            return False
        if ran.returncode != 0:
            return False
    return True


def try_mutant(workshop, path, number, new):
    lines = path.read_text().split("\n")
    old, lines[number] = lines[number], new
    with tempfile.TemporaryDirectory() as folder:
        program = workshop.make(path, "\n".join(lines), pathlib.Path(folder))
        if program is None:
            return "does not compile", ""
        survived = passes(program)
    where = path.relative_to(ROOT)
    return ("survived" if survived else "caught"), f"{where}:{number + 1}\n  - {old.strip()}\n  + {new.strip()}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("build", type=pathlib.Path)
    arguments.add_argument("--mutants", type=int, default=200)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--jobs", type=int, default=2)
    arguments.add_argument("--least", type=float, default=85, help="percent that must be caught")
    arguments.add_argument("--only", default="", help="files whose path has this in it")
    arguments.add_argument("--list", action="store_true", help="only say how many there are in each file")
    chosen = arguments.parse_args()

    files = sorted((ROOT / "src/engine").glob("plan*.cpp")) + sorted((ROOT / "src/policy").glob("*.[hc]pp"))
    files = [f for f in files if chosen.only in str(f)]
    every = [(path, number, new) for path in files for number, new in mutants_of(path)]
    if chosen.list:
        for path in files:
            print(f"{sum(1 for each in every if each[0] == path):5} {path.relative_to(ROOT)}")
        return 0
    random.Random(chosen.seed).shuffle(every)

    workshop = Workshop(chosen.build.resolve())
    if not passes(chosen.build.resolve() / "tests" / PROGRAM):
        sys.exit("mutate: the tests fail with nothing changed")
    tally = {"caught": 0, "survived": 0, "does not compile": 0}
    waiting = iter(every)
    with concurrent.futures.ThreadPoolExecutor(chosen.jobs) as pool:
        # In order, and no more than wanted: which mutants are tried depends on the seed alone.
        while (missing := chosen.mutants - tally["caught"] - tally["survived"]) > 0:
            batch = [each for each, _ in zip(waiting, range(min(missing, 10 * chosen.jobs)))]
            if not batch:
                break
            for verdict, diff in pool.map(lambda each: try_mutant(workshop, *each), batch):
                tally[verdict] += 1
                if verdict == "survived":
                    print(f"SURVIVED {diff}", flush=True)
    tried = tally["caught"] + tally["survived"]
    percent = 100 * tally["caught"] / max(1, tried)
    print(f"{tally['caught']} of {tried} mutants caught: {percent:.1f} % (seed {chosen.seed}; {len(every)} possible; "
          f"{tally['does not compile']} more did not compile)")
    return 0 if percent >= chosen.least else 1


if __name__ == "__main__":
    sys.exit(main())
