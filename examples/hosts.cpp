// SPDX-License-Identifier: MIT
// The code of docs/guide/hosts.md: workers that are Node, Python, any program, and commands.
#include <cstdio>
#include <string>
#include <vector>

#include <muster/host.hpp>
#include <muster/muster.hpp>

struct photo {
  std::string name;
  int width = 0;
};
template <>
struct muster::fields<photo> {
  static constexpr auto list =
      std::make_tuple(muster::field("name", &photo::name), muster::field("width", &photo::width));
};

namespace {

void with_node() {
  muster::host_pool pool(muster::node{.module = "./hosts/photos.js"}, {.workers = {.max = 2, .at_once = 10}});
  muster::future<std::string> title = pool.call<std::string>("title", "cat", 200);
  std::puts(title.get().c_str());

  auto shrink = pool.proxy<std::vector<std::byte>(std::vector<std::byte>, int)>("shrink");
  std::printf("%zu bytes\n", shrink(std::vector<std::byte>(1'000'000), 2).get().size());

  try {
    pool.call<void>("refuse", "notes.txt").get();
  } catch (const muster::worker_error& e) {
    std::printf("%s: %s\n", e.type().c_str(), e.text().c_str());  // e.backtrace() is its stack
  }
}

void with_python() {
  muster::host_pool pool(muster::python{.module = "./hosts/photos.py"});
  const std::vector<std::byte> pixels(1'000, std::byte{128});
  std::printf("%.1f\n", pool.call<double>("brightness", pixels).get());
  const photo half = pool.call<photo>("describe", photo{.name = "cat", .width = 200}).get();
  std::printf("%s %d\n", half.name.c_str(), half.width);
}

void with_any_program() {
  muster::host_pool pool(muster::program{.command = {"python3", "./hosts/upper.py"}});
  std::puts(pool.call<std::string>("upper", "any language").get().c_str());
  std::puts(pool.call_json("upper", {.text = R"(["text in, text out"])"}).get().text.c_str());
}

void with_commands() {
  muster::host_pool pool(muster::command{{"echo", "{/}", "becomes", "small/{/.}.png"}}, {.workers = {4}});
  std::vector<muster::future<muster::program_result>> all;
  for (const char* file : {"photos/cat.jpg", "photos/dog.jpg"}) all.push_back(pool.run({file}));
  for (auto& each : all) std::fputs(each.get().out.c_str(), stdout);
}

void as_with_worker_pool() {
  const muster::worker_options workers = {.min = 1, .max = 5, .at_once = 10};
  muster::host_pool pool(muster::node{.base = "./hosts"},
                         {.workers = workers, .strategy = muster::strategy::fill});
  const auto do_some_work = pool.proxy<std::string(std::string)>({"./worker", "doSomeWork"});

  std::vector<muster::future<std::string>> results;
  for (int i = 0; i < 1'000; ++i) results.push_back(do_some_work("bar"));
  pool.stop();  // takes no more, and finishes these

  std::size_t well = 0;
  for (auto& each : results) well += each.get().empty() ? 0 : 1;
  std::printf("%zu results\n", well);
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  with_node();
  with_python();
  with_any_program();
  with_commands();
  as_with_worker_pool();
}
