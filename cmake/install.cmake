# SPDX-License-Identifier: MIT
#
# What `cmake --install` puts down: headers, library, command, and the two ways to find them again.
include(CMakePackageConfigHelpers)

set(muster_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/muster)

install(DIRECTORY include/muster DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.hpp")
install(TARGETS muster EXPORT musterTargets)
install(EXPORT musterTargets NAMESPACE muster:: DESTINATION ${muster_package_dir})
if(TARGET muster_cli)
  install(TARGETS muster_cli)
endif()
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

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
configure_file(cmake/muster.pc.in muster.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/muster.pc DESTINATION ${pc_dir})
