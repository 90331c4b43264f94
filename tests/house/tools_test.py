#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The checkers of tools/ find what they are there to find: each is run on a small tree with one planted violation."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
COMPILER = os.environ.get("CXX", "c++")
LAYERS = "base :\nqueue : base\nthread : base queue\ncli :\n"


class tree(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.write("src/layers.txt", LAYERS)
        self.write("include/muster/pool.hpp", "#include <vector>\n")
        self.write("src/base/clock.hpp", "")
        self.write("src/queue/lane.hpp", "")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run_tool(self, tool, *arguments):
        run = subprocess.run([sys.executable, TOOLS / tool, *arguments], stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return run.returncode, run.stdout

    def assert_fails(self, said, tool, *arguments):
        code, output = self.run_tool(tool, *arguments)
        self.assertEqual(code, 1, output)
        self.assertIn(said, output)

    def assert_passes(self, tool, *arguments):
        code, output = self.run_tool(tool, *arguments)
        self.assertEqual(code, 0, output)


class layers(tree):
    def check_fails(self, said):
        self.assert_fails(said, "check_layers.py", self.root)

    def test_what_the_file_allows_passes(self):
        self.write("src/thread/crew.cpp", '#include "thread/crew.hpp"\n#include "queue/lane.hpp"\n'
                   '#include <muster/pool.hpp>\n#include <thread>\n#include <sys/mman.h>\n')
        self.write("src/cli/main.cpp", "#include <muster/pool.hpp>\n#include <nlohmann/json.hpp>\n")
        self.write("include/muster/cereal.hpp", "#include <cereal/cereal.hpp>\n#include <muster/pool.hpp>\n")
        self.assert_passes("check_layers.py", self.root)

    def test_an_arrow_upwards_is_found(self):
        self.write("src/queue/lane.cpp", '\n#include "thread/crew.hpp"\n')
        self.check_fails("src/queue/lane.cpp:2: room 'queue' must not name room 'thread'")

    def test_an_arrow_in_angle_brackets_is_found(self):
        self.write("src/base/clock.cpp", "#include <queue/lane.hpp>\n")
        self.check_fails("src/base/clock.cpp:1: room 'base' must not name room 'queue'")

    def test_an_arrow_through_the_parent_directory_is_found(self):
        self.write("src/base/clock.cpp", '#include "../queue/lane.hpp"\n')
        self.check_fails("does not begin with a room")

    def test_the_command_may_not_name_a_room(self):
        self.write("src/cli/main.cpp", '#include "base/clock.hpp"\n')
        self.check_fails("src/cli/main.cpp:1: room 'cli' must not name room 'base'")

    def test_a_public_header_may_not_name_a_room(self):
        self.write("include/muster/pool.hpp", '#include "base/clock.hpp"\n')
        self.check_fails("include/muster/pool.hpp:1")

    def test_a_public_header_may_not_name_the_system(self):
        self.write("include/muster/pool.hpp", "#include <unistd.h>\n")
        self.check_fails("<unistd.h> is neither")

    def test_only_one_public_header_may_name_cereal(self):
        self.write("include/muster/pool.hpp", "#include <cereal/cereal.hpp>\n")
        self.check_fails("<cereal/cereal.hpp> is neither")

    def test_a_public_header_that_is_not_there_is_found(self):
        self.write("src/base/clock.cpp", "#include <muster/polo.hpp>\n")
        self.check_fails("there is no public header <muster/polo.hpp>")

    def test_a_room_nobody_declared_is_found(self):
        self.write("src/attic/box.cpp", "")
        self.check_fails("src/attic/box.cpp: lies in no room")

    def test_a_circle_of_rooms_is_found(self):
        self.write("src/layers.txt", "base : queue\nqueue : base\n")
        self.check_fails("in a circle: base queue")


class house(tree):
    def test_a_file_without_its_licence_is_found(self):
        self.write("src/base/clock.cpp", "// a clock\n")
        self.write("tools/run", "#!/bin/sh\necho\n")
        self.assert_fails("src/base/clock.cpp: line 1 must be: // SPDX", "check_house.py", "spdx", self.root)
        self.assert_fails("tools/run: line 2 must be: # SPDX", "check_house.py", "spdx", self.root)

    def test_files_with_their_licence_pass(self):
        for path in self.root.rglob("*.hpp"):
            path.write_text("// SPDX-License-Identifier: MIT\n")
        self.write("tools/run", "#!/bin/sh\n# SPDX-License-Identifier: MIT\n")
        self.assert_passes("check_house.py", "spdx", self.root)

    def test_a_word_that_is_not_ours_is_found(self):
        self.write("tools/words.txt", "LATER : now\nsub-task : task : src\n")
        self.write("README.md", "It comes later, with sub-tasks.\nA sub-task.\n")
        self.assert_passes("check_house.py", "words", self.root)
        self.write("src/base/clock.cpp", "// LATER\n// Sub-task\n")
        self.assert_fails("src/base/clock.cpp:1: not 'LATER': now", "check_house.py", "words", self.root)
        self.assert_fails("src/base/clock.cpp:2: not 'sub-task': task", "check_house.py", "words", self.root)


class refused(tree):
    def check(self, text):
        self.write("program.cpp", text)
        return "check_refused.py", "--compiler", COMPILER, self.root / "program.cpp"

    def test_a_program_refused_for_its_reason_passes(self):
        self.assert_passes(*self.check('// refused-because: no pointers\nstatic_assert(false, "no pointers");\n'))

    def test_a_program_that_compiles_fails(self):
        self.assert_fails("compiles, but", *self.check("// refused-because: no pointers\nint x = 0;\n"))

    def test_a_program_refused_for_another_reason_fails(self):
        self.assert_fails("does not say: no pointers",
                          *self.check("// refused-because: no pointers\nint x = y;  // no pointers\n"))

    def test_a_program_refused_with_more_errors_than_it_may_fails(self):
        text = '// refused-because: no\n// refused-with: 1\nstatic_assert(false, "no");\n'
        self.assert_passes(*self.check(text))
        self.assert_fails("refused with 2 errors, not 1", *self.check(text + "int x = y;\n"))

    def test_a_program_without_a_reason_fails(self):
        self.assert_fails("has no line", *self.check("int x = y;\n// refused-because: too late\n"))


class snippets(tree):
    def check(self, page):
        self.write("page.md", page)
        self.write("program.cpp", "int main() {\n  int x = 1;\n\n  return x;\n}\n")
        return "check_snippets.py", self.root / "page.md", self.root / "program.cpp"

    def test_blocks_that_stand_in_the_program_pass(self):
        self.assert_passes(*self.check("# Page\n```cpp\nint x = 1;\n```\nthen\n```cpp\nreturn x;\n}\n```\n"))

    def test_a_block_that_differs_or_comes_too_early_is_found(self):
        self.assert_fails("does not stand in", *self.check("```cpp\nint x = 2;\n```\n"))
        self.assert_fails("does not stand in", *self.check("```cpp\nreturn x;\n```\n```cpp\nint x = 1;\n```\n"))

    def test_blocks_may_stand_in_several_programs_each_in_its_order(self):
        self.write("other.cpp", "int y = 2;\nint z = 3;\n")
        several = lambda *blocks: (*self.check("".join(f"```cpp\n{b}\n```\n" for b in blocks)), self.root / "other.cpp")
        self.assert_passes(*several("int y = 2;", "int x = 1;", "int z = 3;", "return x;"))
        self.assert_fails("does not stand in", *several("int z = 3;", "int x = 1;", "int y = 2;"))

    def test_a_page_without_code_is_found(self):
        self.assert_fails("has no block", *self.check("# Page\n"))


class output(tree):
    def test_other_output_and_failure_are_found(self):
        self.write("expected", "one\n")
        self.assert_passes("check_output.py", self.root / "expected", "echo", "one")
        self.assert_fails("+two", "check_output.py", self.root / "expected", "echo", "two")
        self.assert_fails("ended with 3", "check_output.py", self.root / "expected", "sh", "-c", "echo one; exit 3")


class fuzz(tree):
    def fuzzer(self, name, code):
        self.write(f"build/fuzzers/{name}", f"#!/bin/sh\necho number_of_executed_units: 7\nexit {code}\n")
        (self.root / "build/fuzzers" / name).chmod(0o755)

    def test_one_target_is_run_as_the_makefile_asks_for_it(self):
        self.fuzzer("host_lines", 0)
        code, output = self.run_tool("fuzz.py", self.root / "build", "--seconds", "1", "host_lines")
        self.assertEqual((code, output), (0, "host_lines: 7 inputs, ? places covered, nothing found\n"))

    def test_a_find_fails(self):
        self.fuzzer("host_lines", 77)
        self.assert_fails("ended with code 77", "fuzz.py", self.root / "build", "host_lines", "--seconds", "1")

    def test_a_target_that_was_not_built_is_named(self):
        self.assert_fails("not built: nothing", "fuzz.py", self.root / "build", "nothing")


class dependencies(tree):
    def run_script(self, path, *groups):
        self.write("packages.txt", "near: bash\nfar: no-such-package-anywhere other(sh)\n")
        script = self.root / "dependencies.sh"
        script.write_text((TOOLS / "dependencies.sh").read_text())
        run = subprocess.run(["/bin/bash", script, *groups], env={"PATH": path}, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return run.returncode, run.stdout

    def commands(self, *names):
        for name in names:
            found = next(p for p in map(pathlib.Path, ("/usr/bin", "/bin")) if (p / name).exists()) / name
            (self.root / "bin").mkdir(exist_ok=True)
            (self.root / "bin" / name).symlink_to(found)
        return str(self.root / "bin")

    def test_on_another_system_the_packages_are_named(self):
        code, said = self.run_script(self.commands("bash", "sh", "sed", "grep", "dirname"), "far")
        self.assertEqual(code, 1, said)
        self.assertIn("not a Debian system", said)
        self.assertIn("no-such-package-anywhere", said)
        self.assertNotIn("other", said.replace("another", ""))

    def test_an_unknown_group_is_an_error(self):
        code, said = self.run_script(os.environ["PATH"], "nowhere")
        self.assertEqual(code, 1, said)
        self.assertIn("no group 'nowhere'", said)


class coverage(tree):
    def test_tests_that_exist_pass_and_others_are_found(self):
        self.write("tests/a_test.cpp", "TEST(pool, stops) {}\nTYPED_TEST(maps, keep_order) {}\n")
        self.write("examples/first.expected", "9\n")
        self.write("docs/coverage.md", "| S1 | `pool.stops`, `maps.keep_*`, `example.first` | see `pool.hpp` |\n")
        self.assert_passes("check_coverage.py", self.root)
        self.write("docs/coverage.md", "| S1 | `pool.stops` |\n| S2 | `pool.starts` |\n| S3 | `example.last` |\n")
        self.assert_fails("docs/coverage.md:2: there is no test pool.starts", "check_coverage.py", self.root)
        self.assert_fails("docs/coverage.md:3: there is no test example.last", "check_coverage.py", self.root)


if __name__ == "__main__":
    unittest.main()
