// SPDX-License-Identifier: MIT
#include "base/log_text.hpp"

#include <algorithm>

#include <muster/error.hpp>
#include <muster/log.hpp>

namespace muster {

std::string_view name(log_level level) noexcept {
  static constexpr std::string_view names[] = {"debug", "info", "warning", "error"};
  const auto at = static_cast<std::size_t>(level);
  return at < std::size(names) ? names[at] : "unknown";
}

std::string log_line::line() const {
  std::string made = base::place_tag(pool, worker ? static_cast<long>(*worker) : -1, task, task_id, label);
  if (dropped > 0) made += " (" + std::to_string(dropped) + " lines before this one were lost)";
  return made.append(" ").append(name(level)).append(": ").append(text);
}

namespace base {

std::string cut_text(std::string_view text) {
  if (text.size() <= longest_log_text) return std::string(text);
  constexpr std::size_t kept = longest_log_text - 48;
  std::size_t end = kept;
  while (end > kept - 4 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U)
    --end;  // not in a letter
  return std::string(text.substr(0, end)) + "… [cut: " + std::to_string(text.size() - end) + " bytes]";
}

std::string place_tag(std::string_view pool, long worker, unsigned long long task, std::string_view id,
                      std::string_view label) {
  std::string tag = "[" + std::string(pool);
  if (worker >= 0) tag += "-" + std::to_string(worker);
  if (task != 0) tag += " task " + std::to_string(task);
  if (task != 0) tag += detail::in_brackets(label, id);
  return tag + "]";
}

std::string tag_lines(std::string_view tag, std::string_view text) {
  std::string tagged;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    tagged.append(tag).append(" ").append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return tagged;
}

}  // namespace base
}  // namespace muster
