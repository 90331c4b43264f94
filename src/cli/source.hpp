// SPDX-License-Identifier: MIT
//
// Where the inputs of a run come from: words, standard input in lines or other pieces, the files of
// directories. Read as they are asked for and no further, so that none has to fit into memory. Belongs to the
// input; the main thread alone uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace muster::cli {

/// One input as text, valid until the next one is asked for.
struct piece {
  std::string_view text;
  bool too_long = false;                       // for us; its text is left out
  std::span<const std::string_view> values{};  // of a combination, whose text is all of them; else empty
};

class source {
public:
  source() = default;
  virtual ~source() = default;
  source(const source&) = delete;
  source& operator=(const source&) = delete;

  /// The next input; none: read_some() first, or there is no more.
  virtual std::optional<piece> next() = 0;
  /// Nothing more will come.
  [[nodiscard]] virtual bool ended() const noexcept = 0;
  /// What to wait for before read_some(); none: nothing has to be read for next().
  [[nodiscard]] virtual std::optional<int> awaited() const noexcept { return std::nullopt; }
  /// Reads once. Does not block when poll said that there is something.
  virtual void read_some() {}
  /// How many there are in all, where that is known from the beginning.
  [[nodiscard]] virtual std::optional<std::uint64_t> size() const noexcept { return std::nullopt; }
  /// Which piece the last one was: "line 7"; empty: its text says it.
  [[nodiscard]] virtual std::string place() const { return {}; }
  /// Why it could not be read to its end; empty: it could.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

protected:
  std::string problem_;
};

/// Inputs among the words of the command line, behind a `:::`.
struct word_group {
  std::vector<std::string> words{};
  bool linked = false;  // by `:::+`: it goes along with the group before it, and is as long
};

/// How many combinations of one word of each group there are; none: more than can be counted.
std::optional<std::uint64_t> combinations(const std::vector<word_group>& groups);

/// The words of one group, or each combination of several, the first group varying slowest. A combination is
/// made when it is asked for. The groups outlive it.
class word_source final : public source {
public:
  explicit word_source(const std::vector<word_group>& groups);
  std::optional<piece> next() override;
  [[nodiscard]] bool ended() const noexcept override { return next_ == size_; }
  [[nodiscard]] std::optional<std::uint64_t> size() const noexcept override { return size_; }

private:
  const std::vector<word_group>& groups_;
  std::vector<std::uint64_t> strides_;  // so many combinations in a row have the same word of a group
  std::uint64_t size_;
  std::uint64_t next_ = 0;
  std::vector<std::string_view> values_;  // of the last one
  std::string text_;
};

/// What comes from a descriptor, between separators. The last piece need not end in one.
class stream_source final : public source {
public:
  /// `called`: what a piece is to a person, as "line".
  stream_source(int descriptor, char separator, const char* called)
      : descriptor_(descriptor), separator_(separator), called_(called) {}
  std::optional<piece> next() override;
  [[nodiscard]] bool ended() const noexcept override { return at_end_ && taken_ == buffer_.size(); }
  [[nodiscard]] std::optional<int> awaited() const noexcept override;
  void read_some() override;
  [[nodiscard]] std::string place() const override;

private:
  int descriptor_;
  char separator_;
  const char* called_;
  std::string buffer_;
  std::size_t taken_ = 0;     // of the buffer
  std::size_t searched_ = 0;  // of the buffer, for a separator
  std::uint64_t count_ = 0;
  bool at_end_ = false;
  bool too_long_ = false;  // the piece at hand is, and is skipped
};

/// The paths of all regular files below directories, each directory's in the order of their names' bytes.
/// Symbolic links are not followed. What cannot be read is a problem, and the rest goes on.
class file_source final : public source {
public:
  explicit file_source(const std::vector<std::string>& directories);
  std::optional<piece> next() override;
  [[nodiscard]] bool ended() const noexcept override { return left_.empty(); }

private:
  void open(const std::string& directory);
  std::vector<std::string> left_;  // paths to look at, the next one last
  std::string path_;
};

}  // namespace muster::cli
