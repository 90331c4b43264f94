// SPDX-License-Identifier: MIT
//
// submit for sides that have no futures of their own.
#pragma once

#include <future>
#include <memory>
#include <type_traits>
#include <utility>

namespace bench {

/// Posts the task and returns the future of its result. Such sides copy what they are given, or call it as a
/// constant, hence the pointer.
template <class Side, class F>
auto submit_packaged(Side& side, F task) {
  auto packaged = std::make_shared<std::packaged_task<std::invoke_result_t<F&>()>>(std::move(task));
  auto result = packaged->get_future();
  side.post([packaged] { (*packaged)(); });
  return result;
}

}  // namespace bench
