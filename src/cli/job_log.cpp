// SPDX-License-Identifier: MIT
#include "cli/job_log.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "cli/failure.hpp"
#include "cli/json_text.hpp"

namespace muster::cli {
namespace {

constexpr std::size_t chunk = std::size_t{256} << 10;
/// Of a longer input the log has only this much, with its length and a digest.
constexpr std::size_t longest_key = 1'024;

constexpr std::string_view head_begins = R"({"muster":"run")";
constexpr const char* no_log = "is not a job log; it is left as it is";

// FNV-1a, of 64 bits. It tells apart long inputs that begin alike and are equally long.
std::uint64_t digest(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  return hash;
}

// As it comes back from a line: valid UTF-8, whatever it is.
std::string written(const std::string& text) {
  return nlohmann::json::parse(to_line(nlohmann::json(text))).get<std::string>();
}

// What a log has of an input.
std::string stored(const std::string& key) {
  if (key.size() <= longest_key && written(key) == key) return key;
  return fmt::format("{} ({} bytes, {:016x})", written(key.substr(0, 64)), key.size(), digest(key));
}

}  // namespace

std::expected<job_log, std::string> job_log::open(const std::string& path, const std::string& title,
                                                  bool resumes) {
  const auto refuse = [&](std::string_view why) {
    return std::unexpected(fmt::format("the job log '{}' {}", path, why));
  };
  unique_fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!file) return refuse(fmt::format("cannot be opened: {}", std::strerror(errno)));
  struct stat about = {};
  if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return refuse("is not a file");
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) return refuse("is in use by another run");
  job_log made(std::move(file), path);
  if (const auto why = made.read(title, resumes)) return refuse(*why);
  if (!made.has_head_)
    made.buffer_ = to_line(nlohmann::ordered_json{{"muster", "run"}, {"calls", title}}) + '\n';
  return made;
}

std::optional<std::string> job_log::read(const std::string& title, bool resumes) {
  std::string text;
  std::uint64_t at = 0;  // of the first byte of `text` in the file
  for (std::size_t number = 1;;) {
    const std::size_t had = text.size();
    text.resize(had + chunk);
    const ssize_t got = ::pread(file_.get(), text.data() + had, chunk, static_cast<off_t>(at + had));
    text.resize(had + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0) return fmt::format("cannot be read: {}", std::strerror(errno));
    if (got == 0) break;
    std::size_t begin = 0;
    for (std::size_t end = text.find('\n', had); end != std::string::npos;
         end = text.find('\n', begin), ++number) {
      const auto line = std::string_view(text).substr(begin, end - begin);
      if (number > 1 && !resumes)
        return "has calls in it; add --resume to go on with it, or remove it to begin anew";
      if (auto why = number == 1 ? take_head(line, title) : take_call(line, at + begin))
        return number == 1 ? *why : fmt::format("has a line {} that {}", number, *why);
      begin = end + 1;
    }
    text.erase(0, begin);
    at += begin;
  }
  torn_ = text.size();
  const auto shorter = std::min(torn_, head_begins.size());
  if (!has_head_ && text.substr(0, shorter) != head_begins.substr(0, shorter)) return no_log;
  if (torn_ > 0 && ::ftruncate(file_.get(), static_cast<off_t>(at)) != 0)
    return fmt::format("cannot be written: {}", std::strerror(errno));
  return std::nullopt;
}

std::optional<std::string> job_log::take_head(std::string_view line, const std::string& title) {
  const auto parsed = parse_json(line);
  if (!line.starts_with(head_begins) || !parsed || !parsed->contains("calls")) return no_log;
  const nlohmann::json ours = written(title);
  const nlohmann::json& calls = (*parsed)["calls"];
  if (calls != ours)
    return fmt::format("is of another run: it has calls of {}, and this is {}", calls.dump(), ours.dump());
  has_head_ = true;
  return std::nullopt;
}

std::optional<std::string> job_log::take_call(std::string_view line, std::uint64_t at) {
  const auto parsed = parse_json(line);
  if (!parsed) return "is none of a job log";
  const nlohmann::json& value = *parsed;
  if (!value.is_object() || !value.contains("input") || !value["input"].is_string() ||
      !value.contains("result") || !value["result"].is_object())
    return "is none of a job log";
  auto& places = done_[value["input"].get<std::string>()];
  const bool ok = value["result"].value("ok", nlohmann::json()) == true;
  if (value.contains("again")) {
    const auto failed = std::ranges::find(places, false, &place::ok);
    if (failed != places.end()) {
      places.erase(failed);
      --left_;
    }
  }
  places.push_back({at, line.size(), ok});
  ++left_;
  return std::nullopt;
}

std::optional<nlohmann::ordered_json> job_log::take_done(const std::string& key) {
  if (left_ == 0) return std::nullopt;
  const auto found = done_.find(stored(key));
  if (found == done_.end()) return std::nullopt;
  auto& places = found->second;
  const auto best = std::ranges::max_element(places, {}, &place::ok);  // a success, where there is one
  const place where = *best;
  places.erase(best);
  if (places.empty()) done_.erase(found);
  --left_;
  std::string line(where.size, '\0');
  const ssize_t got = ::pread(file_.get(), line.data(), line.size(), static_cast<off_t>(where.at));
  if (got != static_cast<ssize_t>(line.size())) return std::nullopt;
  auto value = nlohmann::ordered_json::parse(line, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return std::move(value["result"]);
}

void job_log::add(const std::string& key, std::string_view result, bool again) {
  buffer_ += R"({"input":)" + to_line(nlohmann::json(stored(key)));
  if (again) buffer_ += R"(,"again":true)";
  ((buffer_ += R"(,"result":)") += result) += "}\n";
}

void job_log::flush() {
  std::string_view rest = buffer_;
  while (!rest.empty() && problem_.empty()) {
    const ssize_t wrote = ::write(file_.get(), rest.data(), rest.size());
    if (wrote < 0 && errno != EINTR)
      problem_ = fmt::format("the job log '{}' cannot be written: {}", path_, std::strerror(errno));
    if (wrote > 0) rest.remove_prefix(static_cast<std::size_t>(wrote));
  }
  buffer_.clear();
}

}  // namespace muster::cli
