// SPDX-License-Identifier: MIT
// What tasks say while they run, on its way to the program's handlers.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include <muster/detail/chunk_line.hpp>

#include "base/log_text.hpp"
#include "engine/engine.hpp"
#include "engine/progress_desk.hpp"
#include "engine/thread_voice.hpp"

namespace muster::engine {

namespace {

void post_lines(const std::shared_ptr<callbacks>& to, const std::shared_ptr<log_desk>& lines) {
  to->post([to, lines] {
    if (lines->hand_over()) post_lines(to, lines);
  });
}

}  // namespace

bool engine::log(log_line line) {
  if (!log_desk_->has_sink()) return false;
  line.pool = settings_.name;
  if (log_desk_->put(std::move(line))) post_lines(callbacks_, log_desk_);
  return true;
}

void engine::progressed(task& t, double fraction, std::string_view text) {
  if (!std::isfinite(fraction)) return;
  task_progress newest{.fraction = std::clamp(fraction, 0.0, 1.0),
                       .text = std::string(text),
                       .task = t.id,
                       .task_id = t.names().id};
  const auto& desk = t.extras->progress;
  if (desk->put(std::move(newest))) callbacks_->post([desk] { desk->hand_over(); });
}

// -----------------------------------------------------------------------------------------------------------
// threads

void thread_voice::log(log_level level, std::string_view text) noexcept {
  try {
    log_line line{.level = level,
                  .text = base::cut_text(text),
                  .time = std::chrono::system_clock::now(),
                  .pool = home_.chosen().name,
                  .worker = worker_of(slot_),
                  .task = task_.id,
                  .task_id = task_.names().id,
                  .label = task_.names().label};
    if (!home_.chosen().log)
      std::fprintf(stderr, "%s\n", line.line().c_str());
    else
      (void)home_.log(std::move(line));
  } catch (...) {  // no memory for the line: it is lost, as others may be
    return;
  }
}

void thread_voice::progress(double fraction, std::string_view text) noexcept {
  if (!task_.is(task::tells_progress)) return;
  try {
    home_.progressed(task_, fraction, text.substr(0, most_progress_text));
  } catch (...) {  // the same
    return;
  }
}

bool thread_voice::yield(void* chunk, const detail::chunk_kind& kind) {
  const auto& extras = task_.extras;
  if (!extras || !extras->chunks) return false;  // nobody reads
  if (!extras->chunks->has_room()) home_.about_to_block(slot_);
  return extras->chunks->put_or_wait(kind.keep(chunk), extras->stop.get_token());
}

void engine::about_to_block(std::uint32_t slot) {
  if (slot == no_slot) return;
  const auto lock = intake_.lock();
  crew_->surrender(slot);
}

bool log_here(log_level level, std::string_view text) {
  const inside* at = here();
  if (at == nullptr) return false;
  at->voice->log(level, text);
  return true;
}

}  // namespace muster::engine
