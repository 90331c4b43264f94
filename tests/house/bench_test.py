#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The benchmarks' own sums: what becomes of numbers, how two files are compared, and what is drawn."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree

BENCH = pathlib.Path(__file__).resolve().parents[2] / "bench"
sys.dont_write_bytecode = True
sys.path.insert(0, str(BENCH))
import compare  # noqa: E402
import goals    # noqa: E402
import instructions  # noqa: E402
import results  # noqa: E402
import run      # noqa: E402
import sides    # noqa: E402
import workloads  # noqa: E402


def numbers(*values):
    """What one side gave, by the number of the round."""
    return dict(enumerate(values))


def result(workload, ours, theirs=100.0, unit="us", peer="other", spread=0.01):
    def around(value):
        return [value * (1 - spread), value * (1 + spread)]
    return {"workload": workload, "ours": ours, "unit": unit, "peer": peer, "theirs": theirs, "ratio": ours / theirs,
            "runs": 5, "spread": {"ours": around(ours), "theirs": around(theirs), "ratio": around(ours / theirs)}}


class sums(unittest.TestCase):
    def one(self, ours, theirs, steal=0.0):
        found = results.compare_sides("w", "us", {"muster": numbers(*ours), "other": numbers(*theirs)}, steal)
        self.assertEqual(len(found), 1)
        return found[0]

    def test_medians_quartiles_and_their_ratio(self):
        found = self.one([10, 11, 12, 13, 99], [20, 22, 24, 26, 28])
        self.assertEqual((found["ours"], found["theirs"], found["ratio"], found["runs"]), (12, 24, 0.5, 5))
        self.assertEqual(found["spread"]["ours"], [11, 13])
        self.assertNotIn("noisy", found)

    def test_the_spread_of_the_ratio_is_that_of_rounds(self):
        # Both sides are slow in the same rounds: what disturbs both does not disturb the ratio.
        found = self.one([10, 20, 30, 40, 50], [20, 40, 60, 80, 100])
        self.assertEqual(found["spread"]["ratio"], [0.5, 0.5])
        self.assertTrue(found["noisy"])

    def test_a_round_that_one_side_missed_is_in_no_ratio(self):
        found = results.compare_sides("w", "us", {"muster": {0: 10, 1: 30}, "other": {1: 60, 2: 20}})[0]
        self.assertEqual(found["spread"]["ratio"], [0.5, 0.5])

    def test_one_run_is_no_spread(self):
        self.assertEqual(self.one([10], [20])["spread"]["ours"], [10, 10])

    def test_a_wide_middle_half_is_noisy_and_one_straggler_is_not(self):
        self.assertNotIn("noisy", self.one([10, 10, 10, 10, 90], [20] * 5))
        self.assertTrue(self.one([10, 10, 10, 15, 15], [20] * 5)["noisy"])
        self.assertTrue(self.one([10] * 5, [20, 20, 20, 30, 30])["noisy"])

    def test_a_machine_that_was_taken_away_is_noisy(self):
        self.assertNotIn("steal", self.one([10] * 5, [20] * 5, steal=0.01))
        self.assertNotIn("noisy", self.one([10] * 5, [20] * 5, steal=0.05))
        self.assertTrue(self.one([10] * 5, [20] * 5, steal=0.2)["noisy"])

    def test_a_peer_that_took_nothing_has_no_ratio(self):
        found = self.one([10], [0])
        self.assertIsNone(found["ratio"])
        self.assertIn("w", results.table([found]))

    def test_without_ours_there_is_nothing(self):
        self.assertEqual(results.compare_sides("w", "us", {"other": numbers(1)}), [])


