// SPDX-License-Identifier: MIT
#include "host/messages.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>

#include "host/fill_in.hpp"
#include "kit/pools.hpp"

namespace muster::test {
namespace {

using host::fill_in;
using host::message_kind;
using host::read_line;

host::message understood(const std::string& line, host_protocol protocol = host_protocol::json_lines) {
  auto said = read_line(protocol, line);
  if (!said) ADD_FAILURE() << said.error();
  return said ? *std::move(said) : host::message();
}
std::string refused(const std::string& line, host_protocol protocol = host_protocol::json_lines) {
  const auto said = read_line(protocol, line);
  return said ? "it is a message" : said.error();
}

TEST(lines_to_a_host, are_calls_with_their_bytes_announced) {
  EXPECT_EQ(host::call_line(7, "", "add", "[1,2]", {}), "{\"id\":7,\"call\":\"add\",\"args\":[1,2]}\n");
  const std::array<std::byte, 3> three{};
  const std::vector<host::attachment> beside{{}, {.bytes = three}};
  EXPECT_EQ(host::call_line(8, "/m.js", "f", "[{\"$bytes\":0}]", beside),
            "{\"id\":8,\"call\":\"f\",\"module\":\"/m.js\",\"args\":[{\"$bytes\":0}],\"bytes\":[0,3]}\n");
  EXPECT_EQ(host::cancel_line(host_protocol::json_lines, 7), "{\"cancel\":7}\n");
}

TEST(lines_to_a_host, say_which_memory_is_to_be_mapped) {
  const std::array<std::byte, 3> three{};
  const std::vector<host::attachment> beside{
      {.bytes = three, .memory = host::attachment::mapping{.block = 7, .size = 4'096, .offset = 16}},
      {.bytes = three,
       .memory = host::attachment::mapping{
           .block = 8, .size = 8'192, .is_writable = true, .is_sent = true, .forgotten = 5}}};
  EXPECT_EQ(
      host::call_line(1, "", "f", "[]", beside),
      "{\"id\":1,\"call\":\"f\",\"args\":[],\"bytes\":[{\"block\":7,\"map\":4096,\"offset\":16,\"size\":3},"
      "{\"block\":8,\"map\":8192,\"offset\":0,\"size\":3,\"forget\":5,\"writable\":true,\"sent\":true}]}\n");
}

TEST(lines_to_a_host, are_those_of_bazel_where_it_speaks_them) {
  EXPECT_EQ(host::bazel_line(0, {"--flag", "a b"}),
            "{\"arguments\":[\"--flag\",\"a b\"],\"inputs\":[],\"requestId\":0}\n");
  EXPECT_EQ(host::cancel_line(host_protocol::bazel, 3), "{\"cancel\":true,\"requestId\":3}\n");
}

TEST(lines_of_a_host, are_understood) {
  EXPECT_EQ(understood(R"({"ready":true})").kind, message_kind::ready);
  EXPECT_EQ(understood(R"({"ready":false,"error":"no"})").kind, message_kind::not_ready);
  const auto answer =
      understood(R"( {"value" : [1, {"a": null}], "new": {}, "id": 18446744073709551615, "bytes":[0,5]} )");
  EXPECT_EQ(answer.kind, message_kind::answer);
  EXPECT_EQ(answer.id, 18446744073709551615U);
  EXPECT_EQ(answer.value, R"([1, {"a": null}])");
  ASSERT_EQ(answer.attachments.size(), 2U);
  EXPECT_EQ(answer.attachments[1].size, 5U);
  EXPECT_FALSE(answer.attachments[1].lent);
  const auto lent = understood(R"({"id":1,"value":1,"bytes":[{"lent":3,"new":1}]})").attachments;
  ASSERT_EQ(lent.size(), 1U);
  EXPECT_EQ(lent[0].lent, 3U);
  EXPECT_EQ(lent[0].size, 0U);
  const auto thrown = understood(R"({"id":1,"error":{"type":"T","message":"m","stack":"s","code":5}})").error;
  ASSERT_TRUE(thrown);
  EXPECT_EQ(thrown->type + thrown->message + thrown->stack, "Tms");
  EXPECT_EQ(understood(R"({"id":1,"progress":0.5,"text":"half"})").text, "half");
}

TEST(lines_of_a_host, announce_bytes_by_their_number_or_as_memory_of_the_call) {
  EXPECT_EQ(refused(R"({"id":1,"value":1,"bytes":[{}]})"),
            "announces bytes without their number (at byte 29)");
  EXPECT_EQ(refused(R"({"id":1,"value":1,"bytes":[{"lent":-1}]})").substr(0, 17), "-1 is no integer ");
}

TEST(lines_of_a_host, of_bazel_are_understood) {
  EXPECT_EQ(understood(R"({"exitCode":3,"output":"bad","requestId":4})", host_protocol::bazel).value,
            R"([3,"bad"])");
  EXPECT_EQ(understood(R"({"requestId":4})", host_protocol::bazel).value, R"([0,""])");
  EXPECT_TRUE(understood(R"({"requestId":4,"wasCancelled":true})", host_protocol::bazel).error);
}

TEST(lines_of_a_host, that_are_none_are_refused_with_the_reason) {
  EXPECT_EQ(refused("[]"), "expected an object, found [] (at byte 0)");
  EXPECT_EQ(refused("{}"), "it has neither \"id\" nor \"ready\" (at byte 2)");
  EXPECT_EQ(refused(R"({"id":1})"), "it has neither \"value\" nor \"error\" (at byte 8)");
  EXPECT_EQ(refused(R"({"id":"1","value":1})"), "expected a number, found \"1\" (at byte 6)");
  EXPECT_EQ(refused(R"({"id":1,"value":1} x)"), "something follows the value (at byte 19)");
  EXPECT_EQ(refused(R"({"id":1,"value":NaN})"), "this is not JSON (at byte 16)");
  EXPECT_EQ(refused(R"({"id":1,"progress":0.5,"value":1})"), "it is progress and an answer (at byte 33)");
  EXPECT_NE(refused(R"({"id":1,"value":1,"bytes":[600000000,600000000]})"), "it is a message");
  EXPECT_EQ(refused(R"({"exitCode":1e99})", host_protocol::bazel).find("1e99 is no integer"), 0U);
}

// A line is from a stranger: whatever it is, it is understood or refused.
TEST(lines_of_a_host, of_random_bytes_are_understood_or_refused) {
  std::mt19937_64 random(seed_of_test());
  const std::string good =
      R"({"id":12,"value":{"a":[1,2.5e3,"x\u00e9",null,true]},"bytes":[3,4],"error":"e","ready":false})";
  for (int round = 0; round < 20'000; ++round) {
    std::string line = good;
    for (std::uint64_t i = random() % 6; i > 0 && !line.empty(); --i) {
      const std::size_t at = random() % line.size();
      switch (random() % 4) {
        case 0: line.erase(at, random() % 9); break;
        case 1: line.insert(at, line.substr(random() % line.size(), random() % 9)); break;
        case 2: line[at] = static_cast<char>(random()); break;
        default: line[at] = "{}[],:\"0\\"[random() % 9]; break;
      }
    }
    for (const auto protocol : {host_protocol::json_lines, host_protocol::bazel})
      static_cast<void>(read_line(protocol, line));
  }
}

using words = std::vector<std::string>;

TEST(a_command, gets_its_inputs_where_its_words_say) {
  EXPECT_EQ(fill_in({"convert", "{}", "small/{/.}.png"}, {"photos/cat.jpg"}, 1),
            (words{"convert", "photos/cat.jpg", "small/cat.png"}));
  EXPECT_EQ(fill_in({"x", "{.}", "{/}", "{//}", "{/.}", "{#}"}, {"a.b/c.tar.gz"}, 42),
            (words{"x", "a.b/c.tar", "c.tar.gz", "a.b", "c.tar", "42"}));
  EXPECT_EQ(fill_in({"x", "{.}", "{/}", "{//}", "{/.}"}, {".hidden"}, 1),
            (words{"x", ".hidden", ".hidden", ".", ".hidden"}));
  EXPECT_EQ(fill_in({"x", "{.}", "{//}"}, {"/a.b/c"}, 1), (words{"x", "/a.b/c", "/a.b"}));
  EXPECT_EQ(fill_in({"x", "{//}"}, {"/c"}, 1), (words{"x", "/"}));
}

TEST(a_command, gets_its_inputs_at_the_end_where_no_word_wants_them) {
  EXPECT_EQ(fill_in({"ls", "-l"}, {"a b", "c"}, 1), (words{"ls", "-l", "a b", "c"}));
  EXPECT_EQ(fill_in({"echo", "{x}", "{", "}", "${}"}, {"a"}, 1), (words{"echo", "{x}", "{", "}", "$a"}));
}

TEST(a_command, may_have_several_inputs) {
  EXPECT_EQ(fill_in({"cp", "{1}", "{2//}/{1/}"}, {"a/b", "c/d"}, 1), (words{"cp", "a/b", "c/b"}));
  EXPECT_EQ(fill_in({"cat", "{}"}, {"a", "b"}, 1), (words{"cat", "a", "b"}));
  EXPECT_EQ(fill_in({"cat", "<{}>"}, {"a", "b"}, 1), (words{"cat", "<a b>"}));
  EXPECT_EQ(fill_in({"cat", "{}"}, {}, 1), (words{"cat"}));
}

TEST(a_command, is_not_made_of_inputs_that_there_are_none_of) {
  const auto why_not = [](const std::string& word) {
    try {
      static_cast<void>(fill_in({"rm", word}, {"a", "b"}, 1));
      return std::string();
    } catch (const invalid_call& problem) {
      return std::string(problem.what());
    }
  };
  EXPECT_EQ(why_not("{1}/{2}"), "");
  EXPECT_EQ(why_not("{1}/{3/}"), "{3/} stands for input 3 of a call, which has 2");
  EXPECT_EQ(why_not("{0}"), "{0} stands for input 0 of a call, which has 2");
}

TEST(a_command, keeps_its_name_and_what_an_input_looks_like) {
  EXPECT_EQ(fill_in({"{}", "{}"}, {"{/}"}, 1), (words{"{}", "{/}"}));
}

}  // namespace
}  // namespace muster::test
