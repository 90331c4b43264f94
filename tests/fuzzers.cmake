# SPDX-License-Identifier: MIT
#
# Each fuzz target as a program of its own, with libFuzzer's main: `fuzzers` builds them all, tools/fuzz.py runs them.
add_custom_target(fuzzers)
file(GLOB sources CONFIGURE_DEPENDS fuzz/*.cpp)
list(FILTER sources EXCLUDE REGEX "/(drive|replay_test)\\.cpp$")
add_library(fuzz_drive OBJECT fuzz/drive.cpp)
muster_house(fuzz_drive)
target_include_directories(fuzz_drive PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
foreach(source IN LISTS sources)
  cmake_path(GET source STEM name)
  add_executable(fuzz_${name} EXCLUDE_FROM_ALL ${source})
  muster_house(fuzz_${name})
  set_target_properties(fuzz_${name} PROPERTIES
    OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzzers UNITY_BUILD OFF)
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR})
  target_link_libraries(fuzz_${name} PRIVATE
    fuzz_drive muster_cli_parts muster nlohmann_json::nlohmann_json cereal::cereal fmt::fmt)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  add_dependencies(fuzzers fuzz_${name})
endforeach()
