// SPDX-License-Identifier: MIT
// The file in which `muster run` remembers what is done, as a kill, a full disk or somebody else left it.
#include <optional>
#include <string>
#include <vector>

#include "cli/failure.hpp"
#include "cli/job_log.hpp"
#include "fuzz/memory_file.hpp"
#include "fuzz/target.hpp"

namespace muster::fuzz {
namespace {

constexpr const char* title = "m.so:f";

std::size_t left_in(const memory_file& file) {
  const auto log = cli::job_log::open(file.path(), title, true);
  hold(log.has_value(), "a log that was used cannot be opened again: ", log ? "" : log.error());
  hold(log->torn() == 0, "it was repaired, and is torn");
  return log->left();
}

// Everything that it counts can be had, each with a result that can be written.
void hold_gives_all(cli::job_log& log, std::string_view text) {
  take_line(text);
  while (!text.empty()) {
    const auto value = nlohmann::json::parse(take_line(text), nullptr, false);
    const std::string input = value.at("input");
    if (input.size() > 1'024) return;  // which is kept in another form
    if (const auto result = log.take_done(input)) static_cast<void>(cli::to_line(*result));
  }
  hold(log.left() == 0, "results that nobody can have");
}

void job_log(std::string_view input) {
  const memory_file file(input);
  std::size_t left = 0;
  {
    auto log = cli::job_log::open(file.path(), title, true);
    if (!log) {
      hold(log.error().contains(file.path()), "a problem without its file: ", log.error());
      return hold(file.text() == input, "refused, and yet changed");
    }
    const std::string_view whole = input.substr(0, input.size() - log->torn());
    hold(log->torn() <= input.size() && file.text() == whole && (whole.empty() || whole.ends_with('\n')) &&
             !input.substr(whole.size()).contains('\n'),
         "more was cut off than a torn line");
    left = log->left();
    hold_gives_all(*log, whole);
    log->add("one more", R"({"ok":true})", false);
    log->flush();
    hold(log->problem().empty() && file.text().starts_with(whole), "what stood there was changed");
  }
  hold(left_in(file) == left + 1, "one call more was remembered, and it is not one more");
}

const bool job_log_is_known = registered("job_log", job_log);

}  // namespace
}  // namespace muster::fuzz
