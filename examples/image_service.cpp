// SPDX-License-Identifier: MIT
// An image service: pictures in, thumbnails out as they are done. In processes, so that a picture that kills
// its decoder costs that picture; with a queue of twice the workers, and a deadline for the stop.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <muster/fields.hpp>
#include <muster/muster.hpp>

using namespace std::chrono_literals;

struct image {
  std::size_t width = 0, height = 0;
  std::vector<unsigned char> grey{};
};
template <>
struct muster::fields<image> {
  static constexpr auto list =
      std::make_tuple(muster::field("width", &image::width), muster::field("height", &image::height),
                      muster::field("grey", &image::grey));
};

namespace {

image shrink(const image& from, std::size_t by) {
  if (from.grey.size() != from.width * from.height) std::abort();  // as a decoder may do
  image to{from.width / by, from.height / by};
  for (std::size_t y = 0; y < to.height; ++y)
    for (std::size_t x = 0; x < to.width; ++x) to.grey.push_back(from.grey[y * by * from.width + x * by]);
  return to;
}

image load(int number) {
  image made{64, 48, std::vector<unsigned char>(64 * 48, static_cast<unsigned char>(number))};
  if (number == 13) made.grey.resize(100);  // truncated
  return made;
}

}  // namespace

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool(
      {.workers = {.min = 2, .max = 4}, .queue = {.capacity = muster::queue_options::automatic}});
  muster::results<image> thumbnails(20);

  std::thread requests([&] {
    for (int i = 0; i < 100; ++i)
      thumbnails.submit(pool, {.run_timeout = 30s, .id = "image-" + std::to_string(i)}, shrink, load(i), 4);
    thumbnails.close();
  });
  std::size_t done = 0, pixels = 0;
  for (auto& made : thumbnails) {
    if (!made.ok()) {
      std::printf("%s failed\n", made.id.c_str());  // made.what() says why, signal and all
      continue;
    }
    ++done;
    pixels += made.value->width * made.value->height;
  }
  requests.join();
  std::printf("%zu thumbnails of %zu pixels; stopped%s\n", done, pixels / done,
              pool.stop(5s).forced ? " by force" : "");
}
