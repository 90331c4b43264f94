#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Builds and runs a user's project, and the example of the README, against muster in one of the ways users have.

  check.py installed|pkgconfig|fetched|packaged --source DIR --build DIR --compiler PATH --version X.Y.Z
"""
import argparse
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

import package

CONSUMER = pathlib.Path(__file__).resolve().parent


def run(command, **more):
    command = [str(part) for part in command]
    print("+", shlex.join(command), flush=True)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False, **more)
    print(done.stdout, flush=True)
    if done.returncode != 0:
        sys.exit(f"check: that ended with {done.returncode}")
    return done.stdout.strip()


def install(options, scratch):
    """Installs the build, then moves it: an installed tree must not know where it was installed to."""
    first, prefix = scratch / "first", scratch / "prefix"
    run(["cmake", "--install", options.build, "--prefix", first])
    first.rename(prefix)
    for wanted in ("include/muster/version.hpp", "share/doc/muster/LICENSE"):
        if not (prefix / wanted).is_file():
            sys.exit(f"check: {wanted} was not installed")
    if list(prefix.rglob("*.cpp")):
        sys.exit("check: sources were installed")
    for text in [*prefix.rglob("*.cmake"), *prefix.rglob("*.pc")]:
        for place in (options.source, options.build):
            if str(place) + "/" in text.read_text():
                sys.exit(f"check: {text.relative_to(prefix)} names {place}")
    return prefix


def readme_example(options, scratch):
    """The program that the README shows, as a file."""
    program = re.search(r"```cpp\n(.*?)```", (options.source / "README.md").read_text(), re.DOTALL).group(1)
    path = scratch / "readme.cpp"
    path.write_text(program)
    return path


def with_cmake(options, scratch, *arguments):
    build = scratch / "build"
    run(["cmake", "-G", "Ninja", "-S", CONSUMER, "-B", build, f"-DCMAKE_CXX_COMPILER={options.compiler}",
         f"-DREADME_EXAMPLE={readme_example(options, scratch)}", *arguments])
    run(["cmake", "--build", build, "-j2"])
    return build


def with_pkgconfig(options, scratch, prefix):
    found = os.pathsep.join(str(path.parent) for path in prefix.rglob("muster.pc"))
    environment = dict(os.environ, PKG_CONFIG_PATH=found)
    if run(["pkg-config", "--modversion", "muster"], env=environment) != options.version:
        sys.exit("check: muster.pc names another version")
    flags = shlex.split(run(["pkg-config", "--cflags", "--libs", "muster"], env=environment))
    for name, source in (("consumer", CONSUMER / "main.cpp"), ("readme", readme_example(options, scratch))):
        run([options.compiler, "-std=c++20", source, *flags, "-o", scratch / name])
    # What is in C is linked by a C compiler, with the same flags.
    run(["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic", options.source / "examples/hosts/upper.c", *flags, "-o",
         scratch / "worker"])
    return scratch


def installed(options, scratch):
    return with_cmake(options, scratch, f"-DCMAKE_PREFIX_PATH={install(options, scratch)}")


def pkgconfig(options, scratch):
    return with_pkgconfig(options, scratch, install(options, scratch))


def fetched(options, scratch):
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    return with_cmake(options, scratch, f"-DMUSTER_SOURCE={options.source}", *launcher)


def packaged(options, scratch):
    """Against the Debian packages; ends with what they leave behind."""
    root = package.installed_root(options, scratch, run)
    for way in (lambda: with_cmake(options, scratch, f"-DCMAKE_PREFIX_PATH={root / 'usr'}"),
                lambda: with_pkgconfig(options, scratch, root / "usr")):
        check_programs(options, way(), scratch)
    package.remove(root, run)
    return None


def check_programs(options, where, scratch):
    libraries = os.pathsep.join(str(path) for path in (scratch / "prefix").glob("lib*/**/")
                                if list(path.glob("libmuster.so*")))
    environment = dict(os.environ, LD_LIBRARY_PATH=libraries) if libraries else None
    said = run([where / "consumer"], env=environment)
    if said != options.version:
        sys.exit(f"check: the consumer says '{said}', not '{options.version}'")
    if (where / "worker").exists():
        done = subprocess.run([where / "worker"], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 1 or "a pool has to start it" not in done.stderr:
            sys.exit(f"check: the worker in C ended with {done.returncode} and says: {done.stderr}")
    said = run([where / "readme"], env=environment).splitlines()
    if said[0] != "9 49" or "SIGABRT" not in said[1]:
        sys.exit("check: that is not what the example of the README says")


def main():
    ways = {way.__name__: way for way in (installed, pkgconfig, fetched, packaged)}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("way", choices=ways)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--version", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        where = ways[options.way](options, pathlib.Path(scratch))
        if where is not None:
            check_programs(options, where, pathlib.Path(scratch))


if __name__ == "__main__":
    main()
