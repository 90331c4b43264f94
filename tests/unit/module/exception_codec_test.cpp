// SPDX-License-Identifier: MIT
#include "module/exception_codec.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <stdexcept>
#include <system_error>
#include <typeinfo>
#include <variant>
#include <vector>

namespace exception_test {

struct bad_photo : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct not_an_exception {};

class photo_category : public std::error_category {
public:
  const char* name() const noexcept override { return "photo"; }
  std::string message(int) const override { return "blurred"; }
};

}  // namespace exception_test

namespace {

namespace module = muster::module;
using namespace exception_test;

module::received_exception send(const std::function<void()>& thrower) {
  muster::writer out;
  try {
    thrower();
  } catch (...) {
    module::encode_current_exception(out, "#0 here");
  }
  auto received = module::decode_exception(out.bytes());
  EXPECT_TRUE(received.has_value());
  EXPECT_EQ(received->backtrace, "#0 here");
  return received.value();
}

/// Throws `sent` over there and expects the very same type and text here.
template <class E>
void arrives(const E& sent) {
  const auto received = send([&] { throw E(sent); });
  ASSERT_NE(received.same_type, nullptr) << received.type_name;
  try {
    std::rethrow_exception(received.same_type);
  } catch (const E& copy) {
    EXPECT_EQ(typeid(copy), typeid(E));
    EXPECT_STREQ(copy.what(), sent.what());
    EXPECT_EQ(received.text, sent.what());
  } catch (...) {
    FAIL() << "another type than " << received.type_name;
  }
}

TEST(exception_codec, standard_exceptions_arrive_as_themselves) {
  arrives(std::runtime_error("cat"));
  arrives(std::range_error("cat"));
  arrives(std::overflow_error("cat"));
  arrives(std::underflow_error("cat"));
  arrives(std::logic_error("cat"));
  arrives(std::invalid_argument("cat"));
  arrives(std::domain_error("cat"));
  arrives(std::length_error("cat"));
  arrives(std::out_of_range(""));
  arrives(std::exception());
  arrives(std::bad_exception());
  arrives(std::bad_alloc());
  arrives(std::bad_array_new_length());
  arrives(std::bad_cast());
  arrives(std::bad_typeid());
  arrives(std::bad_weak_ptr());
  arrives(std::bad_function_call());
  arrives(std::bad_optional_access());
  arrives(std::bad_variant_access());
}

TEST(exception_codec, a_system_error_keeps_its_code_and_its_text) {
  arrives(std::system_error(ENOENT, std::generic_category(), "open cat.jpg"));
  arrives(std::system_error(EACCES, std::system_category()));
  const auto received =
      send([] { throw std::system_error(ENOENT, std::generic_category(), "open cat.jpg"); });
  try {
    std::rethrow_exception(received.same_type);
  } catch (const std::system_error& problem) {
    EXPECT_EQ(problem.code(), std::error_code(ENOENT, std::generic_category()));
    EXPECT_EQ(problem.code(), std::errc::no_such_file_or_directory);
  }
}

TEST(exception_codec, a_filesystem_error_arrives_as_a_system_error) {
  const auto received = send([] {
    throw std::filesystem::filesystem_error("cannot open", "/cat.jpg",
                                            std::make_error_code(std::errc::io_error));
  });
  try {
    std::rethrow_exception(received.same_type);
  } catch (const std::system_error& problem) {
    EXPECT_EQ(problem.code(), std::errc::io_error);
    EXPECT_NE(std::string(problem.what()).find("/cat.jpg"), std::string::npos);
  }
}

TEST(exception_codec, a_category_of_the_users_arrives_as_data) {
  static const photo_category category;
  const auto received = send([] { throw std::system_error(1, category, "cat"); });
  EXPECT_EQ(received.same_type, nullptr);
  EXPECT_EQ(received.type_name, "std::system_error");
  EXPECT_EQ(received.text, "cat: blurred");
}

TEST(exception_codec, other_types_arrive_as_data) {
  auto received = send([] { throw bad_photo("cat"); });
  EXPECT_EQ(received.same_type, nullptr);
  EXPECT_EQ(received.type_name, "exception_test::bad_photo");
  EXPECT_EQ(received.text, "cat");

  received = send([] { throw not_an_exception(); });
  EXPECT_EQ(received.same_type, nullptr);
  EXPECT_EQ(received.type_name, "exception_test::not_an_exception");

  EXPECT_EQ(send([] { throw 42; }).text, "42");
  EXPECT_EQ(send([] { throw "cat"; }).text, "cat");
  EXPECT_EQ(send([] { throw std::string("cat"); }).text, "cat");
  EXPECT_EQ(send([] { throw std::future_error(std::future_errc::no_state); }).same_type, nullptr);
}

TEST(exception_codec, nested_exceptions_are_told_in_the_text) {
  const auto received = send([] {
    try {
      try {
        throw 42;
      } catch (...) {
        std::throw_with_nested(bad_photo("inner"));
      }
    } catch (...) {
      std::throw_with_nested(std::runtime_error("outer"));
    }
  });
  EXPECT_EQ(received.type_name, "std::runtime_error");
  EXPECT_EQ(received.text, "outer; caused by: inner; caused by: 42");
  EXPECT_THROW(std::rethrow_exception(received.same_type), std::runtime_error);
}

TEST(exception_codec, long_texts_are_cut) {
  const auto received = send([] { throw std::runtime_error(std::string(1'000'000, 'x')); });
  EXPECT_EQ(received.text.size(), module::max_exception_text);
}

TEST(exception_codec, hostile_bytes_give_an_error_or_an_exception) {
  const auto seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  int accepted = 0;
  for (int round = 0; round < 20'000; ++round) {
    muster::writer out;
    try {
      throw std::system_error(static_cast<int>(random()), std::generic_category(), "cat");
    } catch (...) {
      module::encode_current_exception(out, "trace");
    }
    std::vector<std::byte> bytes(out.bytes().begin(), out.bytes().end());
    for (auto changes = random() % 3; changes > 0; --changes) {
      bytes[random() % (changes == 1 ? 4 : bytes.size())] = static_cast<std::byte>(random() % 40);
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    const auto received = module::decode_exception(bytes);
    if (!received || received->same_type == nullptr) continue;
    ++accepted;
    EXPECT_THROW(std::rethrow_exception(received->same_type), std::exception);
  }
  EXPECT_GT(accepted, 0);
}

TEST(exception_codec, unknown_kinds_and_cut_off_bytes_are_errors) {
  muster::writer out;
  try {
    throw std::runtime_error("cat");
  } catch (...) {
    module::encode_current_exception(out, "");
  }
  for (std::size_t kept = 0; kept < out.size(); ++kept) {
    EXPECT_FALSE(module::decode_exception(out.bytes().first(kept)).has_value());
  }
  std::vector<std::byte> bytes(out.bytes().begin(), out.bytes().end());
  bytes[0] = std::byte{200};
  EXPECT_FALSE(module::decode_exception(bytes).has_value());
}

}  // namespace
