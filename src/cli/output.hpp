// SPDX-License-Identifier: MIT
//
// Lines on their way into a file, a pipe or a terminal, written without ever blocking for a reader that is
// slow, and the results in the order of the input. Belongs to the run; the main thread alone uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <string>
#include <utility>

namespace muster::cli {

class line_file {
public:
  /// Creates the file, or empties it.
  static std::expected<line_file, std::string> create(const std::string& path);
  /// Standard output.
  static line_file standard_output();
  line_file(line_file&& other) noexcept;
  line_file& operator=(line_file&&) = delete;
  ~line_file();

  void add(const std::string& text) { buffer_ += text; }
  /// Bytes that are not written yet.
  [[nodiscard]] std::size_t pending() const noexcept { return buffer_.size() - written_; }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  /// Nobody can leave: not worth watching while there is nothing to write.
  [[nodiscard]] bool regular() const noexcept { return regular_; }
  /// Writes what goes without blocking; poll said that something does.
  void write_some();
  /// Nobody reads any more.
  void reader_left() { fail(0); }

  /// Nothing more can be written; what is added is dropped.
  [[nodiscard]] bool broken() const noexcept { return broken_; }
  /// Why; empty where the reader closed it.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

private:
  line_file(int descriptor, std::string name, bool owned);
  void write_once(std::size_t most);
  void fail(int error);

  int descriptor_;
  std::string name_;
  bool owned_;
  bool regular_;
  bool broken_ = false;
  std::string problem_;
  std::string buffer_;
  std::size_t written_ = 0;  // of the buffer
};

/// What is to be written of a call: to the results, and to standard error.
struct result_text {
  std::string out{};
  std::string err{};

  [[nodiscard]] std::size_t size() const noexcept { return out.size() + err.size(); }
};

/// Puts results into the order of their indices, or not.
class result_order {
public:
  /// `to_error` writes to standard error.
  result_order(line_file& into, bool unordered, std::function<void(const std::string&)> to_error)
      : into_(into), unordered_(unordered), to_error_(std::move(to_error)) {}
  /// The text of this call; empty: it gives none.
  void put(std::uint64_t index, result_text text);
  /// The bytes of texts that wait for an earlier one.
  [[nodiscard]] std::size_t held_bytes() const noexcept { return held_bytes_; }
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }

private:
  void write(const result_text& text) {
    if (!text.err.empty()) to_error_(text.err);
    if (!text.out.empty()) into_.add(text.out);
  }
  line_file& into_;
  bool unordered_;
  std::function<void(const std::string&)> to_error_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, result_text> held_;
  std::size_t held_bytes_ = 0;
};

}  // namespace muster::cli
