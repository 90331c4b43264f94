// SPDX-License-Identifier: MIT
// What an error says of a worker that lives on.
#include <gtest/gtest.h>

#include <muster/error.hpp>

namespace muster {
namespace {

TEST(out_of_memory_where_the_worker_lives, names_it_once_and_tells_nothing_that_is_not_known) {
  const death how{.cause = death_cause::out_of_memory,
                  .worker = 1,
                  .detail = "the task met the worker's memory limit; the worker lives",
                  .memory_limit = std::size_t{64} << 20U};
  const out_of_memory error(how, {.task = 3, .worker = 1, .attempt = 1});
  EXPECT_EQ(std::string(error.what()),
            "task 3, worker 1: the task met the worker's memory limit; the worker lives");
  const std::string text = error.death().text();
  EXPECT_EQ(text.find("served"), std::string::npos) << text;
  EXPECT_EQ(text.find("lived"), std::string::npos) << text;
  EXPECT_NE(text.find("64 MiB"), std::string::npos) << text;
}

}  // namespace
}  // namespace muster
