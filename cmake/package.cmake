# SPDX-License-Identifier: MIT
#
# The two Debian packages that `make deb` builds of what is installed: `muster`, the command, and `libmuster-dev`, what a
# program needs to be built with the library. The library is static in them, so neither needs the other.
# cmake/package_files.cmake gives the files the form that Debian wants.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME muster)
set(CPACK_PACKAGE_VENDOR "The muster authors")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "")  # each package has its own
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS  # whatever the umask
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_THREADS 0)
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_files.cmake)

# Who built them, in the variables by which Debian's own tools know it.
set(packager "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
if("$ENV{DEBFULLNAME}" STREQUAL "" OR "$ENV{DEBEMAIL}" STREQUAL "")
  set(packager "The muster authors <muster@example.invalid>")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${packager})

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)  # a package for each
set(CPACK_COMPONENTS_ALL muster_command muster_library)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)

set(CPACK_DEBIAN_MUSTER_COMMAND_PACKAGE_NAME muster)
set(CPACK_DEBIAN_MUSTER_COMMAND_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_MUSTER_COMMAND_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_MUSTER_COMMAND_PACKAGE_SUGGESTS "libmuster-dev, bash-completion, libdw1")
set(CPACK_DEBIAN_MUSTER_COMMAND_DESCRIPTION "worker pools from the shell
Calls a function of a C++ module, or runs a command, once for each input, in
supervised worker processes: with retries, limits, a job log that can be
resumed, and an account of what failed and why.")

set(CPACK_DEBIAN_MUSTER_LIBRARY_PACKAGE_NAME libmuster-dev)
set(CPACK_DEBIAN_MUSTER_LIBRARY_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_MUSTER_LIBRARY_PACKAGE_DEPENDS "libc6-dev")
set(CPACK_DEBIAN_MUSTER_LIBRARY_PACKAGE_RECOMMENDS "g++ (>= 4:12) | clang (>= 1:16)")
set(CPACK_DEBIAN_MUSTER_LIBRARY_PACKAGE_SUGGESTS "muster, libdw1")
set(CPACK_DEBIAN_MUSTER_LIBRARY_DESCRIPTION "worker pools for C++20 - development files
Run a call on a thread or in a supervised process, through one API. A crash,
a leak or a hang in a worker process costs the tasks it had begun, and nothing
else.
.
This package has the headers, the static library, and what CMake and
pkg-config need to find them.")

# What every package has and an ordinary installation does not.
foreach(package IN ITEMS muster:muster_command libmuster-dev:muster_library)
  string(REPLACE ":" ";" package ${package})
  list(POP_BACK package component)
  set(papers_dir ${CMAKE_INSTALL_DATAROOTDIR}/doc/${package})
  install(FILES LICENSE DESTINATION ${papers_dir} RENAME copyright COMPONENT ${component} EXCLUDE_FROM_ALL)
  install(FILES CHANGELOG.md DESTINATION ${papers_dir} RENAME changelog COMPONENT ${component} EXCLUDE_FROM_ALL)
endforeach()
include(CPack)
