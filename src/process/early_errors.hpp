// SPDX-License-Identifier: MIT
#pragma once

// What a program that was run to be a zygote writes to standard error before it is one: usually nothing, else
// the reason why it never gets there, such as the dynamic linker's. It goes to a file in memory, so nobody
// has to read while the program runs; then it is passed on, and its end is for the error. One thread.

#include <expected>
#include <string>

#include "base/file_descriptor.hpp"
#include "base/os_error.hpp"

namespace muster::process {

// In a program that was run, the standard error that it is to have once it is a zygote.
inline constexpr int standard_error_of_a_run_zygote = 4;

class early_errors {
public:
  static std::expected<early_errors, base::os_error> open();

  // What the program gets as its standard error. Never one of the numbers that it has for something else.
  [[nodiscard]] int descriptor() const { return file_.get(); }
  // Writes it all to our own standard error, as far as that takes it without waiting, and returns the last
  // of it as one line; empty: there was nothing.
  std::string pass_on() const;

private:
  explicit early_errors(base::file_descriptor file) : file_(std::move(file)) {}

  base::file_descriptor file_;
};

}  // namespace muster::process
