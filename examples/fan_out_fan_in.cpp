// SPDX-License-Identifier: MIT
// Fan-out and fan-in: parts of the work go to all workers, and what comes back, in whatever order, is merged
// in one place. For work that can be cut into parts: counting, searching, rendering in tiles.
#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <muster/muster.hpp>

namespace {

using counts = std::map<std::string, int>;

counts count_words(const std::string& page) {
  counts words;
  std::istringstream in(page);
  for (std::string word; in >> word;) ++words[word];
  return words;
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool(3);
  const std::vector<std::string> pages = {"the cat sat on the mat", "the dog sat on the cat",
                                          "the mat is under the dog and the cat"};

  counts all;
  for (const counts& part : pool.map_unordered(count_words, pages))
    for (const auto& [word, times] : part) all[word] += times;

  for (const auto& [word, times] : all)
    if (times > 2) std::printf("%s %d\n", word.c_str(), times);
}
