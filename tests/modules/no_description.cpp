// SPDX-License-Identifier: MIT
//
// A shared object that was never meant to be a module.

extern "C" int not_a_module(int number) { return number; }
