// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Values as bytes and back, for messages between an owner and its zygote. Both are the same program or at
// least the same machine, so numbers go as they lie in memory. Plain values; one thread each.

namespace muster::process {

class writer {
public:
  template <typename Number>
    requires std::integral<Number>
  void number(Number value) {
    const auto* first = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), first, first + sizeof value);
  }
  void text(std::string_view value) { block(std::as_bytes(std::span(value.data(), value.size()))); }
  void block(std::span<const std::byte> value) {
    number(value.size());
    bytes_.insert(bytes_.end(), value.begin(), value.end());
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

private:
  std::vector<std::byte> bytes_;
};

// Never reads past the end: what is not there reads as zero or empty and makes good() false for ever.
class reader {
public:
  explicit reader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename Number>
    requires std::integral<Number>
  Number number() {
    Number value{};
    if (const auto part = next(sizeof value); !part.empty()) std::memcpy(&value, part.data(), sizeof value);
    return value;
  }
  bool flag() { return number<unsigned char>() != 0; }
  std::vector<std::byte> block() {
    const auto part = next(number<std::size_t>());
    return {part.begin(), part.end()};
  }
  std::string text() {
    const auto part = next(number<std::size_t>());
    return {reinterpret_cast<const char*>(part.data()), part.size()};
  }
  // How many elements follow; each takes at least `smallest` bytes, so a forged count cannot make us allocate
  // much.
  std::size_t count(std::size_t smallest) {
    const auto value = number<std::size_t>();
    if (value > rest_.size() / smallest) good_ = false;
    return good_ ? value : 0;
  }

  bool good() const noexcept { return good_; }
  bool at_end() const noexcept { return good_ && rest_.empty(); }

private:
  std::span<const std::byte> next(std::size_t size) {
    if (!good_ || size > rest_.size()) {
      good_ = false;
      return {};
    }
    const auto part = rest_.first(size);
    rest_ = rest_.subspan(size);
    return part;
  }

  std::span<const std::byte> rest_;
  bool good_ = true;
};

}  // namespace muster::process
