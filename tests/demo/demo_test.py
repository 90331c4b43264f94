#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The demonstration judges a run as it should: its summary, its verdict, its drawing, its search for orphans, and the
hostile files it makes. No test here needs the muster command, a photograph or a network."""
import contextlib
import io
import json
import os
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import unittest
import unittest.mock
import xml.dom.minidom

DEMO = pathlib.Path(__file__).resolve().parents[2] / "demo"
sys.path.insert(0, str(DEMO))
sys.dont_write_bytecode = True

import make_hostile  # noqa: E402
import photographs   # noqa: E402
import processes     # noqa: E402
import report        # noqa: E402
import timeline      # noqa: E402


def good(index, name, worker, began, ended):
    return {"index": index, "id": name, "ok": True, "attempts": 1, "worker": worker, "began": began, "ended": ended,
            "value": {"path": f"{name}.out", "width": 320, "height": 200, "photo_width": 3200, "photo_height": 2000}}


def bad(index, name, worker, began, ended, kind, message, **more):
    return {"index": index, "id": name, "ok": False, "attempts": 1, "worker": worker, "began": began, "ended": ended,
            "error": {"kind": kind, "message": message, **more}}


def event(time, what, worker, generation, **more):
    return {"time": time, "event": what, "worker": worker, "generation": generation, "pid": 100 + generation, **more}


RESULTS = [
    good(0, "sea.jpg", 0, 0.01, 0.4),
    bad(1, "cut.jpg", 1, 0.01, 0.2, "worker_error",
        "task 2 (cut.jpg), worker 1: std::runtime_error: Premature end of JPEG file"),
    bad(2, "crash.jpg", 1, 0.2, 0.22, "unexpected_exit", "worker 1 (pid 102) was ended by SIGSEGV", signal=11),
    bad(3, "endless.jpg", 0, 0.4, 2.4, "task_timeout", "the task ran longer than its run timeout"),
    bad(4, "bomb.jpg", 1, 0.3, 0.5, "out_of_memory", "worker 1 met its memory limit", signal=9),
    good(5, "hill.jpg", 1, 0.6, 1.1),
    bad(6, "odd.jpg", 1, 1.1, 1.2, "std::length_error", "too long"),
]
EVENTS = [
    event(0.0, "worker_started", 0, 1), event(0.001, "worker_ready", 0, 1),
    event(0.0, "worker_started", 1, 1), event(0.002, "worker_ready", 1, 1),
    event(0.2, "task_began", 1, 1, task=3, id="crash.jpg"),
    event(0.22, "worker_died", 1, 1), event(0.23, "worker_started", 1, 2), event(0.231, "worker_ready", 1, 2),
    event(0.5, "worker_died", 1, 2), event(0.51, "worker_started", 1, 3), event(0.511, "worker_ready", 1, 3),
    event(2.4, "worker_died", 0, 1), event(2.41, "worker_started", 0, 2), event(2.45, "worker_stopped", 0, 2),
    event(2.46, "worker_stopped", 1, 3),
]
SUMMARY = {
    "tasks": 7, "succeeded": 2,
    "failed": {"worker_error": 2, "unexpected_exit": 1, "out_of_memory": 1, "task_timeout": 1},
    "workers_started": 5, "workers_died": 3, "orphans": 0, "seconds": 2.5,
}


def sample():
    """A run as its three files hold it. Each test may spoil its own copy."""
    expected = {result["id"]: None if result["ok"] else report.kind_of(result) for result in RESULTS}
    run = {"exit_code": 1, "seconds": 2.5, "orphans": 0, "workers": 2, "timeout": "2s", "memory": "512MiB",
           "expected": expected}
    return run, json.loads(json.dumps(RESULTS)), json.loads(json.dumps(EVENTS))


class scratch(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.place = pathlib.Path(place.name)

    def judge(self, run, results, events):
        """What report.py, as a program, says about these files: (exit code, what it printed)."""
        for result in results:
            if result["ok"]:
                path = self.place / result["value"]["path"]
                path.write_bytes(b"thumbnail")
                result["value"]["path"] = str(path)
        (self.place / "run.json").write_text(json.dumps(run))
        for name, lines in (("results", results), ("events", events)):
            (self.place / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        done = subprocess.run([sys.executable, "-B", DEMO / "report.py", self.place], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout


class summary(scratch):
    def test_a_run_is_summed_up(self):
        code, said = self.judge(*sample())
        self.assertEqual(code, 0, said)
        self.assertEqual(json.loads((self.place / "summary.json").read_text()), SUMMARY)
        self.assertRegex(said, r"cut\.jpg +worker_error +0\.19s +1 +Premature end of JPEG file\n")
        self.assertRegex(said, r"crash\.jpg +unexpected_exit +0\.02s +1 +crashed \(SIGSEGV\)\n")
        self.assertRegex(said, r"sea\.jpg +ok +0\.39s +0 +3200 x 2000 -> 320 x 200\n")

    def test_a_sound_summary_is_taken(self):
        report.check_summary(SUMMARY)

    def test_a_summary_that_does_not_add_up_is_refused(self):
        for change in ({"tasks": 8}, {"succeeded": 3}, {"succeeded": -1, "tasks": 4}, {"workers_died": 6},
                       {"workers_died": 0}, {"orphans": 0.5}, {"failed": {**SUMMARY["failed"], "worker_error": 1}}):
            with self.subTest(change), self.assertRaisesRegex(report.refused, "does not add up"):
                report.check_summary({**SUMMARY, **change})

    def test_a_summary_with_other_keys_is_refused(self):
        for change in ({"lost": 0}, {"failed": {**SUMMARY["failed"], "cancelled": 0}}):
            with self.subTest(change), self.assertRaisesRegex(report.refused, "keys"):
                report.check_summary({**SUMMARY, **change})

    def test_a_run_whose_numbers_do_not_add_up_fails(self):
        run, results, _ = sample()
        code, said = self.judge(run, results, [])
        self.assertEqual(code, 1)
        self.assertIn("does not add up: more tasks lost their worker than workers died", said)


class verdict(scratch):
    def fails(self, said, run, results, events):
        code, output = self.judge(run, results, events)
        self.assertEqual(code, 1, output)
        self.assertIn(said, output)

    def test_a_photograph_without_a_thumbnail_fails_the_run(self):
        run, results, events = sample()
        run["expected"]["cut.jpg"] = None
        self.fails("cut.jpg is a photograph, and gave no thumbnail: Premature end of JPEG file", run, results, events)

    def test_a_hostile_file_with_a_thumbnail_fails_the_run(self):
        run, results, events = sample()
        run["expected"]["sea.jpg"] = "worker_error"
        self.fails("sea.jpg is hostile, and gave a thumbnail", run, results, events)

    def test_a_hostile_file_that_failed_otherwise_fails_the_run(self):
        run, results, events = sample()
        run["expected"]["crash.jpg"] = "out_of_memory"
        self.fails("crash.jpg must fail as out_of_memory, and failed as unexpected_exit", run, results, events)

    def test_a_process_that_was_left_behind_fails_the_run(self):
        run, results, events = sample()
        run["orphans"] = 1
        self.fails("1 processes were left behind", run, results, events)

    def test_a_task_that_was_lost_fails_the_run(self):
        run, results, events = sample()
        self.fails("sea.jpg has no result", run, results[1:], events)

    def test_a_task_that_settled_twice_fails_the_run(self):
        run, results, events = sample()
        self.fails("hill.jpg has two results", run, [*results, results[5]], events)

    def test_a_result_nobody_asked_for_fails_the_run(self):
        run, results, events = sample()
        del run["expected"]["sea.jpg"]
        self.fails("sea.jpg has a result, and nobody asked for it", run, results, events)

    def test_an_exit_code_that_says_something_else_fails_the_run(self):
        for code in (0, 2, -11, None):
            with self.subTest(code):
                run, results, events = sample()
                run["exit_code"] = code
                self.fails(f"muster run ended with {code}", run, results, events)

    def test_no_results_at_all_fail_the_run(self):
        run, _, _ = sample()
        self.fails("gave no results", run, [], [])


class drawing(unittest.TestCase):
    def draw(self, results=None, events=None):
        return timeline.draw(RESULTS if results is None else results, EVENTS if events is None else events, SUMMARY,
                             report.cause_of, report.kind_of)

    def bars(self, kind):
        """The bars of one outcome; the legend has one square of each colour besides."""
        return self.draw().count(f'fill="{timeline.COLOURS[kind]}"') - 1

    def test_it_is_xml(self):
        xml.dom.minidom.parseString(self.draw())

    def test_there_is_one_bar_a_task_in_the_colour_of_its_outcome(self):
        self.assertEqual({kind: self.bars(kind) for kind in timeline.COLOURS},
                         {"ok": 2, "worker_error": 2, "unexpected_exit": 1, "out_of_memory": 1, "task_timeout": 1})

    def test_there_is_one_cross_for_each_worker_that_died(self):
        lines_a_cross, in_the_legend = 2, 1
        crosses = self.draw().count(f'stroke="{timeline.DEAD}"') / lines_a_cross - in_the_legend
        self.assertEqual(crosses, 3)

    def test_the_same_run_gives_the_same_drawing_whatever_the_order_of_its_lines(self):
        self.assertEqual(self.draw(), self.draw(list(reversed(RESULTS)), list(reversed(EVENTS))))

    def test_names_cannot_break_out_of_the_drawing(self):
        results = [bad(0, '<b>&".jpg', 0, 0, 1, "worker_error", "<script>")]
        xml.dom.minidom.parseString(self.draw(results))

    def test_labels_do_not_cover_each_other(self):
        labels = [timeline.label(x, "a cause of some twenty letters") for x in (110, 300, 330, 390, 800, 960)]
        spots = timeline.place_labels(labels)
        self.assertEqual(len(spots), len(labels))
        for number, one in enumerate(spots):
            self.assertTrue(timeline.fits(one, spots[:number] + spots[number + 1:]), one.label.pointed)


class hostile_files(scratch):
    def test_the_bomb_is_as_large_as_it_says(self):
        content, side = make_hostile.bomb(), make_hostile.BOMB_SIDE
        frame = content.index(b"\xff\xc0")
        self.assertEqual(struct.unpack(">HH", content[frame + 5:frame + 9]), (side, side))
        scan = content.index(b"\xff\xda") + 2 + 8
        self.assertEqual((len(content) - scan - 2) * 8, (side // 8) ** 2 * 2)  # two bits a block, and no others
        self.assertLess(len(content), 4_000_000)

    def test_a_comment_leaves_the_photograph_as_it_was(self):
        photograph = b"\xff\xd8" + bytes(range(100))
        self.assertEqual(make_hostile.with_comment(photograph, "hello"),
                         b"\xff\xd8\xff\xfe\x00\x07hello" + photograph[2:])
        with self.assertRaises(ValueError):
            make_hostile.with_comment(b"GIF89a", "hello")

    def test_every_file_is_made_and_says_how_it_must_fail(self):
        photograph = self.place / "photograph.jpg"
        photograph.write_bytes(b"\xff\xd8" + bytes(998))
        made = make_hostile.make(self.place / "made", photograph)
        self.assertEqual({name for name, _, _ in made}, {path.name for path in (self.place / "made").iterdir()})
        self.assertEqual({kind for _, _, kind in made}, set(report.KINDS))
        self.assertEqual((self.place / "made" / "cut-off.jpg").stat().st_size, 300)

    def test_the_planted_faults_wait_for_the_comments_that_are_written(self):
        source = (DEMO / "thumbnails.cpp").read_text()
        waited_for = re.findall(r'comment == "([^"]+)"', source)
        written = re.findall(r'with_comment\(photograph, "([^"]+)"\)', (DEMO / "make_hostile.py").read_text())
        self.assertEqual(sorted(waited_for), sorted(written))
        self.assertEqual(len(written), 2)


class left_behind(unittest.TestCase):
    # Ends its own life in another session and leaves a child behind, which waits until its pipe is closed.
    LEAVES_A_CHILD = ("import os, sys\n"
                      "if os.fork() == 0:\n"
                      "    os.setsid()\n"
                      "    print(os.getpid(), flush=True)\n"
                      "    sys.stdin.read()\n")

    def test_a_process_with_no_parent_left_is_found_and_ended(self):
        mark = "test-" + os.urandom(8).hex()
        now = processes.now_ticks()
        over = processes.run(mark, "/no/such/program", now, now)
        parent = subprocess.Popen([sys.executable, "-c", self.LEAVES_A_CHILD], env={**os.environ, processes.MARK: mark},
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        with parent:
            orphan = int(parent.stdout.readline())
            parent.wait(60)
            self.assertEqual(over.still_there(set()), {orphan})
            with unittest.mock.patch.object(processes, "PATIENCE_SECONDS", 0):  # it never ends by itself
                self.assertEqual(processes.wait_until_gone(over, set()), {orphan})
            parent.stdout.read()  # ends when the orphan has ended
        self.assertEqual(processes.wait_until_gone(over, {orphan}), set())

    def test_a_process_of_another_run_is_not_ours(self):
        now = processes.now_ticks()
        self.assertEqual(processes.wait_until_gone(processes.run("no run has this mark", "/none", now, now), set()),
                         set())

    def found(self, pids, state, started, program="other"):
        """What of a made-up /proc, which holds process 77, belongs to a run from tick 300 to tick 500."""
        with tempfile.TemporaryDirectory() as place:
            process, programs = pathlib.Path(place) / "proc" / "77", pathlib.Path(place)
            process.mkdir(parents=True)
            for name in ("muster", "other"):
                (programs / name).write_bytes(b"")
            (process / "environ").write_bytes(b"HOME=/\0")
            (process / "exe").symlink_to(programs / program)
            (process / "stat").write_text(f"77 (a ) name) {state} " + " ".join(["0"] * 18) + f" {started} 0\n")
            return processes.run("mark", programs / "muster", 300, 500).still_there(pids, process.parent)

    def test_a_worker_that_lost_its_environment_is_found_by_its_pid(self):
        self.assertEqual(self.found({77}, "S", 400), {77})
        self.assertEqual(self.found(set(), "S", 400), set())

    def test_a_helper_that_lost_its_environment_is_found_by_its_program(self):
        self.assertEqual(self.found(set(), "S", 400, "muster"), {77})

    def test_a_pid_that_was_given_to_somebody_else_is_not_ours(self):
        self.assertEqual(self.found({77}, "S", 501), set())
        self.assertEqual(self.found({77}, "S", 299, "muster"), set())

    def test_a_zombie_is_not_alive(self):
        self.assertEqual(self.found({77}, "Z", 400, "muster"), set())


class own_photographs(scratch):
    def test_they_are_found_below_the_directory_under_their_relative_names(self):
        for name in ("b/sea.JPG", "a.jpeg", "notes.txt"):
            path = self.place / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
        self.assertEqual([name for name, _ in photographs.own_photographs(self.place)], ["a.jpeg", "b/sea.JPG"])

    def test_a_directory_without_any_is_said_so(self):
        for place in (self.place, self.place / "nowhere"):
            with self.assertRaisesRegex(photographs.no_photographs, str(place)):
                photographs.own_photographs(place)

    def test_without_a_package_manager_the_way_out_is_named(self):
        path = os.environ["PATH"]
        os.environ["PATH"] = str(self.place)
        try:
            with self.assertRaisesRegex(photographs.no_photographs, "PHOTOS=DIRECTORY make demo"):
                photographs.packaged_photographs(self.place / "photos")
        finally:
            os.environ["PATH"] = path

    def test_without_a_network_the_way_out_is_named(self):
        commands = self.place / "bin"
        commands.mkdir()
        for command in ("apt-get", "dpkg-deb", "sudo"):
            (commands / command).write_text("#!/bin/sh\necho no network\nexit 100\n")
            (commands / command).chmod(0o755)
        path = os.environ["PATH"]
        os.environ["PATH"] = f"{commands}:{path}"
        try:
            with self.assertRaisesRegex(photographs.no_photographs, "PHOTOS=DIRECTORY make demo"), \
                    contextlib.redirect_stdout(io.StringIO()):
                photographs.packaged_photographs(self.place / "photos")
        finally:
            os.environ["PATH"] = path
        self.assertFalse(list((self.place / "photos").iterdir()))  # nothing that a later run would take for photographs


if __name__ == "__main__":
    unittest.main()
