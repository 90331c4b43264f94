# SPDX-License-Identifier: MIT
"""Which processes of a run are still there, from /proc.

A run is started with a mark in its environment, which every process descended from it inherits, whoever its parent has
become since. The pids that the run's events named are looked at as well: a worker might have lost its environment.
"""
import os
import pathlib
import signal
import time

MARK = "MUSTER_DEMO_RUN"
PATIENCE_SECONDS = 2.0  # what muster promises, for the case that it was killed


def marked(mark, proc):
    wanted = f"{MARK}={mark}".encode()
    found = set()
    for place in proc.iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                found.add(int(place.name))
        except OSError:  # it has just ended, or is another user's
            continue
    return found


def lives(pid, proc):
    """A zombie is over; only its parent's interest in it is missing."""
    try:
        state = (proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in ("Z", "X")


def started_ticks(pid, proc):
    """When it was started, in clock ticks since boot; None when it is gone."""
    try:
        return int((proc / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None


def still_there(mark, pids, ended_ticks, proc=pathlib.Path("/proc")):
    """The living processes of a run. A pid whose process began after the run had ended is somebody else's by now."""
    named = {pid for pid in pids if (started_ticks(pid, proc) or ended_ticks + 1) <= ended_ticks}
    return {pid for pid in marked(mark, proc) | named if lives(pid, proc)}


def wait_until_gone(mark, pids):
    """Looks until nothing of the run is there, or its time is up. Returns what was left, after having ended it."""
    uptime = float(pathlib.Path("/proc/uptime").read_text().split()[0])
    ended_ticks = int(uptime * os.sysconf("SC_CLK_TCK"))
    until = time.monotonic() + PATIENCE_SECONDS
    while (left := still_there(mark, pids, ended_ticks)) and time.monotonic() < until:
        time.sleep(0.01)
    for pid in left:  # one of the hostile files makes a process run for ever
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return left
