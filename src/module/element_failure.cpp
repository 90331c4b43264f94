// SPDX-License-Identifier: MIT
// What the elements of a frame may end with beside a value: see muster/detail/frame.hpp.
#include <vector>

#include <muster/detail/frame.hpp>
#include <muster/error.hpp>

#include "module/exception_codec.hpp"
#include "module/throw_trace.hpp"

namespace muster::detail {

void encode_element_failure(writer& out) {
  writer failure;
  module::encode_current_exception(failure, module::describe_trace());
  out.write_size(failure.size());
  out.write(failure.bytes().data(), failure.size());
}

std::exception_ptr decode_element_failure(reader& in) {
  std::vector<std::byte> bytes(in.read_size());
  in.read(bytes.data(), bytes.size());
  auto thrown = module::decode_exception(bytes);
  if (!thrown) throw decode_error("the exception of an element: " + thrown.error());
  if (thrown->same_type) return std::move(thrown->same_type);
  return std::make_exception_ptr(
      worker_error(std::move(thrown->type_name), std::move(thrown->text), std::move(thrown->backtrace)));
}

void stop_between_elements() { throw cancelled("told to stop between two elements"); }

}  // namespace muster::detail
