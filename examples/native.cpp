// SPDX-License-Identifier: MIT
// The code of docs/guide/hosts.md about programs that are workers themselves: hosts/upper.c is one.
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <muster/host.hpp>
#include <muster/muster.hpp>

int main(int argc, char** argv) {
  muster::init(argc, argv);
  const std::string upper =
      std::filesystem::path(argv[0]).replace_filename("upper").string();  // built beside it

  muster::host_pool pool(muster::native{.command = {upper}}, {.workers = {.max = 2}});
  const std::string_view text = "a worker in c";
  const auto bytes = std::as_bytes(std::span(text));
  const std::vector<std::byte> answer = pool.call_bytes("upper", {bytes.begin(), bytes.end()}).get();
  std::printf("%.*s\n", static_cast<int>(answer.size()), reinterpret_cast<const char*>(answer.data()));

  try {
    pool.call_bytes("lower", {}).get();
  } catch (const muster::invalid_call& e) {
    std::puts(e.what());
  }
}
