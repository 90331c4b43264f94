// SPDX-License-Identifier: MIT
//
// The file that remembers which calls are done, so that a run which was killed can be resumed. One line of
// JSON for each, which also holds its result, written before the result is reported: docs/internals/jobs.md.
// Belongs to the run; the main thread alone uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/handle.hpp>

namespace muster::cli {

class job_log {
public:
  /// Opens or creates it, and locks it against other runs. `title` is what is called: a log is for one thing.
  /// Calls that are in it already are refused unless it `resumes`. An error says why it cannot be used; it is
  /// as it was then.
  static std::expected<job_log, std::string> open(const std::string& path, const std::string& title,
                                                  bool resumes);
  /// The result of a call that has this input, once for each call that was done; none: it is to be run.
  std::optional<nlohmann::ordered_json> take_done(const std::string& key);
  /// How many take_done can still give.
  [[nodiscard]] std::size_t left() const noexcept { return left_; }
  /// How many bytes were cut from its end: a line that was not whole.
  [[nodiscard]] std::size_t torn() const noexcept { return torn_; }

  /// Remembers a call that is done. `result` is its result line. `again`: take_done gave a failure of it,
  /// which no longer counts.
  void add(const std::string& key, std::string_view result, bool again);
  /// Writes what was added. What survives a kill of this process has been written.
  void flush();
  /// Why it could not be written; empty: it could.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

private:
  struct place {
    std::uint64_t at;
    std::size_t size;
    bool ok;
  };
  job_log(unique_fd file, std::string path) : file_(std::move(file)), path_(std::move(path)) {}
  std::optional<std::string> read(const std::string& title, bool resumes);
  std::optional<std::string> take_head(std::string_view line, const std::string& title);
  std::optional<std::string> take_call(std::string_view line, std::uint64_t at);

  unique_fd file_;
  std::string path_;
  std::unordered_map<std::string, std::vector<place>> done_;
  std::size_t left_ = 0;
  std::size_t torn_ = 0;
  bool has_head_ = false;
  std::string buffer_;
  std::string problem_;
};

}  // namespace muster::cli
