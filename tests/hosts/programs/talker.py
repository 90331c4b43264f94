# SPDX-License-Identifier: MIT
"""A program that speaks the lines of a host, in one thread, without any help; and on demand what no host says.

  talker.py [beginning]     how it begins, where that is not well: see `begin`
"""
import json
import os
import signal
import socket
import sys

ending = {}  # "closed", "signalled": files to leave


def raw(data):
    writes.write(data)
    writes.flush()


def say(message, *attachments):
    if attachments:
        message["bytes"] = [len(each) for each in attachments]
    raw(json.dumps(message).encode() + b"\n" + b"".join(attachments))


def die(signal_number):
    print("last words", file=sys.stderr, flush=True)
    if signal_number != signal.SIGKILL:
        signal.signal(signal_number, signal.SIG_DFL)
    os.kill(os.getpid(), signal_number)


def on_sigterm(*_):
    if "signalled" in ending:
        open(ending["signalled"], "a").write("SIGTERM\n")
    if "closed" not in ending:
        os._exit(0)


def on_sigint(*_):
    open(ending["signalled"], "a").write("SIGINT\n")
    os._exit(0)


# What no host does, instead of an answer to `call`.
def misbehave(call, how):
    identity = call["id"]
    if how == "garbage":
        raw(b"hello, world\n")
    elif how == "twice":
        raw(b'{"id":%d,"value":1}\n{"id":%d,"value":1}\n' % (identity, identity))
    elif how == "another id":
        say({"id": identity + 1000, "value": 1})
    elif how == "no id":
        say({"value": 1})
    elif how == "value and error":
        say({"id": identity, "value": 1, "error": "both"})
    elif how == "nothing said":
        say({"id": identity})
    elif how == "half":
        raw(b'{"id":%d,"val' % identity)
        os._exit(0)
    elif how == "half of its bytes":
        raw(b'{"id":%d,"value":{"$bytes":0},"bytes":[100]}\nabc' % identity)
        os._exit(0)
    elif how == "too many bytes":
        raw(b'{"id":%d,"value":1,"bytes":[9999999999999]}\n' % identity)
    elif how == "negative bytes":
        raw(b'{"id":%d,"value":1,"bytes":[-1]}\n' % identity)
    elif how == "memory of others":
        raw(b'{"id":%d,"value":{"$bytes":0},"bytes":[{"lent":0}]}\n' % identity)
    elif how == "huge":
        raw(b'{"id":%d,"value":"%s"}\n' % (identity, b"x" * 200_000))
    elif how == "endless":
        try:
            while True:
                raw(b"x" * 65536)
        except BrokenPipeError:
            os._exit(0)
    elif how == "nan":
        raw(b'{"id":%d,"value":NaN}\n' % identity)
    elif how == "not utf-8":
        raw(b'{"id":%d,"value":"\xff"}\n' % identity)
    elif how == "ready again":
        say({"ready": True})
    elif how == "closed output":
        os.close(1)
        signal.pause()
    elif how == "mute":
        pass
    elif how == "deaf":
        open(call["args"][1], "w").close()
        signal.pause()


reversed_calls = []
waiting = {}


def answer(call, attachments):
    name, args = call["call"], call["args"]
    reply = {"id": call["id"]}
    if name == "add":
        reply["value"] = sum(args)
    elif name == "echo":
        reply["value"] = args[0] if len(args) == 1 else args
    elif name == "pid":
        reply["value"] = os.getpid()
    elif name == "argv":
        reply["value"] = sys.argv[1:]
    elif name == "descriptors":
        listed = os.listdir("/proc/self/fd")  # which had one of its own for that
        reply["value"] = sorted(int(each) for each in listed if os.path.exists("/proc/self/fd/" + each))
    elif name == "grow":
        ending["memory"] = bytearray(args[0])
        reply["value"] = os.getpid()
    elif name == "cwd":
        reply["value"] = os.getcwd()
    elif name == "deep":
        raw(b'{"id":%d,"value":%s}\n' % (call["id"], b"[" * args[0] + b"]" * args[0]))
        return
    elif name == "fail":
        reply["error"] = {"type": "BadPhoto", "message": "too dark", "stack": "at shrink\nat main"}
    elif name == "bytes":  # the same in the other order
        numbers = range(len(attachments))
        reply["value"] = [{"$bytes": n} for n in numbers]
        say(reply, *[attachments[each["$bytes"]] for each in reversed(args)])
        return
    elif name == "ten in reverse":
        reply["value"] = args[0]
        reversed_calls.append(reply)
        if len(reversed_calls) == 10:
            for each in reversed(reversed_calls):
                say(each)
            reversed_calls.clear()
        return
    elif name == "until cancelled":
        waiting[call["id"]] = args[1]
        open(args[0], "w").close()
        return
    elif name == "progress":
        say({"id": call["id"], "progress": 0.5, "text": "half way"})
        reply["value"] = None
    elif name == "print":
        raw(args[0].encode() + b"\n")
        reply["value"] = None
    elif name == "exit":
        print("last words", file=sys.stderr, flush=True)
        os._exit(args[0])
    elif name == "exit once":
        if not os.path.exists(args[0]):
            open(args[0], "w").close()
            os._exit(1)
        reply["value"] = "well"
    elif name == "die":
        die(args[0])
    elif name == "at the end":
        ending.update(args[0])
        reply["value"] = None
    elif name == "misbehave":
        misbehave(call, args[0])
        return
    else:
        reply["error"] = {"type": "invalid_call", "message": f"there is no function '{name}'"}
    say(reply)


def begin(how):
    if how == "exits":
        sys.exit(0)
    elif how == "fails" or (how.startswith("fails unless ") and not os.path.exists(how[13:])):
        print("no licence", file=sys.stderr, flush=True)
        sys.exit(7)
    elif how == "complains":
        say({"ready": False, "error": {"type": "LicenceError", "message": "none found", "stack": "at start"}})
        sys.exit(1)
    elif how == "greets":
        raw(b"welcome to talker 1.0\n")
    elif how == "chatters":
        raw(b"not yet\n" * 200_000)
    elif how == "waits":
        signal.pause()
    elif how == "deaf":
        say({"ready": True})
        signal.pause()


def serve():
    while line := reads.readline():
        message = json.loads(line)
        attachments = [reads.read(size) for size in message.get("bytes", [])]
        if "call" in message:
            answer(message, attachments)
        elif "cancel" in message and message["cancel"] in waiting:
            open(waiting.pop(message["cancel"]), "w").close()
            say({"id": message["cancel"], "error": "stopped"})


if sys.argv[1:2] == ["descriptor"]:
    channel = socket.socket(fileno=5)
    reads, writes = channel.makefile("rb"), channel.makefile("wb")
else:
    reads, writes = sys.stdin.buffer, sys.stdout.buffer
signal.signal(signal.SIGTERM, on_sigterm)
signal.signal(signal.SIGINT, on_sigint)
begin(" ".join(sys.argv[1:2]))
if sys.argv[1:2] != ["silent"]:
    say({"ready": True, "an unknown key": [1, {"x": None}]})
serve()
if "closed" in ending:
    open(ending["closed"], "a").write("end of input\n")
while "stays" in ending:
    signal.pause()
