// SPDX-License-Identifier: MIT
//
// Descriptors beside the bytes of a value: in order, counted, owned by one at a time.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <string>
#include <system_error>
#include <vector>

#include <muster/codec.hpp>
#include <muster/error.hpp>
#include <muster/handle.hpp>

namespace {

using muster::unique_fd;

unique_fd some_file() { return unique_fd(::memfd_create("test", MFD_CLOEXEC)); }
bool is_open(int descriptor) { return ::fcntl(descriptor, F_GETFD) >= 0; }
ino_t file_of(const unique_fd& file) {
  struct stat about = {};
  ::fstat(file.get(), &about);
  return about.st_ino;
}

TEST(unique_fd, closes_once_what_it_holds) {
  unique_fd first = some_file();
  const int number = first.get();
  unique_fd second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT: what a moved-from one holds is the point
  EXPECT_TRUE(is_open(number));
  second = unique_fd();
  EXPECT_FALSE(is_open(number));
}

TEST(unique_fd, is_duplicated_or_says_why_not) {
  const unique_fd one = some_file();
  const unique_fd other = unique_fd::duplicate_of(one.get());
  EXPECT_NE(one.get(), other.get());
  EXPECT_EQ(file_of(one), file_of(other));
  EXPECT_NE(::fcntl(other.get(), F_GETFD) & FD_CLOEXEC, 0);
  EXPECT_THROW((void)unique_fd::duplicate_of(-1), std::system_error);
}

TEST(handles_beside_bytes, come_out_in_order_and_leave_the_value_its_own) {
  std::map<std::string, std::vector<unique_fd>> value;
  value["a"].push_back(some_file());
  value["a"].push_back(unique_fd());
  value["b"].push_back(some_file());
  muster::writer out;
  muster::encode(out, value);
  ASSERT_EQ(out.handles().size(), 2U);
  EXPECT_TRUE(is_open(value["a"][0].get()));

  muster::reader in(out.bytes(), out.handles());
  const auto copy = muster::decode<decltype(value)>(in);
  in.finish();
  EXPECT_EQ(file_of(copy.at("a")[0]), file_of(value["a"][0]));
  EXPECT_FALSE(copy.at("a")[1]);
  EXPECT_EQ(file_of(copy.at("b")[0]), file_of(value["b"][0]));
  EXPECT_FALSE(out.handles()[0]);
}

TEST(handles_beside_bytes, fewer_or_more_than_the_value_has_are_refused) {
  muster::writer out;
  muster::encode(out, some_file());
  muster::reader none(out.bytes());
  EXPECT_THROW(muster::decode<unique_fd>(none), muster::decode_error);
  std::vector<unique_fd> two;
  two.push_back(some_file());
  two.push_back(some_file());
  muster::reader many(out.bytes(), two);
  EXPECT_TRUE(muster::decode<unique_fd>(many));
  EXPECT_THROW(many.finish(), muster::decode_error);
}

TEST(handles_beside_bytes, are_sixteen_at_most_and_closed_when_forgotten) {
  muster::writer out;
  for (int i = 0; i < 16; ++i) muster::encode(out, some_file());
  EXPECT_THROW(muster::encode(out, some_file()), muster::encode_error);
  const int number = out.handles()[3].get();
  EXPECT_TRUE(is_open(number));
  out.clear();
  EXPECT_FALSE(is_open(number));
  EXPECT_TRUE(out.handles().empty());
}

}  // namespace
