// SPDX-License-Identifier: MIT
//
// Draws one JPEG of all thumbnails, and a tile in red for each file that gave none.
//
//   contact_sheet OUT.jpg "title" < tiles
//
// One tile a line, its fields separated by tabs: "photo <caption> <path of the thumbnail>" or
// "failed <caption> <cause>". Prints how large the sheet became.

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "font.hpp"
#include "picture.hpp"

namespace {

constexpr demo::colour ground{24, 26, 30};
constexpr demo::colour failed_ground{92, 34, 36};
constexpr demo::colour failed_edge{148, 58, 58};
constexpr demo::colour title_ink{232, 234, 237};
constexpr demo::colour caption_ink{150, 156, 166};
constexpr demo::colour failed_ink{255, 214, 208};

constexpr int tile_width = 240;
constexpr int tile_height = 160;
constexpr int gap = 20;
constexpr int margin = 36;
constexpr int head_height = 56;
constexpr int caption_height = 24;
constexpr int small_dot = 2;  // pixels a dot of the font
constexpr int large_dot = 3;

struct tile {
  bool failed = false;
  std::string caption;
  std::string text;  // the thumbnail's path, or the cause
};

std::vector<tile> read_tiles(std::istream& in) {
  std::vector<tile> tiles;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string kind;
    tile next;
    std::getline(fields, kind, '\t');
    std::getline(fields, next.caption, '\t');
    std::getline(fields, next.text, '\t');
    if ((kind != "photo" && kind != "failed") || next.text.empty())
      throw std::runtime_error("not a tile: " + line);
    next.failed = kind == "failed";
    tiles.push_back(next);
  }
  if (tiles.empty()) throw std::runtime_error("there are no tiles to draw");
  return tiles;
}

// As many columns as leave the last row fullest; of equals the most.
int choose_columns(int tiles) {
  constexpr int fewest = 5;
  constexpr int most = 7;
  if (tiles <= most) return tiles;
  int best = most;
  for (int columns = most; columns >= fewest; --columns) {
    const auto empty = [&](int of) { return (of - tiles % of) % of; };
    if (empty(columns) < empty(best)) best = columns;
  }
  return best;
}

void fill(demo::picture& on, int left, int top, int wide, int high, demo::colour with) {
  for (int y = top; y < top + high; ++y) {
    for (int x = left; x < left + wide; ++x) {
      std::uint8_t* pixel = on.at(x, y);
      pixel[0] = with.red;
      pixel[1] = with.green;
      pixel[2] = with.blue;
    }
  }
}

// The middle of the photograph, as large as the tile allows: the grid stays even, whatever shape a photograph
// has.
void draw_photo(demo::picture& on, int left, int top, const demo::picture& photo) {
  const double scale = std::min(1.0 * photo.width / tile_width, 1.0 * photo.height / tile_height);
  const int wide = std::clamp(static_cast<int>(tile_width * scale), 1, photo.width);
  const int high = std::clamp(static_cast<int>(tile_height * scale), 1, photo.height);
  demo::picture middle(wide, high);
  for (int y = 0; y < high; ++y) {
    const std::uint8_t* from = photo.at((photo.width - wide) / 2, (photo.height - high) / 2 + y);
    std::copy_n(from, 3 * static_cast<std::size_t>(wide), middle.at(0, y));
  }
  const demo::picture shown = demo::shrink(middle, std::min(wide, tile_width), std::min(high, tile_height));
  for (int y = 0; y < shown.height; ++y) {
    std::uint8_t* to =
        on.at(left + (tile_width - shown.width) / 2, top + (tile_height - shown.height) / 2 + y);
    std::copy_n(shown.at(0, y), 3 * static_cast<std::size_t>(shown.width), to);
  }
}

std::vector<std::string> wrap(const std::string& text, int width, std::size_t most_lines) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!lines.empty() && demo::text_width(lines.back() + " " + word, small_dot) <= width) {
      lines.back() += " " + word;
    } else if (lines.size() < most_lines) {
      lines.push_back(word);
    } else {
      lines.back() += " " + word;  // too much: cut below
    }
  }
  for (std::string& line : lines) line = demo::fit_text(line, small_dot, width);
  return lines;
}

void draw_failed(demo::picture& on, int left, int top, const std::string& cause) {
  constexpr int edge = 2;
  constexpr int inset = 16;
  constexpr int line_height = (demo::glyph_height + 3) * small_dot;
  fill(on, left, top, tile_width, tile_height, failed_edge);
  fill(on, left + edge, top + edge, tile_width - 2 * edge, tile_height - 2 * edge, failed_ground);
  const std::vector<std::string> lines = wrap(cause, tile_width - 2 * inset, 5);
  const int high = static_cast<int>(lines.size()) * line_height - 3 * small_dot;
  int y = top + (tile_height - high) / 2;
  for (const std::string& line : lines) {
    const int x = left + (tile_width - demo::text_width(line, small_dot)) / 2;
    demo::draw_text(on, x, y, line, small_dot, failed_ink);
    y += line_height;
  }
}

demo::picture draw_sheet(const std::vector<tile>& tiles, const std::string& title) {
  const int count = static_cast<int>(tiles.size());
  const int columns = choose_columns(count);
  const int rows = (count + columns - 1) / columns;
  constexpr int row_height = tile_height + caption_height + gap;
  demo::picture sheet(2 * margin + columns * (tile_width + gap) - gap,
                      2 * margin + head_height + rows * row_height - gap);
  fill(sheet, 0, 0, sheet.width, sheet.height, ground);
  demo::draw_text(sheet, margin, margin, demo::fit_text(title, large_dot, sheet.width - 2 * margin),
                  large_dot, title_ink);
  for (int i = 0; i < count; ++i) {
    const tile& here = tiles[static_cast<std::size_t>(i)];
    const int left = margin + i % columns * (tile_width + gap);
    const int top = margin + head_height + i / columns * row_height;
    if (here.failed) {
      draw_failed(sheet, left, top, here.text);
    } else {
      draw_photo(sheet, left, top, demo::read_jpeg(here.text));
    }
    demo::draw_text(sheet, left, top + tile_height + 8, demo::fit_text(here.caption, small_dot, tile_width),
                    small_dot, here.failed ? failed_ink : caption_ink);
  }
  return sheet;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw std::runtime_error("usage: contact_sheet OUT.jpg TITLE < tiles");
    const demo::picture sheet = draw_sheet(read_tiles(std::cin), argv[2]);
    demo::write_jpeg(argv[1], sheet, 90);
    std::cout << sheet.width << " x " << sheet.height << "\n";
  } catch (const std::exception& error) {
    std::cerr << "contact_sheet: " << error.what() << "\n";
    return 1;
  }
}
