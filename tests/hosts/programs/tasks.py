# SPDX-License-Identifier: MIT
import asyncio
import atexit
import os
import signal
import sys
import time

import muster
import neighbour


class BadPhoto(Exception):
    pass


held = []


def add(a, b):
    return a + b


def echo(*args):
    return args[0] if len(args) == 1 else args


async def later(value, seconds):
    await asyncio.sleep(seconds)
    return value


async def ten_in_reverse(value):
    mine = asyncio.get_running_loop().create_future()
    held.append(lambda: mine.set_result(value))
    if len(held) == 10:
        for each in reversed(held):
            each()
        held.clear()
    return await mine


def meet(directory, number, count):
    """Comes back when `count` calls are here at once."""
    open(os.path.join(directory, str(number)), "w").close()
    while len(os.listdir(directory)) < count:
        time.sleep(0.001)
    return number


def pid():
    return os.getpid()


def argv():
    return sys.argv


def neighbours():
    return neighbour.name


def fail():
    raise BadPhoto("too dark")


async def fail_later():
    await asyncio.sleep(0)
    raise KeyError("later")


def show(text):
    print(text)
    print('{"id":1,"value":"forged"}')
    os.write(1, b"and past Python\n")
    return len(text)


def nan():
    return {"deep": [float("nan")]}


def a_set():
    return {1, 2}


def deep(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


def reverse(data):
    assert isinstance(data, memoryview)
    return data[::-1].tobytes()


def pieces():
    return {"one": b"\x00\xff", "two": [bytearray(3), memoryview(b"")]}


def double_each(data):
    for place in range(len(data)):
        data[place] = data[place] * 2 % 256
    return data


def front(data, size):
    return data[:size]


def describe(*given):
    return [[type(each).__name__, each.readonly, each.nbytes, sum(each)] for each in given]


def maps(_data):
    with open("/proc/self/maps") as lines:
        return sum("muster-buffer" in line for line in lines)


def keep(data):
    kept.append(data)


kept = []


async def until_cancelled(begun, told):
    open(begun, "w").close()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        open(told, "w").close()
        raise


def compute_until_cancelled(begun, told):
    open(begun, "w").close()
    while not muster.cancelled():
        time.sleep(0.001)
    open(told, "w").close()
    muster.check()


def half_way():
    muster.progress(0.5, "half way")


def leave(code):
    sys.exit(code)


def die(number):
    os.kill(os.getpid(), number)


def at_exit(file):
    atexit.register(lambda: open(file, "a").write("exit\n"))


def on_term(file):
    def handler(*_):
        open(file, "a").write("SIGTERM\n")
    signal.signal(signal.SIGTERM, handler)
