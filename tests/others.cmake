# SPDX-License-Identifier: MIT
#
# The tests that are not GoogleTest programs.
function(muster_test name label)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${MUSTER_TEST_TIMEOUT})
endfunction()

# ---- programs that must not compile: once with each compiler ----
file(GLOB refused CONFIGURE_DEPENDS refused/*.cpp)
if(MUSTER_SANITIZE MATCHES "thread")  # which has the compiler of the other sanitizers
  set(refused "")
endif()
foreach(source IN LISTS refused)
  cmake_path(GET source STEM name)
  muster_test(refused.${name} refused Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_refused.py
              --compiler ${CMAKE_CXX_COMPILER} --include ${PROJECT_SOURCE_DIR}/include ${source})
endforeach()

# None of the others would learn anything from a sanitizer, and some cannot live with one: the model checker switches
# stacks itself, and a user's project is built without.
if(MUSTER_SANITIZE)
  return()
endif()

# ---- models ----
file(GLOB models CONFIGURE_DEPENDS model/*.cpp)
foreach(source IN LISTS models)
  cmake_path(GET source STEM name)
  add_executable(model_${name} ${source})
  muster_house(model_${name})
  # The checker's macro for "here" is a dollar sign, and of the operators delete it replaces only those without a size.
  target_compile_options(model_${name} PRIVATE
    -O2 -fno-sized-deallocation $<$<CXX_COMPILER_ID:Clang>:-Wno-dollar-in-identifier-extension>)
  set_target_properties(model_${name} PROPERTIES
    OUTPUT_NAME ${name} RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/model)
  target_include_directories(model_${name} PRIVATE
    ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src ${CMAKE_CURRENT_SOURCE_DIR})
  muster_test(model.${name} model model_${name})
endforeach()

find_program(MUSTER_SPIN spin)
find_program(MUSTER_C_COMPILER NAMES gcc cc)  # Spin writes C
mark_as_advanced(MUSTER_SPIN MUSTER_C_COMPILER)
if(MUSTER_SPIN AND MUSTER_C_COMPILER)
  file(GLOB models CONFIGURE_DEPENDS model/*.pml)
  foreach(source IN LISTS models)
    cmake_path(GET source STEM name)
    muster_test(model.spin_${name} model Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_spin.py
                --spin ${MUSTER_SPIN} --compiler ${MUSTER_C_COMPILER} ${source})
  endforeach()
else()
  message(STATUS "models of Spin are not checked: there is no spin, or no C compiler")
endif()

# ---- a user's project ----
function(muster_consumer way label)
  muster_test(consumer.${way} ${label} Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/consumer/check.py ${way}
              --source ${PROJECT_SOURCE_DIR} --build ${PROJECT_BINARY_DIR} --version ${PROJECT_VERSION}
              --compiler ${CMAKE_CXX_COMPILER})
  set_tests_properties(consumer.${way} PROPERTIES TIMEOUT 1200)
endfunction()
if(MUSTER_INSTALL)
  foreach(way IN ITEMS installed pkgconfig fetched)
    muster_consumer(${way} house)
  endforeach()
  find_program(MUSTER_DPKG_DEB dpkg-deb)
  find_program(MUSTER_HELP2MAN help2man)
  mark_as_advanced(MUSTER_DPKG_DEB MUSTER_HELP2MAN)
  if(MUSTER_DPKG_DEB AND MUSTER_HELP2MAN AND TARGET muster_cli AND NOT BUILD_SHARED_LIBS)
    muster_consumer(packaged package)
  endif()
endif()

# Options as a user writes them give no warning in his code, where all of them are errors.
muster_test(consumer.has_no_warning house ${CMAKE_CXX_COMPILER} -std=c++20 -O3 -Wall -Wextra -Wpedantic -Werror
            -I${PROJECT_SOURCE_DIR}/include -c ${CMAKE_CURRENT_SOURCE_DIR}/consumer/warnings.cpp -o /dev/null)

# ---- the rules of the house, and whether their checkers would notice ----
muster_test(house.layers house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_layers.py)
muster_test(house.spdx house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_house.py spdx)
muster_test(house.words house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_house.py words)
muster_test(house.coverage house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_coverage.py ${PROJECT_SOURCE_DIR})
muster_test(house.tools house Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/house/tools_test.py)
set_tests_properties(house.tools PROPERTIES ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}")
muster_test(house.bench house Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/house/bench_test.py)

# ---- the code in the guide is the code of an example ----
muster_test(house.guide house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/pools.md ${PROJECT_SOURCE_DIR}/examples/pools.cpp)
muster_test(house.guide_composing house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/composing.md ${PROJECT_SOURCE_DIR}/examples/composing.cpp)
muster_test(house.guide_watching house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/watching.md ${PROJECT_SOURCE_DIR}/examples/watching.cpp)
muster_test(house.guide_failing house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/failing.md ${PROJECT_SOURCE_DIR}/examples/failing.cpp)
file(GLOB example_programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/*.cpp)
muster_test(house.guide_cookbook house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/cookbook.md ${example_programs})
muster_test(house.guide_hosts house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/hosts.md ${PROJECT_SOURCE_DIR}/examples/hosts.cpp
            ${PROJECT_SOURCE_DIR}/examples/native.cpp ${PROJECT_SOURCE_DIR}/examples/hosts/upper.c)
muster_test(house.guide_zero_copy house Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets.py
            ${PROJECT_SOURCE_DIR}/docs/guide/zero-copy.md ${PROJECT_SOURCE_DIR}/examples/zero_copy.cpp)

# ---- how the demonstration judges its runs ----
muster_test(demo.judgement demo Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/demo/demo_test.py)
