// SPDX-License-Identifier: MIT
//
// `muster doctor`: what this machine allows, and by which means each promise is kept here. A diagnosis is a
// value: probes.cpp and trials.cpp find it out, doctor_report.cpp judges and shows it and is pure.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <muster/error.hpp>

namespace muster::cli {

/// What a probe found: true and false where it was whether something can be done, null where there is no
/// such thing.
struct fact {
  std::string name;
  nlohmann::json value;
  std::string note{};  // more about it, such as why not; may be empty
};

/// Something that muster says it does, and by which means it was seen to do it; or why it does not.
struct promise {
  std::string name;
  bool kept = false;
  std::string how{};
};

struct diagnosis {
  std::vector<fact> facts;
  std::vector<promise> promises;

  [[nodiscard]] bool all_kept() const;
};

// ---- probes.cpp, trials.cpp: each asks the system and changes nothing that stays

/// The calls and settings of the system, one after the other.
std::vector<fact> probe_machine();
/// Makes pools and lets their workers misbehave. Takes about a second; a trial that hangs ends by itself.
std::vector<promise> try_promises();

// ---- doctor_report.cpp

/// `means`: as stats::memory_limit_means says it. `was_met`: a task that wanted too much got out_of_memory.
promise judge_memory_limit(const std::string& means, bool was_met);
/// By the death of a worker that crashed.
promise judge_explanation(const death& how);
promise judge_memory_watch(bool can_read_pages);

std::string as_text(const diagnosis& of);
nlohmann::json as_json(const diagnosis& of);

}  // namespace muster::cli
