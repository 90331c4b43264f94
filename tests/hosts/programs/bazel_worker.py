# SPDX-License-Identifier: MIT
"""A persistent worker as Bazel's rules have them (JSON, one line a request), several requests at once where asked."""
import json
import sys

multiplex = "--multiplex" in sys.argv
held = []


def answer(request):
    args = request["arguments"]
    if args[0] == "ids":
        return {"exitCode": 0, "output": str(request.get("requestId", 0))}
    if args[0] == "fail":
        return {"exitCode": int(args[1]), "output": "no such file: a.c"}
    return {"exitCode": 0, "output": " ".join(args)}


assert "--persistent_worker" in sys.argv
for line in iter(sys.stdin.readline, ""):
    request = json.loads(line)
    if request.get("cancel"):
        response = {"exitCode": 0, "output": "", "requestId": request["requestId"], "wasCancelled": True}
    elif request["arguments"][0] == "wait":
        open(request["arguments"][1], "w").close()
        continue
    else:
        response = answer(request)
        if request.get("requestId", 0):
            response["requestId"] = request["requestId"]
    if multiplex and request.get("arguments", [""])[0] == "hold":
        held.append(response)
        if len(held) < 4:
            continue
        for each in reversed(held):
            print(json.dumps(each), flush=True)
        held.clear()
    else:
        print(json.dumps(response), flush=True)
