// SPDX-License-Identifier: MIT
#pragma once

// Pictures in memory, and the way from and to JPEG files through libjpeg. Plain values, owned by whoever
// holds them; the functions keep no state and may be called from any thread.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

struct picture {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // rows from top to bottom, three bytes a pixel

  picture() = default;
  picture(int wide, int high)
      : width(wide), height(high), rgb(3 * static_cast<std::size_t>(wide) * static_cast<std::size_t>(high)) {}

  std::uint8_t* at(int x, int y) { return rgb.data() + offset(x, y); }
  [[nodiscard]] const std::uint8_t* at(int x, int y) const { return rgb.data() + offset(x, y); }

private:
  [[nodiscard]] std::size_t offset(int x, int y) const {
    return 3 * (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x));
  }
};

// Called with each comment of a JPEG file after its header was read, before the first pixel is decoded.
using comment_handler = std::function<void(std::string_view)>;

// Decodes the whole file at full size. Throws std::runtime_error with libjpeg's own message when the file is
// no JPEG or ends too early, std::system_error when it cannot be read.
picture read_jpeg(const std::string& path, const comment_handler& on_comment = {});

// The file is there whole or not at all: it is written under another name, then renamed. Throws like
// read_jpeg.
void write_jpeg(const std::string& path, const picture& image, int quality);

// Each pixel of the result is the mean of those it stands for. Neither side of the result may exceed the
// original's.
picture shrink(const picture& image, int width, int height);

}  // namespace demo
