# SPDX-License-Identifier: MIT
"""work.js in Python: nothing of a protocol, a coroutine, a handler."""
import asyncio
import os
import random
import signal
import sys


async def do_some_work(work):
    ms = random.randrange(200)
    await asyncio.sleep(ms / 1000)
    return f'[{os.getpid()}] Work "{work}" completed in {ms}ms'


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
