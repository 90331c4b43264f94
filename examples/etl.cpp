// SPDX-License-Identifier: MIT
// Extract, transform, load: three stages on pools of their own, joined as maps of maps, with bounded numbers
// under way. A line that cannot be parsed is a value that says so: an error would end the stages behind it.
#include <cstdio>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <muster/fields.hpp>
#include <muster/muster.hpp>

struct sale {
  std::string customer{};
  int cents = 0;
};
template <>
struct muster::fields<sale> {
  static constexpr auto list =
      std::make_tuple(muster::field("customer", &sale::customer), muster::field("cents", &sale::cents));
};

namespace {

std::string extract(int day) {  // waits for a disk or a network
  return "ada " + std::to_string(100 * day) + "\nbob 50\n" + (day == 3 ? "bob a lot\n" : "");
}

std::vector<std::optional<sale>> transform(const std::string& text) {  // may crash on what it is given
  std::vector<std::optional<sale>> sales;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    sale one;
    sales.push_back(words >> one.customer >> one.cents ? std::optional(one) : std::nullopt);
  }
  return sales;
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  std::map<std::string, int> table;
  muster::thread_pool disk(4);
  muster::process_pool parsers(2);
  muster::thread_pool database(1);  // one writer

  const auto load = [&table](const std::vector<std::optional<sale>>& sales) {
    int refused = 0;
    for (const auto& one : sales) one ? table[one->customer] += one->cents : ++refused;
    return refused;
  };
  auto texts = disk.map_unordered(extract, std::vector<int>{1, 2, 3, 4, 5});
  auto sales = parsers.map_unordered(transform, std::move(texts));
  int refused = 0;
  for (const int lines : database.map(load, std::move(sales))) refused += lines;

  for (const auto& [customer, cents] : table) std::printf("%s %d\n", customer.c_str(), cents);
  std::printf("lines refused: %d\n", refused);
}
