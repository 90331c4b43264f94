// SPDX-License-Identifier: MIT
//
// A module as a user writes one, with a function of every kind that can be exported.
#include <muster/module.hpp>

#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

struct point {
  double x = 0;
  double y = 0;
};
template <>
struct muster::fields<point> {
  static constexpr auto list = std::make_tuple(muster::field("x", &point::x), muster::field("y", &point::y));
};

struct raw {
  int a;
  int b;
};
template <>
inline constexpr bool muster::as_bytes<raw> = true;

namespace {

std::string shrink(const std::string& path, int width) { return path + "@" + std::to_string(width); }
std::size_t length(std::string_view text) noexcept { return text.size(); }
point mirror(point p) { return {.x = -p.x, .y = -p.y}; }
int attempt(muster::context& about, int more) { return about.attempt() + more; }
bool stopped(std::stop_token stop) { return stop.stop_requested(); }
void fail(const std::string& why) { throw std::out_of_range(why); }
int sum_raw(raw value) { return value.a + value.b; }
int owned(std::unique_ptr<int> value) { return value ? *value : -1; }
std::map<std::string, std::vector<int>> group(const std::vector<int>& numbers) {
  std::map<std::string, std::vector<int>> groups;
  for (const int each : numbers) groups[each % 2 == 0 ? "even" : "odd"].push_back(each);
  return groups;
}
struct adder {
  int operator()(int a, int b) const { return a + b; }
};
int calls() {
  static int count = 0;
  return ++count;
}

}  // namespace

MUSTER_MODULE(m) {
  m.version("1.2");
  m.add("shrink", shrink);
  m.add("halve", [](double x) { return x / 2; });
  m.add("length", length);
  m.add("mirror", mirror);
  m.add("attempt", attempt);
  m.add("stopped", stopped);
  m.add("fail", fail);
  m.add("sum_raw", sum_raw);
  m.add("owned", owned);
  m.add("group", group);
  m.add("add", adder());
  m.add("calls", calls);
}
