// SPDX-License-Identifier: MIT
#include "picture.hpp"

#include <csetjmp>
#include <cstdio>
// libjpeg's header uses FILE and size_t without including what declares them.
#include <jpeglib.h>

#include <jerror.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace demo {
namespace {

struct close_file {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using file_handle = std::unique_ptr<std::FILE, close_file>;

file_handle open_file(const std::string& path, const char* mode) {
  file_handle file(std::fopen(path.c_str(), mode));
  if (!file) throw std::system_error(errno, std::generic_category(), path);
  return file;
}

// libjpeg reports an error by a function that must not return. An exception must not cross its C frames, so
// we jump back over them and throw on our own side of the border.
class error_border {
public:
  jpeg_error_mgr* manager() {
    jpeg_std_error(&manager_);
    manager_.error_exit = &leave;
    manager_.emit_message = &judge;
    manager_.output_message = [](j_common_ptr) {};  // libjpeg must not write to our standard error
    return &manager_;
  }

  // Runs calls into libjpeg. What `calls` captures must be references: a jump runs no destructors.
  template <class Calls>
  void guard(const Calls& calls) {
    if (setjmp(back_) != 0) throw std::runtime_error(message_.data());
    calls();
  }

private:
  [[noreturn]] static void leave(j_common_ptr info) {
    // The manager is our first member, so its address is ours.
    auto* border = reinterpret_cast<error_border*>(info->err);
    info->err->format_message(info, border->message_.data());
    longjmp(border->back_, 1);
  }

  // libjpeg only warns when a part of the picture is missing and paints that part grey. Half a picture is an
  // error here.
  static void judge(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE))
      leave(info);
  }

  jpeg_error_mgr manager_{};
  std::jmp_buf back_{};
  std::array<char, JMSG_LENGTH_MAX> message_{};
};

class decoder {
public:
  explicit decoder(std::FILE* file) {
    info_.err = border_.manager();
    border_.guard([&] {
      jpeg_create_decompress(&info_);
      jpeg_stdio_src(&info_, file);
      jpeg_save_markers(&info_, JPEG_COM, 0xFFFF);
      jpeg_read_header(&info_, TRUE);
    });
  }
  ~decoder() { jpeg_destroy_decompress(&info_); }
  decoder(const decoder&) = delete;
  decoder& operator=(const decoder&) = delete;

  void tell(const comment_handler& on_comment) const {
    for (const jpeg_marker_struct* marker = info_.marker_list; marker != nullptr; marker = marker->next) {
      if (marker->marker != JPEG_COM) continue;
      on_comment({reinterpret_cast<const char*>(marker->data), marker->data_length});
    }
  }

  picture decode() {
    border_.guard([&] {
      info_.out_color_space = JCS_RGB;
      jpeg_start_decompress(&info_);
    });
    picture image(static_cast<int>(info_.output_width), static_cast<int>(info_.output_height));
    border_.guard([&] {
      while (info_.output_scanline < info_.output_height) {
        JSAMPROW row = image.at(0, static_cast<int>(info_.output_scanline));
        jpeg_read_scanlines(&info_, &row, 1);
      }
      jpeg_finish_decompress(&info_);
    });
    return image;
  }

private:
  jpeg_decompress_struct info_{};
  error_border border_;
};

class encoder {
public:
  encoder(std::FILE* file, const picture& image, int quality) {
    info_.err = border_.manager();
    border_.guard([&] {
      jpeg_create_compress(&info_);
      jpeg_stdio_dest(&info_, file);
      info_.image_width = static_cast<JDIMENSION>(image.width);
      info_.image_height = static_cast<JDIMENSION>(image.height);
      info_.input_components = 3;
      info_.in_color_space = JCS_RGB;
      jpeg_set_defaults(&info_);
      jpeg_set_quality(&info_, quality, TRUE);
      jpeg_start_compress(&info_, TRUE);
    });
  }
  ~encoder() { jpeg_destroy_compress(&info_); }
  encoder(const encoder&) = delete;
  encoder& operator=(const encoder&) = delete;

  void encode(const picture& image) {
    border_.guard([&] {
      while (info_.next_scanline < info_.image_height) {
        // libjpeg takes a pointer to writable rows and only reads them.
        JSAMPROW row = const_cast<std::uint8_t*>(image.at(0, static_cast<int>(info_.next_scanline)));
        jpeg_write_scanlines(&info_, &row, 1);
      }
      jpeg_finish_compress(&info_);
    });
  }

private:
  jpeg_compress_struct info_{};
  error_border border_;
};

}  // namespace

picture read_jpeg(const std::string& path, const comment_handler& on_comment) {
  const file_handle file = open_file(path, "rb");
  decoder from(file.get());
  if (on_comment) from.tell(on_comment);
  return from.decode();
}

void write_jpeg(const std::string& path, const picture& image, int quality) {
  const std::string unfinished = path + ".part";
  file_handle file = open_file(unfinished, "wb");
  encoder(file.get(), image, quality).encode(image);
  if (std::fclose(file.release()) != 0 || std::rename(unfinished.c_str(), path.c_str()) != 0) {
    throw std::system_error(errno, std::generic_category(), path);
  }
}

picture shrink(const picture& image, int width, int height) {
  if (width < 1 || height < 1 || width > image.width || height > image.height) {
    throw std::invalid_argument("a picture cannot be shrunk to more than it has, or to nothing");
  }
  const auto border = [](int step, int steps, int size) {
    return static_cast<int>(static_cast<long long>(step) * size / steps);
  };
  picture small(width, height);
  for (int y = 0; y < height; ++y) {
    const int top = border(y, height, image.height);
    const int bottom = border(y + 1, height, image.height);
    for (int x = 0; x < width; ++x) {
      const int left = border(x, width, image.width);
      const int right = border(x + 1, width, image.width);
      std::array<unsigned long, 3> sum{};
      for (int row = top; row < bottom; ++row) {
        const std::uint8_t* pixel = image.at(left, row);
        for (int column = left; column < right; ++column, pixel += 3) {
          for (std::size_t c = 0; c < 3; ++c) sum[c] += pixel[c];
        }
      }
      const auto pixels = static_cast<unsigned long>(bottom - top) * static_cast<unsigned long>(right - left);
      for (std::size_t c = 0; c < 3; ++c)
        small.at(x, y)[c] = static_cast<std::uint8_t>((sum[c] + pixels / 2) / pixels);
    }
  }
  return small;
}

}  // namespace demo