class rounds(unittest.TestCase):
    def run_rounds(self, ours, peers, runs=4):
        workload = workloads.Workload("us", workloads.Side(ours), {n: workloads.Side(m) for n, m in peers.items()})
        done = run.Rounds(None, "w", workload, quick=True)
        run.say, say = (lambda _text: None), run.say
        self.addCleanup(setattr, run, "say", say)
        return done.run_all(runs, deadline=float("inf")), done

    def test_the_sides_take_turns_and_every_other_round_runs_backwards(self):
        order = []
        sides_of = {name: (lambda *_, name=name: order.append(name) or 1.0) for name in "mab"}
        complete, _ = self.run_rounds(sides_of["m"], {"a": sides_of["a"], "b": sides_of["b"]}, runs=3)
        self.assertTrue(complete)
        self.assertEqual("".join(order), "mab" "bam" "mab")

    def test_a_peer_that_is_not_there_is_skipped_and_no_failure(self):
        def absent(*_):
            raise sides.Skipped("is not there")
        complete, done = self.run_rounds(lambda *_: 1.0, {"a": absent, "b": lambda *_: 2.0})
        self.assertTrue(complete)
        self.assertEqual(done.skipped, {"a": "skipped: is not there"})
        self.assertEqual(len(done.numbers["b"]), 4)

    def test_a_peer_that_fails_twice_is_given_up_and_ours_may_not_fail(self):
        def failing(*_):
            raise RuntimeError("oh")
        complete, done = self.run_rounds(lambda *_: 1.0, {"a": failing})
        self.assertTrue(complete)
        self.assertIn("given up", done.skipped["a"])
        self.assertFalse(self.run_rounds(failing, {})[0])

    def test_every_workload_has_ours_and_somebody_to_compare_with(self):
        described = (BENCH / "README.md").read_text()
        for name, workload in workloads.WORKLOADS.items():
            with self.subTest(name):
                self.assertTrue(workload.peers)
                self.assertTrue(f"`{name}`" in described, "bench/README.md does not say what it is")


