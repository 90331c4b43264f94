# SPDX-License-Identifier: MIT
"""The host for Python: runs functions of modules for a worker of muster, over lines of JSON on descriptor 3
(docs/guide/hosts.md). Standard output is the worker's standard error, so prints harm nobody. It is inside the library
as text and is given to `python3 -c`, with what it has to know as the first argument.

Threads: one reads the channel; the main one runs an asyncio loop, and in it coroutines and, where a worker has one call
at a time, plain functions; where it may have several, plain functions run on threads of a pool."""
import array
import asyncio
import collections
import concurrent.futures
import contextvars
import importlib
import importlib.util
import inspect
import io
import json
import mmap
import os
import re
import socket
import sys
import threading
import traceback
import types

config = json.loads(sys.argv[1])
sys.argv[:2] = [config["module"] or "muster"]  # as if the module had been started with these arguments
sys.path[0] = config["base"]


class InvalidCall(Exception):
    pass


# ---- the channel

channel = socket.socket(fileno=3)
descriptors = collections.deque()  # of memory that calls are lent, in the order in which they name it
sending = threading.Lock()


class Incoming(io.RawIOBase):
    def readable(self):
        return True

    def readinto(self, into):
        size, beside, _, _ = channel.recvmsg_into([into], socket.CMSG_SPACE(4 * 16), socket.MSG_CMSG_CLOEXEC)
        for _, kind, numbers in beside:
            if kind == socket.SCM_RIGHTS:
                descriptors.extend(array.array("i", numbers))
        return size


reads = io.BufferedReader(Incoming(), 1 << 20)


# An attachment that is a number is the one of the call that it gives back.
def send(message, attachments=()):
    if attachments:
        message["bytes"] = [{"lent": each} if isinstance(each, int) else each.nbytes for each in attachments]
    line = json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"
    with sending:
        channel.sendall(line)
        for each in attachments:
            if not isinstance(each, int):
                channel.sendall(each)


mapped = {}  # block -> its memory, as long as the worker says


def lend(about):
    """The memory that a call is lent, as a memoryview."""
    mapped.pop(about.get("forget"), None)
    if about.get("sent"):
        descriptor = descriptors.popleft()
        try:
            protection = mmap.PROT_READ | (mmap.PROT_WRITE if about.get("writable") else 0)
            memory = mmap.mmap(descriptor, about["map"], mmap.MAP_SHARED, protection)
        finally:
            os.close(descriptor)
        if about["block"]:
            mapped[about["block"]] = memory
    else:
        memory = mapped[about["block"]]
    return memoryview(memory)[about["offset"]:about["offset"] + about["size"]]


def error_of(thrown):
    kind = type(thrown)
    name = "invalid_call" if kind is InvalidCall else kind.__qualname__
    if kind.__module__ not in ("builtins", "__main__"):
        name = f"{kind.__module__}.{name}"
    try:
        message = str(thrown)
    except Exception:
        message = "what was raised cannot be shown"
    # The frames of this file tell nobody anything.
    trace = thrown.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename == "<string>":
        trace = trace.tb_next
    stack = "".join(traceback.format_exception(kind, thrown, trace))
    return {"type": name, "message": message, "stack": stack}


# ---- values: bytes travel beside the text

def to_json(value, attachments, given=()):
    if isinstance(value, (bytes, bytearray, memoryview)):
        attachments.append(bytes_of(value, given))
        return {"$bytes": len(attachments) - 1}
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, (str, int, float, bool, type(None))):
                raise TypeError(f"a key of type {type(key).__name__} has no JSON form")
        return {key: to_json(each, attachments, given) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(each, attachments, given) for each in value]
    if hasattr(value, "__array_interface__") and hasattr(value, "tobytes"):
        raise TypeError(f"{type(value).__name__} has no JSON form; return .tobytes() or .tolist()")
    return value


# What the call was lent and gives back whole needs no copy.
def bytes_of(value, given):
    for place, each in enumerate(given):
        if value is each and isinstance(each.obj, mmap.mmap):
            return place
    return memoryview(value).cast("B") if value else memoryview(b"")


def from_json(value, attachments):
    if isinstance(value, dict):
        if len(value) == 1 and "$bytes" in value:
            return attachments[value["$bytes"]]
        return {key: from_json(each, attachments) for key, each in value.items()}
    if isinstance(value, list):
        return [from_json(each, attachments) for each in value]
    return value


# ---- modules

loaded = {}
loading = threading.RLock()


def load(name):
    with loading:
        if name not in loaded:
            loaded[name] = load_file(name) if name.startswith("/") else load_module(name)
        return loaded[name]


def load_module(name):
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as problem:
        if problem.name is not None and (name == problem.name or name.startswith(problem.name + ".")):
            raise InvalidCall(f"there is no module '{name}' in {config['base']}, nor where Python looks") from None
        raise


