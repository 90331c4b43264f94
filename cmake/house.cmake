# SPDX-License-Identifier: MIT
#
# What holds for our own code only. As a part of someone else's build muster sets nothing for the whole build and
# turns no warning into an error: there, muster_house() only picks the language.

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release)
  endif()

  # A compiler cache saves most of a second build. Paths below the source tree are taken as relative, so that
  # several checkouts share what they have in common.
  find_program(MUSTER_CCACHE ccache)
  mark_as_advanced(MUSTER_CCACHE)
  if(MUSTER_CCACHE AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=1
        CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${MUSTER_CCACHE})
  endif()

  if(MUSTER_SANITIZE)
    add_compile_options(-fsanitize=${MUSTER_SANITIZE} -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${MUSTER_SANITIZE})
  endif()
endif()

# Our own targets: C++23 inside, and at home also every warning as an error and frame pointers for backtraces.
function(muster_house target)
  set_target_properties(${target} PROPERTIES CXX_STANDARD 23 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -fno-omit-frame-pointer)
  if(PROJECT_IS_TOP_LEVEL)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      # GCC 12 sees writes and reads past short strings in std::string operator+ that are not there, and, with full
      # optimisation or under sanitizers, members without a value in temporaries that have one, and a vector freed that
      # was moved from.
      target_compile_options(${target} PRIVATE
        -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized
        -Wno-free-nonheap-object)
    endif()
  endif()
endfunction()

# At home the headers of the standard library that nearly every file reads are compiled once for a target. A build
# without them (as a part of someone else's, or for clang-tidy) shows where a file forgets to include what it uses.
function(muster_common_headers target)
  if(PROJECT_IS_TOP_LEVEL)
    target_precompile_headers(${target} PRIVATE
      <algorithm> <array> <atomic> <chrono> <condition_variable> <deque> <exception> <expected> <functional> <map>
      <memory> <mutex> <optional> <set> <span> <stop_token> <string> <string_view> <thread> <unordered_map> <utility>
      <variant> <vector>)
  endif()
endfunction()
