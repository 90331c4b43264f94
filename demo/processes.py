# SPDX-License-Identifier: MIT
"""Which processes of a run are still there, from /proc.

A run is started with a mark in its environment, which every process descended from it inherits, whoever its parent has
become since. A process may have been given another environment; so those that run the same program since the run began
count as well, and the pids that the run's events named.
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


def running(program, proc):
    found = set()
    for place in proc.iterdir():
        try:
            if place.name.isdigit() and os.path.samefile(place / "exe", program):
                found.add(int(place.name))
        except OSError:
            continue
    return found


class run:
    """One run: its mark, its program, and when it began and ended, in clock ticks since boot."""

    def __init__(self, mark, program, began, ended):
        self.mark, self.program, self.began, self.ended = mark, program, began, ended

    def still_there(self, pids, proc=pathlib.Path("/proc")):
        """Its living processes. A pid whose process began before or after the run is somebody else's."""
        suspects = {pid for pid in set(pids) | running(self.program, proc)
                    if self.began <= (started_ticks(pid, proc) or -1) <= self.ended}
        return {pid for pid in marked(self.mark, proc) | suspects if lives(pid, proc)}


def now_ticks():
    return int(float(pathlib.Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK"))


def wait_until_gone(over, pids):
    """Looks until nothing of the run is there, or its time is up. Returns what was left, after having ended it."""
    until = time.monotonic() + PATIENCE_SECONDS
    while (left := over.still_there(pids)) and time.monotonic() < until:
        time.sleep(0.01)
    for pid in left:  # one of the hostile files makes a process run for ever
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    return left
