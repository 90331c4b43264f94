// SPDX-License-Identifier: MIT
//
// A library whose functions are called by key: one that it exports, one that nobody else can see.

namespace {

__attribute__((noinline)) int hidden(int number) { return number * 3; }

}  // namespace

extern "C" int keyed_twice(int number) { return number * 2; }

extern "C" int (*keyed_hidden())(int) { return hidden; }
