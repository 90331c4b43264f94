# SPDX-License-Identifier: MIT
"""Draws who ran what, and when, as an SVG: a lane for each place in the pool, a bar for each task, a line for each
worker process under it, a cross where one died. The same run always gives the same drawing."""
import collections
import html
import itertools
import pathlib

WIDTH = 1000
LEFT, RIGHT = 96, 28          # what is left of the time axis, and right of it
HEAD = 122                    # title, sentence and legend
BAR, LINE = 34, 8             # heights: a task, a worker process
LABEL = 19                    # the height of one row of labels
LANE_GAP = 26
CHARACTER = 6.3               # how wide one is at the size of the labels, about
FONT = "Inter, 'Helvetica Neue', Arial, 'DejaVu Sans', sans-serif"

INK, SOFT, FAINT, GROUND = "#1f2933", "#5f6c7b", "#e3e8ee", "#fbfcfd"
DEAD = "#b3261e"
COLOURS = {"ok": "#3d8b7d", "worker_error": "#d9a13b", "unexpected_exit": "#c8463c", "out_of_memory": "#8256a8",
           "task_timeout": "#56657a"}
LEGEND = (("ok", "thumbnail"), ("worker_error", "error, worker lives"), ("unexpected_exit", "crash"),
          ("out_of_memory", "out of memory"), ("task_timeout", "past its timeout"))
ORDINALS = ("", "1st", "2nd", "3rd")


class life:
    """One worker process: its slot, the how manieth there, when it was asked for, ready and over; how it ended."""

    def __init__(self, slot, generation, started):
        self.slot, self.generation, self.started = slot, generation, started
        self.ready = self.ended = None
        self.died = False
        self.number = 0

    def title(self):
        ordinal = ORDINALS[self.number] if self.number < len(ORDINALS) else f"{self.number}th"
        return f"{ordinal} process"


def lives_of(events):
    lives = {}
    for event in sorted(events, key=lambda each: each["time"]):
        if event.get("worker") is None or not event["event"].startswith("worker_"):
            continue
        key = (event["worker"], event.get("generation", 0))
        if key not in lives:
            lives[key] = life(*key, event["time"])
        if event["event"] == "worker_ready":
            lives[key].ready = event["time"]
        elif event["event"] in ("worker_died", "worker_stopped"):
            lives[key].ended = event["time"]
            lives[key].died = event["event"] == "worker_died"
    ordered = sorted(lives.values(), key=lambda each: (each.slot, each.generation))
    for each in ordered:
        each.number = sum(other.slot == each.slot and other.generation <= each.generation for other in ordered)
    return ordered


def nice_step(seconds):
    """The distance of the marks on the time axis: six to twelve of them."""
    step = 0.001
    while True:
        for factor in (1, 2, 5):
            if seconds / (step * factor) <= 12:
                return step * factor
        step *= 10


class drawing:
    def __init__(self, seconds):
        self.parts = []
        self.scale = (WIDTH - LEFT - RIGHT) / seconds

    def x(self, time):
        return LEFT + time * self.scale

    def rectangle(self, x, y, wide, high, fill, more="", title=""):
        inside = f"<title>{html.escape(title)}</title>" if title else ""
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{fill}"{more}>'
                          f"{inside}</rect>")

    def line(self, x1, y1, x2, y2, stroke, width=1.0, more=""):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" '
                          f'stroke-width="{width}"{more}/>')

    def text(self, x, y, text, size=12, fill=INK, more=""):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}"{more}>'
                          f"{html.escape(text)}</text>")

    def cross(self, x, y, size=6.0):
        for way in (1, -1):
            # White below, so that the cross stands out on every colour.
            for stroke, width in (("#ffffff", 5.5), (DEAD, 2.8)):
                self.line(x - size, y - way * size, x + size, y + way * size, stroke, width,
                          ' stroke-linecap="round"')

    def finish(self, height, title):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
            f'height="{height:.0f}" font-family="{FONT}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="{GROUND}"/>', *self.parts, "</svg>", ""])


class label:
    """A text, and the x of the bar it speaks of: a thin line connects them at one of the text's ends."""

    def __init__(self, pointed, text):
        self.pointed, self.text, self.wide = pointed, text, len(text) * CHARACTER

    def spot(self, row, to_the_left):
        left = self.pointed - self.wide if to_the_left else self.pointed
        return spot(self, row, left, left + self.wide)


