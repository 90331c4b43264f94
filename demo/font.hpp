// SPDX-License-Identifier: MIT
#pragma once

// A small font of our own, so that the contact sheet needs none of the system's: capitals, digits and some
// signs, drawn as 5 by 7 dots. Constant data.

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "picture.hpp"

namespace demo {

struct colour {
  std::uint8_t red, green, blue;
};

inline constexpr int glyph_width = 5;
inline constexpr int glyph_height = 7;

// How wide a text is, in pixels, when each dot is `dot` pixels wide.
int text_width(std::string_view text, int dot);

// Draws the text with its upper left corner at (x, y). Small letters become capitals, and a sign the font
// lacks becomes a small square. What lies outside of the picture is not drawn.
void draw_text(picture& on, int x, int y, std::string_view text, int dot, colour ink);

// The text, or as much of its beginning as fits, with two dots after it.
std::string fit_text(std::string_view text, int dot, int width);

}  // namespace demo
