// SPDX-License-Identifier: MIT
#pragma once

// The words of a command with a task's inputs in them: muster::command says what stands for what. Pure; any
// thread.

#include <cstdint>
#include <string>
#include <vector>

namespace muster::host {

std::vector<std::string> fill_in(const std::vector<std::string>& words,
                                 const std::vector<std::string>& inputs, std::uint64_t task);

}  // namespace muster::host