spot = collections.namedtuple("spot", "label row left right")


def fits(one, placed):
    """Whether a label's text and line keep clear of the drawing's edges and of the texts and lines that are there."""
    if one.left < 8 or one.right > WIDTH - 8:
        return False
    for other in placed:
        if other.row == one.row and other.left - 14 < one.right and one.left - 14 < other.right:
            return False
        if other.row < one.row and other.left - 3 < one.label.pointed < other.right + 3:  # our line, its text
            return False
        if other.row > one.row and one.left - 3 < other.label.pointed < one.right + 3:  # its line, our text
            return False
    return True


def place_in_turn(turn):
    """[(label, whether its text reaches to the left)]: each takes the lowest row in which it fits.

    Returns (how good that is, less is better; the spots).
    """
    placed, misplaced = [], 0
    for one, to_the_left in turn:
        spots = (one.spot(row, to_the_left) for row in range(len(turn) + 1))
        found = next((each for each in spots if fits(each, placed)), None)
        if found is None:  # a row of its own, above all others
            misplaced += 1
            left = max(8.0, min(one.pointed, WIDTH - 8 - one.wide))
            found = spot(one, 1 + max((each.row for each in placed), default=0), left, left + one.wide)
        placed.append(found)
    return (misplaced, sum(each.row for each in placed), sum(to_the_left for _, to_the_left in turn)), placed


def turns_of(labels):
    """Ways to place the labels. Texts that reach to the right are best placed from right to left, each above those
    before it, and the others from left to right. Which should reach where is tried out, as long as they are few."""
    labels = sorted(labels, key=lambda each: (each.pointed, each.text))
    if len(labels) <= 8:
        choices = itertools.product((False, True), repeat=len(labels))
    else:
        choices = ([number >= turning for number in range(len(labels))] for turning in range(len(labels) + 1))
    for choice in choices:
        leftwards = [(one, True) for one, to_the_left in zip(labels, choice) if to_the_left]
        rightwards = [(one, False) for one, to_the_left in zip(labels, choice) if not to_the_left][::-1]
        yield leftwards + rightwards
        yield rightwards + leftwards


def place_labels(labels):
    return min((place_in_turn(turn) for turn in turns_of(labels)), key=lambda each: each[0])[1]


def stem(result):
    return pathlib.PurePath(str(result.get("id") or f"task {result['index']}")).stem.replace("_", " ")


def draw_bar(on, result, kind, cause, y):
    left, right = on.x(result["began"]), on.x(result["ended"])
    wide = max(3.0, right - left - 1)  # a narrow gap keeps neighbours apart
    outcome = "a thumbnail" if result["ok"] else cause
    on.rectangle(left, y, wide, BAR, COLOURS[kind], ' rx="2.5"',
                 f"{stem(result)}: {outcome}, {result['ended'] - result['began']:.3f} s")
    text = stem(result)
    room = int((wide - 8) / 5.8)
    if room >= 5:
        shown = text if len(text) <= room else text[:room - 1].rstrip() + "…"
        on.text(left + 5, y + BAR / 2 + 3.5, shown, 10, "#ffffff", ' pointer-events="none"')


def draw_life(on, one, end, y):
    start, ready = on.x(one.started), on.x(min(end, one.ready if one.ready is not None else end))
    until = on.x(one.ended if one.ended is not None else end)
    ready = min(ready, until)
    on.rectangle(ready, y, max(0.5, until - ready), LINE, "#cfd8e3" if one.number % 2 else "#b4c1d0")
    # Starting takes a millisecond or so: always at least wide enough to be seen.
    on.rectangle(start, y, max(2.0, ready - start), LINE, INK, "", f"{one.title()}: start-up")
    if one.number > 1:
        on.parts.append(f'<path d="M {start:.1f} {y + LINE + 2:.1f} l 4.5 7 h -9 z" fill="{INK}"/>')
    if until - start > len(one.title()) * 5.4 + 12:
        on.text(start + (9 if one.number > 1 else 0), y + LINE + 11, one.title(), 10, SOFT)
    if one.died:
        on.cross(until, y + LINE / 2)


