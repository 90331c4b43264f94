// SPDX-License-Identifier: MIT
// What the fuzzers begin with, and what they have found: every promise holds for it, in every build.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>
#include <vector>

#include "fuzz/target.hpp"

namespace muster::fuzz {

inline void PrintTo(const target& shown, std::ostream* out) { *out << shown.name; }

namespace {

const std::filesystem::path all_corpora = MUSTER_SOURCE_DIR "/tests/fuzz/corpus";

class fuzz_corpus : public testing::TestWithParam<target> {};

TEST_P(fuzz_corpus, holds_what_is_promised_of_every_input) {
  std::vector<std::filesystem::path> files;
  for (const auto& each : std::filesystem::directory_iterator(all_corpora / GetParam().name))
    files.push_back(each.path());
  EXPECT_GE(files.size(), 5U) << "too few to tell anything";
  std::ranges::sort(files);
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    // Of exactly its size, so that a sanitizer sees who reads on.
    const std::vector<char> input((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    try {
      GetParam().run({input.data(), input.size()});
    } catch (const broken_promise& broken) {
      ADD_FAILURE() << path << ": " << broken.what;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(each, fuzz_corpus, testing::ValuesIn(targets()),
                         [](const auto& shown) { return std::string(shown.param.name); });

TEST(fuzz_corpora, each_has_its_target) {
  for (const auto& each : std::filesystem::directory_iterator(all_corpora))
    EXPECT_EQ(std::ranges::count(targets(), each.path().filename().string(), &target::name), 1)
        << each.path();
}

}  // namespace
}  // namespace muster::fuzz