class tools(unittest.TestCase):
    def test_that_run_something_for_each_line_are_given_so_many(self):
        counts = sides.for_lines(lambda _bench: ["sh", "-c", "test $(wc -l) = 7"])
        self.assertGreater(counts(None, "w", 7), 0)
        self.assertRaises(RuntimeError, counts, None, "w", 8)

    def test_that_are_not_installed_are_skipped(self):
        absent = sides.for_lines(lambda _bench: ["no-such-tool"], "no-such-tool")
        self.assertRaises(sides.Skipped, absent, None, "w", 1)

    def test_of_ours_are_skipped_where_the_command_was_not_built(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertRaises(sides.Skipped, sides.muster_run("TASKS:f"), sides.Bench(pathlib.Path(folder)))


class files(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.place = pathlib.Path(scratch.name)

    def write(self, name, *found):
        results.write(self.place / name, {"cpu": "fast", "muster": name}, list(found), [])
        return self.place / name

    def run_tool(self, tool, *arguments):
        done = subprocess.run([sys.executable, "-B", BENCH / tool, *arguments], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def compared(self, earlier, later, *options):
        return self.run_tool("compare.py", self.write("a", *earlier), self.write("b", *later), *options)


class reading(files):
    def test_a_recorded_file_and_what_was_printed_are_the_same(self):
        one, other = result("w", 10.0), result("w", 10.0, peer="another")
        path = self.write("a", one, other)
        lines = [{"machine": {"cpu": "fast", "muster": "a"}}, one, other,
                 {"workload": "w", "peer": "absent", "skipped": "is not there"}]
        (self.place / "lines").write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.assertEqual(results.read(path), results.read(self.place / "lines"))
        self.assertEqual(results.read(path), ({"cpu": "fast", "muster": "a"}, [one, other]))

    def test_the_recorded_results_can_be_read(self):
        for path in (BENCH / "results").glob("*-*-*.json"):
            with self.subTest(path.name):
                self.assertTrue(results.read(path)[1])

    def test_what_is_no_file_of_results_is_refused(self):
        for text in ("", "no", "[]", "3", '{"results": [{"workload": "w"}]}'):
            with self.subTest(text):
                (self.place / "x").write_text(text)
                if text:
                    with self.assertRaisesRegex(ValueError, "has no results"):
                        results.read(self.place / "x")
                code, said = self.run_tool("compare.py", self.place / "x", self.place / "x")
                self.assertEqual(code, 2, said)
                code, said = self.run_tool("plot.py", self.place / "x", self.place / "y")
                self.assertEqual(code, 2, said)


class comparing(files):
    def test_the_same_is_not_slower(self):
        code, said = self.compared([result("w", 10.0)], [result("w", 10.0)])
        self.assertEqual(code, 0, said)
        self.assertNotIn("SLOWER", said)

    def test_more_time_and_fewer_calls_are_slower(self):
        for unit, later in (("us", 15.0), ("calls/s", 7.0)):
            with self.subTest(unit):
                code, said = self.compared([result("w", 10.0, unit=unit)], [result("w", later, unit=unit)])
                self.assertEqual(code, 1, said)
                self.assertIn("slower by more than 1.1 times: w", said)

    def test_less_time_is_faster(self):
        code, said = self.compared([result("w", 10.0)], [result("w", 5.0)])
        self.assertEqual(code, 0, said)
        self.assertIn("faster", said)

    def test_the_bound_can_be_given(self):
        code, said = self.compared([result("w", 10.0)], [result("w", 15.0)], "--bound", "2")
        self.assertEqual(code, 0, said)

    def test_ranges_that_overlap_are_no_verdict(self):
        code, said = self.compared([result("w", 10.0, spread=0.3)], [result("w", 13.0, spread=0.3)])
        self.assertEqual(code, 0, said)
        self.assertIn("within its spread, noisy", said)

    def test_a_machine_that_became_slower_is_no_verdict(self):
        code, said = self.compared([result("w", 10.0, theirs=100.0)], [result("w", 15.0, theirs=150.0)])
        self.assertEqual(code, 0, said)
        # A floor is no peer: it says what the machine can do, and not what it had for us.
        code, said = self.compared([result("w", 10.0, theirs=100.0, peer="floor_x")],
                                   [result("w", 15.0, theirs=150.0, peer="floor_x")])
        self.assertEqual(code, 1, said)

    def test_what_only_one_has_is_said(self):
        code, said = self.compared([result("w", 10.0), result("gone", 1.0)], [result("w", 10.0), result("new", 1.0)])
        self.assertEqual(code, 0, said)
        self.assertIn("gone: only in the earlier", said)
        self.assertIn("new: only in the later", said)
        code, said = self.compared([result("w", 10.0)], [result("x", 10.0)])
        self.assertEqual(code, 2, said)

    def test_a_range_has_its_worst_and_its_best(self):
        row, slower = compare.compare("w", *(compare.of_ours([result("w", ours, spread=0.1)])["w"] for ours in (10, 20)),
                                      1.1)
        self.assertTrue(slower)
        self.assertEqual(row[4:6], ("2", "1.64 to 2.44"))


class judging(unittest.TestCase):
    def cells(self, goal, *found):
        return goals.row(goal, list(found))[3:]

    def test_the_best_peer_counts_and_neither_a_floor_nor_who_is_out_of_contest(self):
        found = [result("w", 10.0, 40.0, peer="slow"), result("w", 10.0, 20.0, peer="fast"),
                 result("w", 10.0, 1.0, peer="floor_x"), result("w", 10.0, 2.0, peer="openmp")]
        self.assertEqual(self.cells(goals.Goal("", "w", 0.6), *found),
                         ["10.0 us", "fast 20.0 us", "x 1.0 us", "0.5", "yes"])
        self.assertEqual(self.cells(goals.Goal("", "w", 0.4), *found)[3:], ["0.5", "**no**"])
        self.assertEqual(self.cells(goals.Goal("", "w", 11, "floor_x"), *found)[3:], ["10", "yes"])

    def test_where_more_is_better_the_bound_is_below(self):
        found = [result("w", 10.0, 4.0, "MB/s", "fast"), result("w", 10.0, 2.0, "MB/s", "slow")]
        self.assertEqual(self.cells(goals.Goal("", "w", 2), *found)[1:], ["fast 4.0 MB/s", "", "2.5", "yes"])
        self.assertEqual(self.cells(goals.Goal("", "w", 3), *found)[3:], ["2.5", "**no**"])

    def test_a_bound_of_ours_alone_needs_no_peer(self):
        goal = goals.Goal("", "w", 5, "", "us")
        self.assertEqual(self.cells(goal, result("w", 5.0, peer="floor_x"))[3:], ["", "yes"])
        self.assertEqual(self.cells(goal, {**result("w", 6.0), "noisy": True})[3:], ["", "**no**, noisy"])

    def test_what_was_not_measured_is_never_met(self):
        self.assertEqual(self.cells(goals.Goal("", "w"))[0], "not measured yet")
        self.assertEqual(self.cells(goals.Goal("", ""), result("w", 1.0))[0], "not measured yet")
        self.assertEqual(self.cells(goals.Goal("", "w", 1, "absent"), result("w", 1.0))[-1], "not measured yet")

    def test_every_goal_has_a_workload_that_there_is_and_knows_its_direction(self):
        for goal in goals.GOALS:
            with self.subTest(goal.what):
                self.assertTrue(goal.workload == "" or goal.workload in workloads.WORKLOADS)
                if goal.workload:
                    workload = workloads.WORKLOADS[goal.workload]
                    self.assertEqual(results.more_is_better(workload.unit), goals.row(goal, [])[2].startswith("≥"))
                    self.assertIn(goal.against, ["", "best", *workload.peers])
                    self.assertIn(goal.unit, ["", workload.unit])

    def test_the_page_says_what_its_file_of_results_says(self):
        page = goals.PAGE.read_text()
        name = page.split("From `bench/results/")[1].split("`")[0]
        self.assertEqual(page, goals.written_into(page, goals.table(BENCH / "results" / name)))


class drawing(files):
    def draw(self, *found):
        code, said = self.run_tool("plot.py", self.write("a", *found), self.place / "a.svg")
        self.assertEqual(code, 0, said)
        return xml.etree.ElementTree.parse(self.place / "a.svg").getroot()

    @staticmethod
    def texts(root):
        return [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]

    def names(self, root, *of):
        return [text for text in self.texts(root) if text in of]

    def test_the_best_is_at_the_top(self):
        sides_of = ("muster", "fast", "slow")
        picture = lambda unit: self.draw(result("w", 10.0, 5.0, unit, "fast"), result("w", 10.0, 20.0, unit, "slow"))
        legend = ["muster"]
        self.assertEqual(self.names(picture("us"), *sides_of), legend + ["fast", "muster", "slow"])
        self.assertEqual(self.names(picture("calls/s"), *sides_of), legend + ["slow", "muster", "fast"])

    def test_bars_are_as_long_as_what_they_stand_for(self):
        root = self.draw(result("w", 10.0, 20.0))
        bars = [float(r.get("width")) for r in root.iter("{http://www.w3.org/2000/svg}rect") if r.get("height") == "13"]
        self.assertEqual(len(bars), 2)
        self.assertAlmostEqual(bars[0] * 2, bars[1], delta=0.2)

    def test_nothing_that_is_drawn_breaks_the_picture(self):
        root = self.draw(result("a<b>&", 0.0, 0.5, peer='"&'), result("zero", -1.0, 1.0))
        self.assertIn("a<b>&", self.texts(root))

    def test_noise_and_direction_are_said(self):
        noisy = {**result("w", 10.0, unit="MB/s"), "noisy": True}
        self.assertIn("MB/s, more is better; noisy", self.texts(self.draw(noisy)))



class instructions_of_a_task(unittest.TestCase):
    def test_what_start_and_end_of_a_pool_take_is_not_in_them(self):
        self.assertEqual(instructions.per_task((100, 5_000 + 100 * 40), (300, 5_000 + 300 * 40)), 40)

    def test_tasks_that_run_before_are_counted_too(self):
        self.assertEqual(instructions.with_warm_up(20_000), 22_001)

    def test_more_than_the_bound_above_the_kept_are_found_and_no_others(self):
        found = [{"task": name, "instructions": count} for name, count in
                 (("same", 1_000), ("within", 1_049), ("worse", 1_051), ("better", 500), ("new", 9_000))]
        kept = {"same": 1_000, "within": 1_000, "worse": 1_000, "better": 1_000}
        self.assertEqual(instructions.judge(found, kept, 1.05), ["worse"])
        self.assertEqual(found[2]["ratio"], 1.051)
        self.assertNotIn("ratio", found[4])

    def test_what_is_written_is_read_again(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "instructions.json"
            self.assertEqual(instructions.read_kept(path), ({}, {}))
            instructions.write_kept(path, {"compiler": "c++ 1"}, [{"task": "post", "instructions": 7}])
            self.assertEqual(instructions.read_kept(path), ({"compiler": "c++ 1"}, {"post": 7}))

    def test_every_task_that_is_counted_is_in_the_kept_table(self):
        made_by, kept = instructions.read_kept(instructions.KEPT)
        self.assertEqual(kept.keys(), instructions.WORKLOADS.keys())
        self.assertIn("compiler", made_by)


if __name__ == "__main__":
    unittest.main()
