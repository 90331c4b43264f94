# SPDX-License-Identifier: MIT
#
# workers/<language>/host.* go into the library as text: host/scripts.hpp. A change of one of them configures anew.
set(node_script workers/node/host.cjs)
set(python_script workers/python/host.py)
set(muster_scripts ${PROJECT_BINARY_DIR}/host_scripts.cpp)

set(text "#include \"host/scripts.hpp\"\n")
foreach(script IN ITEMS node_script python_script)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${${script}})
  file(READ ${PROJECT_SOURCE_DIR}/${${script}} lines)
  string(APPEND text "const std::string_view muster::host::${script} = R\"muster(${lines})muster\";\n")
endforeach()
file(GENERATE OUTPUT ${muster_scripts} CONTENT "${text}")
