// SPDX-License-Identifier: MIT
#include "cli/source.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace muster::cli {
namespace {

/// A longer piece is refused, so that a file without separators does not fill the memory.
constexpr std::size_t longest_piece = std::size_t{64} << 20;

}  // namespace

// -------------------------------------------------------------------------------------------------------
// words

std::optional<std::uint64_t> combinations(const std::vector<word_group>& groups) {
  const auto is_empty = [](const word_group& each) { return each.words.empty(); };
  if (std::ranges::any_of(groups, is_empty)) return 0;
  std::uint64_t all = 1;
  for (const word_group& each : groups)
    if (!each.linked && __builtin_mul_overflow(all, each.words.size(), &all)) return std::nullopt;
  return all;
}

word_source::word_source(const std::vector<word_group>& groups)
    : groups_(groups),
      strides_(groups.size()),
      size_(combinations(groups).value_or(0)),
      values_(groups.size()) {
  std::uint64_t stride = 1;
  for (std::size_t i = groups.size(); i-- > 0;) {
    strides_[i] = stride;
    if (!groups[i].linked) stride *= groups[i].words.size();
  }
}

std::optional<piece> word_source::next() {
  if (ended()) return std::nullopt;
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    const std::vector<std::string>& words = groups_[i].words;
    values_[i] = words[(next_ / strides_[i]) % words.size()];
  }
  ++next_;
  if (values_.size() == 1) return piece{values_.front()};
  text_ = fmt::format("{}", fmt::join(values_, " "));
  return piece{.text = text_, .values = values_};
}

// ------------------------------------------------------------------------------------------------------
// streams

std::optional<int> stream_source::awaited() const noexcept {
  if (at_end_ || searched_ < buffer_.size()) return std::nullopt;
  return descriptor_;
}

std::string stream_source::place() const { return fmt::format("{} {}", called_, count_); }

std::optional<piece> stream_source::next() {
  const std::size_t end = buffer_.find(separator_, searched_);
  const bool whole = end != std::string::npos;
  if (!whole && !(at_end_ && taken_ < buffer_.size())) {
    searched_ = buffer_.size();
    if (buffer_.size() - taken_ > longest_piece) {
      too_long_ = true;
      buffer_.clear();
      taken_ = searched_ = 0;
      buffer_.push_back(' ');  // so that what is skipped is not taken for the end of the input
    }
    return std::nullopt;
  }
  const std::size_t stop = whole ? end : buffer_.size();
  piece made{std::string_view(buffer_).substr(taken_, stop - taken_), std::exchange(too_long_, false)};
  if (made.too_long) made.text = {};
  taken_ = searched_ = std::min(stop + 1, buffer_.size());
  ++count_;
  return made;
}

void stream_source::read_some() {
  constexpr std::size_t chunk = std::size_t{64} << 10;
  buffer_.erase(0, taken_);
  searched_ -= taken_;
  taken_ = 0;
  const std::size_t had = buffer_.size();
  buffer_.resize(had + chunk);
  const ssize_t got = ::read(descriptor_, buffer_.data() + had, chunk);
  buffer_.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got > 0 || (got < 0 && (errno == EINTR || errno == EAGAIN))) return;
  if (got < 0) problem_ = fmt::format("standard input cannot be read: {}", std::strerror(errno));
  at_end_ = true;
}

// -------------------------------------------------------------------------------------------------------
// files

file_source::file_source(const std::vector<std::string>& directories)
    : left_(directories.rbegin(), directories.rend()) {
  for (std::string& each : left_)  // so that one that is a link is followed
    if (!each.ends_with('/')) each += '/';
}

std::optional<piece> file_source::next() {
  while (!left_.empty()) {
    path_ = std::move(left_.back());
    left_.pop_back();
    std::error_code wrong;
    const auto kind = std::filesystem::symlink_status(path_, wrong).type();
    if (kind == std::filesystem::file_type::regular) return piece{path_};
    if (kind == std::filesystem::file_type::directory) open(path_);
  }
  return std::nullopt;
}

void file_source::open(const std::string& directory) {
  std::error_code wrong;
  std::vector<std::string> found;
  for (std::filesystem::directory_iterator each(directory, wrong), end; !wrong && each != end;
       each.increment(wrong))
    found.push_back(each->path().string());
  if (wrong && problem_.empty())
    problem_ = fmt::format("'{}' cannot be read: {}", directory, wrong.message());
  std::ranges::sort(found, std::ranges::greater());
  left_.insert(left_.end(), found.begin(), found.end());
}

}  // namespace muster::cli
