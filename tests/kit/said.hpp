// SPDX-License-Identifier: MIT
#pragma once

// What is printed while it lives, on standard output and standard error, goes into texts. For one thread.

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>

namespace muster::test {

class said {
public:
  said() {
    std::fflush(stdout);
    stderr = ::open_memstream(&text_, &size_);
    std::cout.rdbuf(out_.rdbuf());
    std::cerr.rdbuf(out_.rdbuf());
  }
  said(const said&) = delete;
  said& operator=(const said&) = delete;
  ~said() {
    std::fclose(stderr);
    stderr = error_;
    std::cout.rdbuf(cout_);
    std::cerr.rdbuf(cerr_);
    std::free(text_);
  }

  std::string errors() {
    std::fflush(stderr);
    return {text_, size_};
  }
  std::string output() const { return out_.str(); }

private:
  std::FILE* error_ = stderr;
  std::streambuf* cout_ = std::cout.rdbuf();
  std::streambuf* cerr_ = std::cerr.rdbuf();
  std::ostringstream out_;
  char* text_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace muster::test
