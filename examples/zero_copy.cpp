// SPDX-License-Identifier: MIT
// Large data without copies: an image is filled here, blurred in place by a worker process, and read here
// again; then several workers read it at the same time.
#include <cstdint>
#include <cstdio>
#include <numeric>
#include <span>
#include <vector>

#include <muster/muster.hpp>

using namespace muster;  // for 64_MiB and 5s

constexpr std::size_t width = 1'000, height = 1'000;

void fill(std::span<float> pixels) {
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<float>(i % 2);
}

// Each row by itself, in place.
muster::buffer blur(muster::buffer image, int rounds) {
  const auto pixels = image.as<float>();
  for (int round = 0; round < rounds; ++round)
    for (std::size_t at = 0; at + 1 < pixels.size(); ++at)
      if (at % width + 1 < width) pixels[at] = (pixels[at] + pixels[at + 1]) / 2;
  return image;
}

// Reads one part of what many read.
double brightness(muster::shared_buffer part) {
  const auto pixels = part.as<float>();
  return std::accumulate(pixels.begin(), pixels.end(), 0.0) / static_cast<double>(pixels.size());
}

// Reads its argument where it arrived.
std::uint64_t checksum(std::span<const unsigned char> file) {
  return std::accumulate(file.begin(), file.end(), std::uint64_t{0});
}

int main(int argc, char** argv) {
  muster::init(argc, argv);
  muster::process_pool pool(2);

  muster::buffer image = pool.lease(width * height * sizeof(float));
  fill(image.as<float>());
  auto f = pool.submit(blur, std::move(image), 3);
  muster::buffer done = f.get();
  std::printf("a pixel is %.3f now, and %zu buffer was enough\n", static_cast<double>(done.as<float>()[10]),
              pool.stats().arena.blocks);

  const muster::shared_buffer all = std::move(done).share();
  std::vector<muster::future<double>> parts;
  for (std::size_t at = 0; at < all.size(); at += all.size() / 4)
    parts.push_back(pool.submit(brightness, all.part(at, all.size() / 4)));
  double total = 0;
  for (auto& part : parts) total += part.get();
  std::printf("its brightness is %.2f\n", total / static_cast<double>(parts.size()));

  auto sum = pool.submit(checksum, std::vector<unsigned char>(64_MiB, 1));
  std::printf("64 MiB are summed up: %llu\n", static_cast<unsigned long long>(sum.get()));

  muster::process_pool roomy({.workers = {4}, .arena = {.bytes = 1_GiB, .blocks = 128}});
  muster::buffer next = roomy.lease(64_MiB, 5s);
  std::printf("%zu MiB more\n", next.size() >> 20U);
}
