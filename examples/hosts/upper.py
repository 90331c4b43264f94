# SPDX-License-Identifier: MIT
"""Any program that speaks the lines: it says that it is ready, then answers each call."""
import json
import sys


def say(message):
    print(json.dumps(message), flush=True)


say({"ready": True})
for line in sys.stdin:
    message = json.loads(line)
    if message.get("call") == "upper":
        say({"id": message["id"], "value": message["args"][0].upper()})
    elif "call" in message:
        say({"id": message["id"], "error": {"type": "invalid_call", "message": f"no function {message['call']}"}})
