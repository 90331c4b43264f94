// SPDX-License-Identifier: MIT
//
// A program that is asked to be a zygote and does not know it: it never calls init. It either ends at once
// with a code (named ends_with_7, by a link) or sits there; an alarm ends it should a test forget to.
#include <unistd.h>

#include <string_view>

int main(int, char** argv) {
  if (std::string_view(argv[0]).ends_with("ends_with_7")) return 7;
  ::alarm(60);
  while (true) ::pause();
}