def load_file(path):
    file = path if os.path.exists(path) else path + ".py"
    if not os.path.isfile(file):
        raise InvalidCall(f"there is no module '{path}'")
    name = os.path.splitext(os.path.basename(file))[0]
    directory = os.path.dirname(file)
    if directory not in sys.path:
        sys.path.insert(1, directory)  # its neighbours
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None:
        raise InvalidCall(f"'{file}' is no module of Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


def find(module_name, name):
    try:
        module = load(module_name)
    except InvalidCall as problem:
        raise InvalidCall(f"{problem}; it was wanted for its function '{name}'") from None
    found = getattr(module, name, None) if not name.startswith("_") else None
    if callable(found):
        return found
    names = [each for each, value in vars(module).items()
             if callable(value) and not each.startswith("_") and getattr(value, "__module__", None) == module.__name__]
    raise InvalidCall(f"module '{module_name}' has no function '{name}'; it has: {', '.join(names) or 'none'}")


# ---- what a function may ask: `import muster`

class Call:
    def __init__(self, identity):
        self.id = identity
        self.cancelled = threading.Event()
        self.task = None  # of asyncio, while a coroutine of the user's runs; plain functions look for themselves


current = contextvars.ContextVar("muster_call", default=None)


class Cancelled(Exception):
    """The call was cancelled, or is past its time."""


def cancelled():
    """Whether this call was cancelled, or is past its time."""
    call = current.get()
    return call is not None and call.cancelled.is_set()


def check():
    """Raises muster.Cancelled where this call was cancelled."""
    if cancelled():
        raise Cancelled("the call was cancelled")


def progress(fraction, text=""):
    """Tells how far this call is: from 0 to 1."""
    call = current.get()
    if call is not None:
        send({"id": call.id, "progress": float(fraction), "text": str(text)})


muster = types.ModuleType("muster", "What a function that runs in a worker of muster may ask about its call.")
for each in (Cancelled, cancelled, check, progress):
    setattr(muster, each.__name__, each)
sys.modules["muster"] = muster

# ---- calls

running = {}  # id -> Call
tasks = set()
threads = (concurrent.futures.ThreadPoolExecutor(config["at_once"], "muster") if config["at_once"] > 1 else None)


async def value_of(call, message, attachments):
    function = find(message.get("module", config["module"]), message["call"])
    args = from_json(message["args"], attachments) if attachments else message["args"]
    if threads is None or inspect.iscoroutinefunction(function):
        value = function(*args)
    else:
        context = contextvars.copy_context()
        value = await asyncio.get_running_loop().run_in_executor(threads, lambda: context.run(function, *args))
    if not inspect.isawaitable(value):
        return value
    call.task = asyncio.current_task()
    check()
    return await value


async def run(call, message, attachments):
    current.set(call)
    try:
        value = await value_of(call, message, attachments)
        beside = []
        text = to_json(value, beside, attachments)
        send({"id": call.id, "value": text}, beside)
    except asyncio.CancelledError:
        send({"id": call.id, "error": {"type": "cancelled", "message": "the call was cancelled"}})
    except SystemExit:
        raise
    except BaseException as thrown:
        send({"id": call.id, "error": error_of(thrown)})
    finally:
        running.pop(call.id, None)


def begin(loop, call, message, attachments):
    tasks.add(task := loop.create_task(run(call, message, attachments)))  # the loop alone would let go of it
    task.add_done_callback(tasks.discard)


def cancel(call):
    if call.task is not None:
        call.task.cancel()


# A call that Python cannot read fails alone. Its number and the bytes behind it stand where the worker writes them.
def refuse(line, thrown):
    beside = re.search(rb',"bytes":(\[[^\[\]]+\])\}\n$', line)
    read_beside(json.loads(beside[1]) if beside else ())
    identity = int(re.match(rb'\{"id":([0-9]+),', line)[1])
    send({"id": identity, "error": {"type": type(thrown).__qualname__, "message": f"its arguments: {thrown}"}})


def read_beside(sizes):
    attachments, problem = [], None
    for each in sizes:
        if not isinstance(each, dict):
            attachments.append(memoryview(reads.read(each)))
            continue
        try:
            attachments.append(lend(each))
        except OSError as thrown:
            problem = thrown
    return attachments, problem


# On its own thread, so that a function that computes can be told of a cancel.
def read(loop, closed):
    while line := reads.readline():
        try:
            message = json.loads(line)
        except (RecursionError, ValueError) as thrown:  # nested too deeply, a number of too many digits
            refuse(line, thrown)
            continue
        attachments, problem = read_beside(message.get("bytes", ()))
        if problem is not None:
            send({"id": message["id"], "error": error_of(problem)})
            continue
        if "call" in message:
            call = running[message["id"]] = Call(message["id"])
            loop.call_soon_threadsafe(begin, loop, call, message, attachments)
        elif "cancel" in message and (call := running.get(message["cancel"])) is not None:
            call.cancelled.set()
            loop.call_soon_threadsafe(cancel, call)
    loop.call_soon_threadsafe(closed.set_result, None)


async def serve():
    loop = asyncio.get_running_loop()
    closed = loop.create_future()
    threading.Thread(target=read, args=(loop, closed), daemon=True).start()
    await closed


try:
    if config["module"]:
        load(config["module"])
except Exception as thrown:
    send({"ready": False, "error": error_of(thrown)})
    sys.exit(1)
send({"ready": True})
asyncio.run(serve())
