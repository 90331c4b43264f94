// SPDX-License-Identifier: MIT
// How `muster tune` shows what it measured: as a table, as JSON lines, as a picture.
#include <gmock/gmock.h>

#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/options.hpp>

#include "cli/tune.hpp"

namespace muster::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<tune_figure> two_sizes() {
  return {{.size = {1, 1},
           .rounds = 3,
           .per_second = 99.4,
           .least = 98,
           .most = 101.2,
           .p50 = 0.0099,
           .p99 = 0.0123,
           .memory = 1_MiB + 1_MiB / 2,
           .cpus = 0.98,
           .owner_cpus = 0.01,
           .calls = 298},
          {.size = {2, 1},
           .rounds = 3,
           .per_second = 1234.5,
           .least = 1200,
           .most = 1300,
           .p50 = 1.5,
           .p99 = 0.00002,
           .memory = 300 * 1_MiB,
           .cpus = 1.96,
           .owner_cpus = 0.02,
           .calls = 3703,
           .failed = 2}};
}

tune_advice second_of_two() {
  return {.at = 1, .bound = tune_bound::computing, .reason = "2 workers: because", .notes = {"But.", "And."}};
}

std::size_t times_in(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(tune_report, numbers_have_three_digits_that_count) {
  EXPECT_EQ(short_number(0), "0");
  EXPECT_EQ(short_number(0.04567), "0.0457");
  EXPECT_EQ(short_number(4.567), "4.57");
  EXPECT_EQ(short_number(45.67), "45.7");
  EXPECT_EQ(short_number(456.7), "457");
  EXPECT_EQ(short_number(1234.5), "1,230");
  EXPECT_EQ(short_number(1234567), "1,230,000");
  EXPECT_EQ(short_time(0.0000123), "12 us");
  EXPECT_EQ(short_time(0.0123), "12.3 ms");
  EXPECT_EQ(short_time(0.123), "123 ms");
  EXPECT_EQ(short_time(12.34), "12.3 s");
  EXPECT_EQ(short_size(999), "999 B");
  EXPECT_EQ(short_size(1_MiB + 1_MiB / 2), "1.5 MiB");
  EXPECT_EQ(short_size(300 * 1_MiB), "300 MiB");
  EXPECT_EQ(short_size(1'000 * 1_MiB), "1.0 GiB");
}

TEST(tune_report, the_table_has_a_line_for_each_size_and_marks_the_recommended_one) {
  EXPECT_EQ(tune_table(two_sizes(), second_of_two()),
            " workers  calls/s         range     p50      p99   memory  CPUs  failed\n"
            "       1     99.4     98.0..101  9.9 ms  12.3 ms  1.5 MiB  0.98       0\n"
            "*      2    1,230  1,200..1,300   1.5 s    20 us  300 MiB  1.96       2\n"
            "\n"
            "* 2 workers: because.\n"
            "  But.\n"
            "  And.\n");
}

TEST(tune_report, the_table_shows_calls_at_once_only_where_there_are_several) {
  auto figures = two_sizes();
  EXPECT_THAT(tune_table(figures, std::nullopt), Not(HasSubstr("at once")));
  figures[1].size.at_once = 8;
  EXPECT_THAT(tune_table(figures, std::nullopt), AllOf(HasSubstr("at once"), Not(HasSubstr("*"))));
}

TEST(tune_report, json_has_a_line_for_each_size_and_the_recommendation_last) {
  const std::string text = tune_lines(two_sizes(), second_of_two(), true);
  std::vector<nlohmann::json> lines;
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1)
    lines.push_back(nlohmann::json::parse(text.substr(at, text.find('\n', at) - at)));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("workers"), 1);
  EXPECT_EQ(lines[1].at("per_second"), 1234.5);
  EXPECT_EQ(lines[1].at("memory"), 300 * 1_MiB);
  EXPECT_EQ(lines[1].at("failed"), 2);
  EXPECT_EQ(lines[2].at("interrupted"), true);
  EXPECT_EQ(lines[2].at("recommendation").at("workers"), 2);
  EXPECT_EQ(lines[2].at("recommendation").at("bound"), "computing");
  EXPECT_EQ(lines[2].at("recommendation").at("notes").size(), 2U);
  EXPECT_EQ(tune_lines({}, std::nullopt, false), "{\"recommendation\":null,\"interrupted\":false}\n");
}

TEST(tune_picture, has_three_charts_with_a_curve_for_each_number_of_calls_at_once) {
  auto figures = two_sizes();
  const std::string one = tune_picture("title", figures, second_of_two());
  EXPECT_THAT(one,
              AllOf(HasSubstr("<svg xmlns="), HasSubstr("</svg>\n"), HasSubstr("recommended: 2 workers")));
  EXPECT_EQ(times_in(one, "<polyline"), 4U) << "throughput, p50, p99, memory";
  EXPECT_EQ(times_in(one, "<circle"), 8U);
  EXPECT_EQ(times_in(one, "fill=\"#e8f3f0\""), 3U) << "the mark of the recommended size";
  figures[1].size.at_once = 8;
  const std::string two = tune_picture("title", figures, std::nullopt);
  EXPECT_EQ(times_in(two, "<polyline"), 8U);
  EXPECT_THAT(two, AllOf(HasSubstr("8 at once"), Not(HasSubstr("recommended"))));
}

TEST(tune_picture, puts_the_largest_value_no_higher_than_the_top_of_its_chart) {
  auto figures = two_sizes();
  figures[0].per_second = figures[0].most = 0;
  figures[1].per_second = figures[1].least = 1'000;
  figures[1].most = 2'000;
  const std::string picture = tune_picture("title", figures, std::nullopt);
  // The chart of the throughput goes from y = 64 (2,000) to y = 214 (0); the sizes stand at a quarter and
  // three.
  EXPECT_THAT(picture, HasSubstr("points=\"237.0,214.0 543.0,139.0\""));
  EXPECT_THAT(picture, HasSubstr("x1=\"543.0\" y1=\"139.0\" x2=\"543.0\" y2=\"64.0\""))
      << "the range of the rounds";
}

TEST(tune_picture, is_xml_whatever_is_called) {
  const std::string picture = tune_picture("sh -c 'a < b & \"c\"\x01'", two_sizes(), std::nullopt);
  EXPECT_THAT(picture, AllOf(HasSubstr("sh -c 'a &lt; b &amp; &quot;c&quot; '"), Not(HasSubstr("\x01"))));
  EXPECT_THAT(tune_picture("t", {}, std::nullopt), HasSubstr("</svg>\n")) << "nothing was measured";
}

}  // namespace
}  // namespace muster::cli
