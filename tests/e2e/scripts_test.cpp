// SPDX-License-Identifier: MIT
//
// Functions of Node and of Python as what `muster run` and `muster tune` call.
#include <gmock/gmock.h>

#include <string>

#include "e2e/command.hpp"

namespace {

using e2e::json;
using ::testing::HasSubstr;

constexpr const char* of_node = R"(
exports.join = (...all) => all.join('-');
exports.later = async (value) => { await null; return { value }; };
exports.bytes = () => ({ raw: Buffer.from('abc') });
exports.refuse = (what) => { throw new TypeError('not ' + what); };
)";

constexpr const char* of_python = R"(
def join(*values):
    return '-'.join(str(each) for each in values)
async def later(value):
    return {'value': value}
def raw():
    return {'raw': b'abc'}
def refuse(what):
    raise ValueError('not ' + what)
)";

/// A module of either language, with the same functions.
struct script {
  explicit script(bool node) : path(there.in(node ? "chores.js" : "chores.py")) {
    std::ofstream(path) << (node ? of_node : of_python);
  }
  [[nodiscard]] std::string function(const std::string& name) const { return path + ":" + name; }

  e2e::directory there;
  std::string path;
};

}  // namespace

class command_script : public testing::TestWithParam<bool> {};

TEST_P(command_script, takes_words_as_strings_and_lines_as_they_are_with_fixed_arguments_behind) {
  const script module(GetParam());
  const auto words = e2e::run({"run", "--with", "7", module.function("join"), "a b", "2"});
  ASSERT_EQ(words.exit_code, 0) << words.errors;
  EXPECT_EQ(words.results().at(0).at("value"), "a b-7");
  EXPECT_EQ(words.results().at(1).at("value"), "2-7");
  const auto lines = e2e::run({"run", "--jsonl", module.function("later")}, "[[1,null]]\n{\"x\":\"é\"}\n");
  ASSERT_EQ(lines.exit_code, 0) << lines.errors;
  EXPECT_EQ(lines.results().at(0).at("value").at("value"), json::parse("[1,null]"));
  EXPECT_EQ(lines.results().at(1).at("value").at("value").at("x"), "é");
}

TEST_P(command_script, gives_bytes_as_base64) {
  const script module(GetParam());
  const auto done = e2e::run({"run", module.function(GetParam() ? "bytes" : "raw")});
  ASSERT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_EQ(done.results().at(0).at("value").at("raw").at("base64"), "YWJj");
}

TEST_P(command_script, tells_what_it_threw_and_what_it_has_not) {
  const script module(GetParam());
  const auto thrown = e2e::run({"run", module.function("refuse"), "this"});
  EXPECT_EQ(thrown.exit_code, 1);
  EXPECT_EQ(thrown.results().at(0).at("error").at("type"), GetParam() ? "TypeError" : "ValueError");
  EXPECT_EQ(thrown.results().at(0).at("error").at("message"), "not this");
  const auto unknown = e2e::run({"run", module.function("nothing"), "x"});
  EXPECT_EQ(unknown.results().at(0).at("error").at("kind"), "invalid_call") << unknown.output;
  const auto missing = e2e::run({"run", module.path + "x.js:f", "x"});
  EXPECT_EQ(missing.exit_code, 3);
}

TEST_P(command_script, refuses_an_input_that_json_cannot_hold) {
  const script module(GetParam());
  const auto done = e2e::run({"run", "-0", module.function("join")}, std::string("\xff\0ok", 4));
  EXPECT_EQ(done.exit_code, 1);
  EXPECT_THAT(done.results().at(0).at("error").at("message").get<std::string>(), HasSubstr("not UTF-8"));
  EXPECT_EQ(done.results().at(1).at("value"), "ok");
}

TEST_P(command_script, can_be_shown_without_being_called_and_tuned) {
  const script module(GetParam());
  EXPECT_EQ(e2e::run({"run", "--dry-run", "--with", "1", module.function("join"), "a"}).output,
            "join(\"a\", 1)\n");
  EXPECT_EQ(e2e::run({"run", "--dry-run", module.function("join"), ":::", "a", ":::", "1", "2"}).output,
            "join(\"a\", \"1\")\njoin(\"a\", \"2\")\n");
  const auto tuned = e2e::run({"tune", "--json", "--max", "1", "--at-once", "2", "--seconds", "0.2",
                               "--rounds", "1", module.function("join"), "a"});
  EXPECT_EQ(tuned.exit_code, 0) << tuned.errors;
  EXPECT_GT(tuned.results().at(0).at("memory"), 0);
}

INSTANTIATE_TEST_SUITE_P(of, command_script, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "node" : "python"; });
