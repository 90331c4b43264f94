// SPDX-License-Identifier: MIT
//
// What a run came to: counted while it goes, told at its end. Belongs to the run; the main thread alone uses
// it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/failure.hpp"

namespace muster::cli {

class summary {
public:
  void succeeded() { ++succeeded_; }
  void failed(std::uint64_t index, const std::string& name, const failure& why);
  void not_run() { ++not_run_; }
  /// Its result comes from a job log.
  void known(bool ok) { ++(ok ? known_succeeded_ : known_failed_); }

  [[nodiscard]] std::uint64_t done() const noexcept { return succeeded_ + failed_; }
  [[nodiscard]] std::uint64_t failures() const noexcept { return failed_; }
  /// That were done before, in the run that a job log resumes.
  [[nodiscard]] std::uint64_t known() const noexcept { return known_succeeded_ + known_failed_; }
  [[nodiscard]] std::uint64_t known_failures() const noexcept { return known_failed_; }

  /// What is known only at the end.
  struct end {
    double seconds = 0;
    bool interrupted = false;
    std::string halted{};                   // by which rule; empty: by none
    std::optional<std::uint64_t> unread{};  // calls that were never taken from the input; none: nobody knows
    std::uint64_t retried = 0;
    std::uint64_t workers_died = 0;
  };
  /// Several lines for a person.
  [[nodiscard]] std::string text(const end& how) const;
  [[nodiscard]] std::string json_line(const end& how) const;

private:
  struct example {
    std::uint64_t index;
    std::string name, kind, message;
  };
  std::uint64_t succeeded_ = 0, failed_ = 0, not_run_ = 0, known_succeeded_ = 0, known_failed_ = 0;
  std::map<std::string, std::uint64_t> by_kind_;
  std::vector<example> examples_;  // the first few of each kind
};

}  // namespace muster::cli
