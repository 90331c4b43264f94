# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts down: headers, library, the two ways to find them again, and the command with its papers.
# A component for each package that cmake/package.cmake makes of it.
include(CMakePackageConfigHelpers)

set(muster_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/muster)

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME muster_library)
install(DIRECTORY include/muster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp" PATTERN "*.h")
install(TARGETS muster EXPORT musterTargets)
install(EXPORT musterTargets NAMESPACE muster:: DESTINATION ${muster_package_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT muster_licence)

if(TARGET muster_cli)
  install(TARGETS muster_cli COMPONENT muster_command)
endif()
# Its completion, and its manual pages where help2man is there, are what it says itself. So it is run for them, which
# a sanitizer would only slow down.
if(TARGET muster_cli AND NOT CMAKE_CROSSCOMPILING AND NOT MUSTER_SANITIZE)
  set(papers ${PROJECT_BINARY_DIR}/papers)
  file(MAKE_DIRECTORY ${papers})
  add_custom_command(OUTPUT ${papers}/completion
    COMMAND muster_cli completion bash > ${papers}/completion DEPENDS muster_cli VERBATIM)
  set(all_papers ${papers}/completion)
  install(FILES ${papers}/completion DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME muster
    COMPONENT muster_command)
  find_program(MUSTER_HELP2MAN help2man)
  mark_as_advanced(MUSTER_HELP2MAN)
  if(MUSTER_HELP2MAN)
    file(GENERATE OUTPUT ${papers}/muster-run CONTENT "#!/bin/sh\nexec '$<TARGET_FILE:muster_cli>' run \"$@\"\n"
      FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
    set(page ${MUSTER_HELP2MAN} --no-info --version-string ${PROJECT_VERSION})
    add_custom_command(OUTPUT ${papers}/muster.1 ${papers}/muster-run.1
      COMMAND ${page} --name "worker pools from the shell" --output ${papers}/muster.1 $<TARGET_FILE:muster_cli>
      COMMAND ${page} --name "call a function, or run a command, once for each input" --output ${papers}/muster-run.1
              ${papers}/muster-run
      DEPENDS muster_cli ${papers}/muster-run VERBATIM)
    list(APPEND all_papers ${papers}/muster.1 ${papers}/muster-run.1)
    install(FILES ${papers}/muster.1 ${papers}/muster-run.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
      COMPONENT muster_command)
  endif()
  add_custom_target(muster_papers ALL DEPENDS ${all_papers})
endif()

configure_package_config_file(cmake/musterConfig.cmake.in musterConfig.cmake
  INSTALL_DESTINATION ${muster_package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(musterConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/musterConfig.cmake ${PROJECT_BINARY_DIR}/musterConfigVersion.cmake
  DESTINATION ${muster_package_dir})

# The file finds its prefix from where it lies, so that an installed tree can be moved.
set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
cmake_path(IS_ABSOLUTE pc_dir pc_dir_is_absolute)
if(pc_dir_is_absolute)
  set(pc_prefix ${CMAKE_INSTALL_PREFIX})
else()
  set(pc_up ${pc_dir})
  string(REGEX REPLACE "[^/]+" ".." pc_up "${pc_up}")
  set(pc_prefix "\${pcfiledir}/${pc_up}")
endif()
cmake_path(APPEND pc_libdir "\${prefix}" ${CMAKE_INSTALL_LIBDIR})
cmake_path(APPEND pc_includedir "\${prefix}" ${CMAKE_INSTALL_INCLUDEDIR})
# What a static library needs beside itself, its user has to name; also one whose program is in C.
get_target_property(library_type muster TYPE)
set(pc_needs "-pthread -ldl -lstdc++ -lm")
if(library_type STREQUAL "SHARED_LIBRARY")
  set(pc_private_libs ${pc_needs})
else()
  set(pc_libs " ${pc_needs}")
endif()
configure_file(cmake/muster.pc.in muster.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/muster.pc DESTINATION ${pc_dir})
