# SPDX-License-Identifier: MIT
"""How one run of one side gives a number. A side is a function of the bench, the workload and a count."""
import contextlib
import functools
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
NOT_SUPPORTED = 3  # the exit status of a side that has no such workload
RUN_LIMIT = 35     # seconds for one run; the programs end themselves after 30
NPM_LIMIT = 120    # seconds for the installation


class Skipped(Exception):
    """This side cannot be measured here, which is no failure."""


class Bench:
    """Where things are, and what was found out about the machine on the way. Owned by main."""

    def __init__(self, build):
        self.build = build
        self.programs = build / "bench"
        cache = build / "CMakeCache.txt"
        self.cache = cache.read_text() if cache.exists() else ""
        self.compiler = self.setting("CMAKE_CXX_COMPILER") or "c++"

    def setting(self, name):
        """What CMake was told or found; nothing when it found nothing."""
        found = re.search(rf"^{name}:\w+=(.+)$", self.cache, re.M)
        return None if not found or found.group(1).endswith("-NOTFOUND") else found.group(1)

    @functools.cached_property
    def npm_problem(self):
        """Installs the packages of processes/package.json below the build. Returns what went wrong, or nothing."""
        for command in ("node", "npm"):
            if not shutil.which(command):
                return f"there is no {command}"
        wanted = (HERE / "processes/package.json").read_text()
        folder = self.build / "npm"
        installed = folder / "installed.json"  # what the packages there were installed for
        if installed.exists() and installed.read_text() == wanted:
            return ""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(wanted)
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
        try:
            done = subprocess.run(command, cwd=folder, timeout=NPM_LIMIT, capture_output=True, text=True, check=False,
                                  stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            return f"npm could not install the packages within {NPM_LIMIT} s"
        if done.returncode:
            return f"npm could not install the packages: {done.stderr.strip()[-300:]}"
        installed.write_text(wanted)
        return ""


@functools.cache
def python_with(module):
    """A Python that has the module: the one that runs this, else the system's, for which packages are."""
    for path in dict.fromkeys((sys.executable, "/usr/bin/python3")):
        if shutil.which(path) and subprocess.run([path, "-c", f"import {module}"], capture_output=True,
                                                 check=False).returncode == 0:
            return path
    return None


def run_program(command, environment=None):
    """The number in the last line of what a program prints."""
    words = run_to_end(command, environment).split()
    if not words:
        raise RuntimeError(f"{' '.join(map(str, command))}: printed nothing")
    return float(words[-1])


def run_to_end(command, environment=None, stdin=subprocess.DEVNULL):
    """Runs a program in a session of its own, whose processes are all ended afterwards; returns what it printed.

    Its output goes to files: workers that outlive their owner would keep a pipe open. What it says on standard error
    is shown only when it fails, for some workers complain when they are ended.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+", errors="replace") as complaints:
        process = subprocess.Popen(command, stdin=stdin, stdout=out, stderr=complaints,
                                   start_new_session=True, env={**os.environ, **(environment or {})})
        try:
            status = process.wait(RUN_LIMIT)
        except subprocess.TimeoutExpired:
            status = "no end in time"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        out.seek(0)
        printed = out.read()
        complaints.seek(0)
        complaint = complaints.read().strip()[-1000:]
    if status == NOT_SUPPORTED:
        raise Skipped("has no such workload, or this machine not enough CPUs for it")
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit status {status}\n{complaint}".rstrip())
    return printed


def built(bench, name):
    path = bench.programs / name
    if not path.exists():
        raise Skipped(f"{name} was not built (is its library installed?)")
    return path


def program(name, workload=None):
    """A program of bench/CMakeLists.txt, called with the name of the workload or with what it calls it."""
    def measure(bench, job, count):
        return run_program([built(bench, name), workload or job, str(count)])
    return measure


def python(pool, module):
    def measure(_bench, job, count):
        path = python_with(module)
        if path is None:
            raise Skipped(f"no Python here has the module {module}")
        return run_program([path, HERE / "processes/python_pools.py", pool, job, str(count)])
    return measure


def node(pool):
    def measure(bench, job, count):
        if bench.npm_problem:
            raise Skipped(bench.npm_problem)
        return run_program(["node", "--no-warnings", "--expose-gc", HERE / "processes/node_pools.mjs", pool, job,
                            str(count)], {"MUSTER_BENCH_NPM": str(bench.build / "npm")})
    return measure


def for_lines(words, needs=None):
    """Calls a second of a tool that runs something for each line of its input. `words` makes its command line."""
    def measure(bench, _job, count):
        if needs and not shutil.which(needs):
            raise Skipped(f"there is no {needs}")
        command = words(bench)
        with tempfile.TemporaryFile("w+") as lines:
            lines.write("".join(f"{number}\n" for number in range(count)))
            lines.seek(0)
            begin = time.monotonic()
            run_to_end(command, stdin=lines)
            return count / (time.monotonic() - begin)
    return measure


def muster_run(*words):
    """The command line of ours; TASKS stands for the module of commands/tasks.cpp."""
    def line(bench):
        program_of_ours = bench.build / "muster"
        if not program_of_ours.exists():
            raise Skipped("the command was not built")
        tasks = str(bench.programs / "tasks.so")
        return [program_of_ours, "run", "--config", "none", "--quiet", "--workers", "2", "--lines", "--results", "/dev/null",
                *[word.replace("TASKS", tasks) for word in words]]
    return line


def erlang(bench, job, count):
    if not shutil.which("escript"):
        raise Skipped("there is no escript")
    port = built(bench, "erlang_port")
    return run_program(["escript", HERE / "processes/erlang_ports.escript", port, job, str(count)])


def compile_time(source, header_of=None):
    """Seconds of CPU that the compiler takes, which other work on the machine disturbs less than the time of day.

    `header_of` names the CMake variable with the folder of a peer's headers.
    """
    def measure(bench, _job, _count):
        include = [HERE.parent / "include"]
        if header_of:
            if not bench.setting(header_of):
                raise Skipped("its header was not found when the build was configured")
            include.append(bench.setting(header_of))
        with tempfile.TemporaryDirectory() as folder:
            command = [bench.compiler, "-std=c++20", "-O2", *[f"-I{path}" for path in include], "-c", HERE / source,
                       "-o", pathlib.Path(folder) / "out.o"]
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run(command, check=True, timeout=RUN_LIMIT, env={**os.environ, "CCACHE_DISABLE": "1"})
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return measure


def added_bytes(name):
    """What a stripped program is larger than one that only says hello."""
    def measure(bench, _job, _count):
        return built(bench, name).stat().st_size - built(bench, "hello_plain").stat().st_size
    return measure
