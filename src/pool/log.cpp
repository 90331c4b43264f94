// SPDX-License-Identifier: MIT
// muster::log: who it is that speaks decides where the line goes.
#include <muster/log.hpp>

#include <cstdio>

#include "base/log_text.hpp"
#include "engine/engine.hpp"
#include "worker/speech.hpp"

namespace muster {

void log(log_level level, std::string_view text) noexcept {
  if (worker::speech* const here = worker::speech::of_this_process()) return here->log(level, text);
  try {
    if (engine::log_here(level, text)) return;
    std::fprintf(stderr, "[muster] %s: %s\n", std::string(name(level)).c_str(), base::cut_text(text).c_str());
  } catch (...) {  // no memory for the line: it is lost, as others may be
    return;
  }
}

}  // namespace muster
