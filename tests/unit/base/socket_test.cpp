// SPDX-License-Identifier: MIT
#include "base/socket.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>

namespace muster::base {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

file_descriptor file_with(const std::string& text) {
  file_descriptor file(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::write(file.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  return file;
}

std::size_t open_descriptor_count() {
  std::size_t count = 0;
  for (int i = 0; i < 1024; ++i)
    if (::fcntl(i, F_GETFD) >= 0) ++count;
  return count;
}

TEST(socket, a_message_arrives_whole_with_its_descriptors) {
  const auto pair = socket_pair();
  ASSERT_TRUE(pair);
  const auto first = file_with("first"), second = file_with("second");
  const std::array both = {first.get(), second.get()};
  ASSERT_TRUE(send_message(pair->first.get(), bytes_of("hello"), both));
  std::array<std::byte, 64> buffer;
  auto message = receive_message(pair->second.get(), buffer, 2);
  ASSERT_TRUE(message);
  EXPECT_EQ(std::string(reinterpret_cast<char*>(buffer.data()), message->size), "hello");
  ASSERT_EQ(message->descriptors.size(), 2U);
  char text[6] = {};
  EXPECT_EQ(::pread(message->descriptors[1].get(), text, 6, 0), 6);
  EXPECT_EQ(std::string(text, 6), "second");
  for (const auto& descriptor : message->descriptors)
    EXPECT_EQ(::fcntl(descriptor.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST(socket, a_message_longer_than_the_buffer_is_an_error_and_its_descriptors_are_closed) {
  const auto pair = socket_pair();
  const auto file = file_with("x");
  const int descriptor = file.get();
  const std::size_t before = open_descriptor_count();
  ASSERT_TRUE(send_message(pair->first.get(), bytes_of("too long"), std::span(&descriptor, 1)));
  std::array<std::byte, 4> buffer;
  const auto message = receive_message(pair->second.get(), buffer, 1);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, EMSGSIZE);
  EXPECT_EQ(open_descriptor_count(), before);
}

TEST(socket, more_descriptors_than_wanted_are_an_error_and_closed) {
  const auto pair = socket_pair();
  const auto file = file_with("x");
  std::array<int, most_descriptors_in_a_message> many;
  many.fill(file.get());
  const std::size_t before = open_descriptor_count();
  for (const std::size_t wanted : {0U, 1U, 15U}) {
    ASSERT_TRUE(send_message(pair->first.get(), bytes_of("m"), many));
    std::array<std::byte, 4> buffer;
    const auto message = receive_message(pair->second.get(), buffer, wanted);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, EMSGSIZE);
    EXPECT_EQ(open_descriptor_count(), before);
  }
}

TEST(socket, a_message_without_descriptors_after_a_broken_one_is_fine) {
  const auto pair = socket_pair();
  ASSERT_TRUE(send_message(pair->first.get(), bytes_of("too long")));
  ASSERT_TRUE(send_message(pair->first.get(), bytes_of("ok")));
  std::array<std::byte, 4> buffer;
  EXPECT_FALSE(receive_message(pair->second.get(), buffer));
  const auto message = receive_message(pair->second.get(), buffer);
  ASSERT_TRUE(message);
  EXPECT_EQ(message->size, 2U);
}

TEST(socket, a_closed_peer_is_an_end_for_the_reader_and_an_error_for_the_writer) {
  auto pair = socket_pair();
  pair->first.reset();
  std::array<std::byte, 4> buffer;
  const auto message = receive_message(pair->second.get(), buffer);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->end());
  const auto sent = send_message(pair->second.get(), bytes_of("x"));
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, EPIPE);  // and no SIGPIPE, or this test would have ended here
}

TEST(socket, not_waiting_means_not_waiting) {
  const auto pair = socket_pair();
  std::array<std::byte, 4> buffer;
  const auto nothing = receive_message(pair->second.get(), buffer, 0, wait::no);
  ASSERT_FALSE(nothing);
  EXPECT_EQ(nothing.error().code, EAGAIN);
  const std::string large(32 * 1024, 'x');
  std::expected<void, os_error> sent;
  for (int i = 0; i < 10'000 && sent; ++i)
    sent = send_message(pair->first.get(), bytes_of(large), {}, wait::no);
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, EAGAIN);
}

TEST(file_descriptor, closes_what_it_holds_once_and_only_that) {
  const int number = ::memfd_create("test", MFD_CLOEXEC);
  {
    file_descriptor first(number);
    file_descriptor second(std::move(first));
    EXPECT_FALSE(first);  // NOLINT: what a moved-from one holds is the point
    EXPECT_EQ(second.get(), number);
    EXPECT_GE(::fcntl(number, F_GETFD), 0);
  }
  EXPECT_LT(::fcntl(number, F_GETFD), 0);
}

}  // namespace
}  // namespace muster::base
