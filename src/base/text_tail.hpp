// SPDX-License-Identifier: MIT
#pragma once

// The last bytes of a text that comes in pieces.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace muster::base {

class text_tail {
public:
  explicit text_tail(std::size_t limit) : limit_(limit) {}

  void add(std::string_view text) {
    text_ += text;
    total_ += text.size();
    if (text_.size() > 2 * limit_) text_.erase(0, text_.size() - limit_);
  }
  [[nodiscard]] std::string text() const {
    return text_.size() <= limit_ ? text_ : text_.substr(text_.size() - limit_);
  }
  // How many bytes came before text().
  [[nodiscard]] std::uint64_t dropped() const { return total_ > limit_ ? total_ - limit_ : 0; }

private:
  std::size_t limit_;
  std::string text_;
  std::uint64_t total_ = 0;
};

}  // namespace muster::base
