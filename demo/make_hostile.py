#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Six files that are not good photographs, each bad in its own way:  make_hostile.py OUT_DIRECTORY PHOTOGRAPH

Two of them carry a comment that triggers a fault planted in thumbnails.cpp. The other four are bad by themselves.
"""
import pathlib
import struct
import sys

# name: the kind of error that must come of it
HOSTILE = {
    "endless.jpg": "task_timeout",
    "cut-off.jpg": "worker_error",
    "crash.jpg": "unexpected_exit",
    "not-a-picture.jpg": "worker_error",
    "bomb.jpg": "out_of_memory",
    "empty.jpg": "worker_error",
}

START, END = b"\xff\xd8", b"\xff\xd9"
QUANTISATION, FRAME, HUFFMAN, SCAN, COMMENT = 0xDB, 0xC0, 0xC4, 0xDA, 0xFE
BOMB_SIDE = 30_000  # pixels; a multiple of 16, so that the scan ends on a whole byte


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def bomb(side=BOMB_SIDE):
    """A correct JPEG of side x side grey pixels: no lie in its header, only very little news in its scan.

    Each of its codes is the single bit 0: first "as bright as the block before", then "and nothing else in this block".
    So 64 pixels take two bits, and 3.5 MB of file become 2.7 GB of red, green and blue.
    """
    assert side % 16 == 0
    one_code = bytes([1] + [0] * 15) + b"\0"  # one code of length 1, for the symbol 0
    bits = (side // 8) ** 2 * 2
    return b"".join([
        START,
        segment(QUANTISATION, b"\0" + bytes([1] * 64)),
        segment(FRAME, struct.pack(">BHHB", 8, side, side, 1) + bytes([1, 0x11, 0])),
        segment(HUFFMAN, b"\x00" + one_code),  # the table of brightness
        segment(HUFFMAN, b"\x10" + one_code),  # the table of detail
        segment(SCAN, bytes([1, 1, 0x00, 0, 63, 0])),
        bytes(bits // 8),
        END,
    ])


def with_comment(photograph, text):
    """The same photograph with one more comment, right behind its first marker."""
    if photograph[:2] != START:
        raise ValueError("that is not a JPEG file")
    return START + segment(COMMENT, text.encode()) + photograph[2:]


def contents(photograph):
    return {
        "endless.jpg": with_comment(photograph, "muster demo: never end"),
        "cut-off.jpg": photograph[:len(photograph) * 30 // 100],
        "crash.jpg": with_comment(photograph, "muster demo: crash here"),
        "not-a-picture.jpg": b"Dear decoder,\n\nthis is a letter. Only its name says that it is a photograph.\n",
        "bomb.jpg": bomb(),
        "empty.jpg": b"",
    }


def make(directory, photograph):
    """Writes the files and returns [(name, path, the kind of error that must come of it)]."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    made = contents(pathlib.Path(photograph).read_bytes())
    for name, content in made.items():
        (directory / name).write_bytes(content)
    return [(name, directory / name, kind) for name, kind in HOSTILE.items()]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    for _, path, kind in make(sys.argv[1], sys.argv[2]):
        print(f"{path}  {path.stat().st_size} bytes, must end as {kind}")
