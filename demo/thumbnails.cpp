// SPDX-License-Identifier: MIT
//
// The module of the demonstration: one plain function, from a photograph's path to its thumbnail's.
//
//   muster run build/demo/libthumbnails.so:thumbnail ...
//
// It decodes like most programs do: the whole picture into memory, then smaller. (libjpeg can also scale
// while it decodes; then a decompression bomb would cost little memory here, and show nothing.)
//
// TWO FAULTS ARE PLANTED. A JPEG file with the comment "muster demo: crash here" makes this decoder write
// through a null pointer, and one with "muster demo: never end" makes it loop for ever. They stand for the
// faults of real decoders, which also wait for the one file that triggers them. Nothing else in here fails on
// purpose.

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>

#include <muster/module.hpp>

#include "picture.hpp"

namespace demo {

/// What became of a photograph. Sizes are in pixels.
struct thumbnail_file {
  std::string path;
  int width = 0;
  int height = 0;
  int photo_width = 0;
  int photo_height = 0;
};

}  // namespace demo

template <>
struct muster::fields<demo::thumbnail_file> {
  using file = demo::thumbnail_file;
  static constexpr auto list = std::make_tuple(
      muster::field("path", &file::path), muster::field("width", &file::width),
      muster::field("height", &file::height), muster::field("photo_width", &file::photo_width),
      muster::field("photo_height", &file::photo_height));
};

namespace demo {
namespace {

void planted_fault(std::string_view comment) {
  if (comment == "muster demo: crash here") {
    volatile int* volatile nowhere = nullptr;
    *nowhere = 0;
  }
  if (comment == "muster demo: never end") {
    for (volatile std::uint64_t rounds = 0;;) rounds = rounds + 1;
  }
}

// Writes a thumbnail of the JPEG file at `path`, `width` pixels wide, into `out_directory` under the
// photograph's own name. A picture that is narrower already keeps its size.
thumbnail_file thumbnail(const std::string& path, const std::string& out_directory, int width) {
  if (width < 1 || width > 10'000) throw std::invalid_argument("the width must be 1 to 10000 pixels");
  const picture photo = read_jpeg(path, planted_fault);
  const int wide = std::min(width, photo.width);
  const auto high = std::max(1, static_cast<int>(static_cast<long long>(photo.height) * wide / photo.width));
  const std::filesystem::path to =
      std::filesystem::path(out_directory) / std::filesystem::path(path).filename();
  write_jpeg(to.string(), shrink(photo, wide, high), 88);
  return {to.string(), wide, high, photo.width, photo.height};
}

}  // namespace
}  // namespace demo

MUSTER_MODULE(m) { m.add("thumbnail", demo::thumbnail); }
