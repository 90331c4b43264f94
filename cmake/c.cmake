# SPDX-License-Identifier: MIT
#
# C, for workers that are written in it. Its compiler is the one that belongs to ours: a sanitizer wants that.
if(NOT CMAKE_C_COMPILER)
  set(CMAKE_C_COMPILER ${CMAKE_CXX_COMPILER})
  string(REGEX REPLACE "clang\\+\\+([^/]*)$" "clang\\1" CMAKE_C_COMPILER "${CMAKE_C_COMPILER}")
  string(REGEX REPLACE "g\\+\\+([^/]*)$" "gcc\\1" CMAKE_C_COMPILER "${CMAKE_C_COMPILER}")
  string(REGEX REPLACE "c\\+\\+$" "cc" CMAKE_C_COMPILER "${CMAKE_C_COMPILER}")
endif()
enable_language(C)

# A program of one file in C that is linked with muster.
function(muster_c_program target source)
  add_executable(${target} ${source})
  set_target_properties(${target} PROPERTIES C_STANDARD 11 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Werror)
  target_link_libraries(${target} PRIVATE muster)
endfunction()