def draw_lane(on, slot, results, lives, end, y, kind_of, cause_of):
    """Draws one place of the pool from y on, and returns where the next begins."""
    labels = [label(on.x(result["began"]) + 2, f"{stem(result)}: {cause_of(result)}")
              for result in results if not result["ok"]]
    spots = place_labels(labels)
    bars = y + (1 + max((each.row for each in spots), default=-1)) * LABEL + 4
    for each in spots:
        on.line(each.label.pointed, bars - 5 - each.row * LABEL, each.label.pointed, bars, SOFT, 0.8)
    for each in spots:  # a rim in the colour of the ground keeps a text legible where a line had to cross it
        on.text(each.left, bars - 8 - each.row * LABEL, each.label.text, 11.5, INK,
                f' stroke="{GROUND}" stroke-width="3" paint-order="stroke"')
    on.text(20, bars + BAR / 2 + 4, f"worker {slot}", 13, INK, ' font-weight="600"')
    on.rectangle(LEFT, bars, WIDTH - LEFT - RIGHT, BAR, "#eef2f6", ' rx="2.5"')
    for result in sorted(results, key=lambda each: each["began"]):
        kind = "ok" if result["ok"] else kind_of(result)
        draw_bar(on, result, kind, "" if result["ok"] else cause_of(result), bars)
    for one in lives:
        draw_life(on, one, end, bars + BAR + 5)
    return bars + BAR + 5 + LINE + 14 + LANE_GAP


def draw_head(on, summary):
    failures = summary["tasks"] - summary["succeeded"]
    on.text(20, 36, f"{summary['tasks']} files: {summary['succeeded']} thumbnails, {failures} failures, "
                    f"{summary['workers_died']} dead workers", 20, INK, ' font-weight="700"')
    left = "no process was" if summary["orphans"] == 0 else f"{summary['orphans']} processes were"
    on.text(20, 60, f"{summary['seconds']:.1f} s. A worker that died was replaced, and cost only the task it was "
                    f"running. {summary['workers_started']} worker processes were started; {left} left behind.",
            12.5, SOFT)
    x, y = 20.0, 88
    for kind, text in LEGEND:
        on.rectangle(x, y - 10, 12, 12, COLOURS[kind], ' rx="2"')
        on.text(x + 18, y, text, 11.5, SOFT)
        x += 18 + len(text) * CHARACTER + 18
    on.cross(x + 6, y - 4, 4.5)
    on.text(x + 18, y, "a worker died", 11.5, SOFT)
    x += 18 + 13 * CHARACTER + 18
    on.parts.append(f'<path d="M {x + 5:.1f} {y - 9} l 5 8 h -10 z" fill="{INK}"/>')
    on.text(x + 16, y, "its replacement starts", 11.5, SOFT)


def draw_axis(on, seconds, top, bottom):
    step = nice_step(seconds)
    digits = 0 if step >= 1 else 1 if step >= 0.1 else 3
    marks = []
    for number in range(int(seconds / step + 1e-9) + 1):
        x = on.x(number * step)
        marks.append(f'<line x1="{x:.1f}" y1="{top:.1f}" x2="{x:.1f}" y2="{bottom:.1f}" stroke="{FAINT}"/>')
        on.text(x, bottom + 17, f"{number * step:.{digits}f} s", 11, SOFT, ' text-anchor="middle"')
    on.parts[0:0] = marks  # behind everything else


def draw(results, events, summary, cause_of, kind_of):
    """The whole drawing as text. `cause_of` and `kind_of` say of a failed result why, and as what, it failed."""
    ran = [result for result in results if result.get("began") is not None and result.get("worker") is not None]
    lives = lives_of(events)
    times = [event["time"] for event in events] + [result["ended"] for result in ran]
    seconds = max([*times, 0.001])
    on = drawing(seconds)
    draw_head(on, summary)
    y = HEAD
    for slot in sorted({result["worker"] for result in ran} | {one.slot for one in lives}):
        y = draw_lane(on, slot, [result for result in ran if result["worker"] == slot],
                      [one for one in lives if one.slot == slot], seconds, y, kind_of, cause_of)
    bottom = y - LANE_GAP + 8
    draw_axis(on, seconds, HEAD - 8, bottom)
    return on.finish(bottom + 36, f"{summary['tasks']} files in worker processes")
