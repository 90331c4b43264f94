# SPDX-License-Identifier: MIT
#
# Run by cpack on the files of all packages before it packs them: libraries without what only a debugger reads, papers
# compressed.
file(GLOB_RECURSE archives "${CPACK_TEMPORARY_DIRECTORY}/*.a")
foreach(archive IN LISTS archives)
  execute_process(COMMAND strip --strip-debug --enable-deterministic-archives "${archive}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
file(GLOB_RECURSE papers "${CPACK_TEMPORARY_DIRECTORY}/*.1" "${CPACK_TEMPORARY_DIRECTORY}/changelog")
foreach(paper IN LISTS papers)
  execute_process(COMMAND gzip -9n "${paper}" COMMAND_ERROR_IS_FATAL ANY)
endforeach()
