# SPDX-License-Identifier: MIT
#
# examples/<name>.cpp is one program. With an examples/<name>.expected beside it, a test runs the program and compares
# its standard output with that file. Examples are compiled as a user would: C++20, public headers only.

file(GLOB example_sources CONFIGURE_DEPENDS examples/*.cpp)
file(GLOB example_outputs CONFIGURE_DEPENDS examples/*.expected)

foreach(source IN LISTS example_sources)
  cmake_path(GET source STEM name)
  add_executable(example_${name} ${source})
  muster_house(example_${name})
  set_target_properties(example_${name} PROPERTIES
    CXX_STANDARD 20 OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
  target_link_libraries(example_${name} PRIVATE muster)

  set(expected "${PROJECT_SOURCE_DIR}/examples/${name}.expected")
  if(MUSTER_BUILD_TESTS AND expected IN_LIST example_outputs)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    add_test(NAME example.${name}
             COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_output.py
                     ${expected} $<TARGET_FILE:example_${name}>)
    set_tests_properties(example.${name} PROPERTIES LABELS example TIMEOUT ${MUSTER_TEST_TIMEOUT}
                         WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}/examples)  # what some of them start lies there
  endif()
endforeach()

# A worker in C, which one of them starts.
muster_c_program(example_upper examples/hosts/upper.c)
set_target_properties(example_upper PROPERTIES OUTPUT_NAME upper RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/examples)
add_dependencies(example_native example_upper)
