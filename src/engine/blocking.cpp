// SPDX-License-Identifier: MIT
#include <muster/blocking.hpp>

#include "engine/engine.hpp"

namespace muster {

namespace {
thread_local bool is_told = false;  // this thread has one already
}

blocking::blocking() {
  const engine::inside* at = engine::here();
  if (at == nullptr || at->slot == engine::no_slot || is_told) return;
  is_told = true;
  pool_ = at->home;
  pool_->blocking_changed(1);
}

blocking::~blocking() {
  if (pool_ == nullptr) return;
  is_told = false;
  pool_->blocking_changed(-1);
}

}  // namespace muster
