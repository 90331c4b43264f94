# SPDX-License-Identifier: MIT
"""A worker for Python: a module with functions, plain or async."""


def brightness(pixels):
    return sum(pixels) / len(pixels)


async def describe(photo):
    return {"name": photo["name"].upper(), "width": photo["width"] // 2}
