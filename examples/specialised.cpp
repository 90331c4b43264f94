// SPDX-License-Identifier: MIT
// Specialised pools: each kind of work on workers made for it, and one thing to submit to and to stop. For
// kinds of work that must not wait for each other. (A beginning: muster::specialised_pools().)
#include <cstdio>
#include <numeric>
#include <string>
#include <vector>

#include <muster/muster.hpp>

namespace {

std::string download(int page) { return "page " + std::to_string(page); }
std::size_t decode(const std::string& upload) { return upload.size(); }  // imagine something that crashes
int sum_to(int last) { return last * (last + 1) / 2; }

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::pool_group pools({
      .threads = {{"cpu", muster::presets::cpu()}, {"io", {.workers = {16}}}},
      .processes = {{"untrusted", {.workers = {2}}}},
      .default_pool = "cpu",
      .route = [](std::string_view type) { return std::string(type == "upload" ? "untrusted" : type); },
  });

  auto page = pools.submit("io", download, 7);           // a pool's name is a type
  auto size = pools.submit("upload", decode, "GIF89a");  // as .route says: in a process of its own
  auto sum = pools.submit("report", sum_to, 100);        // of no pool, so the default
  std::printf("%s, %zu bytes, %d\n", page.get().c_str(), size.get(), sum.get());

  pools.wait_idle();
  for (const auto& [name, of] : pools.stats()) std::printf("%s ran %zu\n", name.c_str(), of.succeeded);
}
