# The shared libraries, what `cmake --install` puts where, and the Debian packages.
# Instrumented builds are for tests only, and install nothing.
# The target "docs" writes the API reference to docs/html in the build folder.
if(SANITIZE OR FUZZ)
  return()
endif()
find_program(DOXYGEN doxygen)
if(DOXYGEN AND NOT TARGET docs)
  add_custom_target(docs COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/docs/reference.sh ${CMAKE_BINARY_DIR}/docs VERBATIM)
endif()
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

# The version has one home, which programs read too.
file(STRINGS include/convex/version.h version_lines REGEX "^#define CONVEX_VERSION_(MAJOR|MINOR|PATCH) [0-9]+$")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS include/convex/version.h)
string(REGEX REPLACE "[^0-9;]" "" version_numbers "${version_lines}")
list(JOIN version_numbers . CONVEX_VERSION)
list(GET version_numbers 0 CONVEX_SOVERSION)
set(CONVEX_DESCRIPTION "Convex client library: live queries, mutations and calls over HTTP")

# convex_install_library(TARGET NAME DESCRIPTION [LINK target...] [REQUIRES pc...] [PRIVATE pc...])
# TARGET is the static library; the shared one is linked from the same objects, and both are
# called lib<NAME>. In CMake: Convex::<NAME> and Convex::<NAME>_static; in pkg-config: <NAME>.
function(convex_install_library target name description)
  cmake_parse_arguments(A "" "" "LINK;REQUIRES;PRIVATE" ${ARGN})
  set(shared ${target}-shared)
  set(map ${CMAKE_CURRENT_SOURCE_DIR}/packaging/${name}.map)
  add_library(${shared} SHARED $<TARGET_OBJECTS:${target}>)
  get_target_property(links ${target} LINK_LIBRARIES)
  list(REMOVE_ITEM links convex-c)
  target_link_libraries(${shared} PRIVATE ${links} PUBLIC ${A_LINK})
  target_link_options(${shared} PRIVATE -Wl,--version-script=${map} -Wl,-z,defs -Wl,--as-needed)
  target_include_directories(${shared} INTERFACE $<INSTALL_INTERFACE:include>)
  set_target_properties(${shared} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME ${name} EXPORT_NAME ${name}
    VERSION ${CONVEX_VERSION} SOVERSION ${CONVEX_SOVERSION} LINK_DEPENDS ${map}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} EXPORT_NAME ${name}_static)

  install(TARGETS ${shared} EXPORT ConvexTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib${name}${CONVEX_SOVERSION}
    NAMELINK_COMPONENT lib${name}-dev)
  install(TARGETS ${target} EXPORT ConvexStaticTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib${name}-dev)

  set(PC_NAME ${name})
  set(PC_DESCRIPTION ${description})
  file(RELATIVE_PATH PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # the tree may be moved
  list(JOIN A_REQUIRES " " PC_REQUIRES)
  list(JOIN A_PRIVATE " " PC_REQUIRES_PRIVATE)
  configure_file(packaging/library.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT lib${name}-dev)
endfunction()

convex_install_library(convex-c convex "${CONVEX_DESCRIPTION}" PRIVATE libcurl openssl libjwt zlib)

install(DIRECTORY include/convex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT libconvex-dev)
foreach(export ConvexTargets ConvexStaticTargets)
  install(EXPORT ${export} NAMESPACE Convex:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Convex COMPONENT libconvex-dev)
endforeach()
write_basic_package_version_file(ConvexConfigVersion.cmake VERSION ${CONVEX_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES packaging/ConvexConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/ConvexConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Convex COMPONENT libconvex-dev)
install(TARGETS convexc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT convexc)
add_custom_command(OUTPUT completion/convexc completion/convexc.fish
  COMMAND ${CMAKE_COMMAND} -E make_directory completion
  COMMAND convexc completion bash > completion/convexc
  COMMAND convexc completion fish > completion/convexc.fish DEPENDS convexc VERBATIM)
add_custom_target(convexc_completion ALL DEPENDS completion/convexc completion/convexc.fish)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/completion/convexc
  DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT convexc)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/completion/convexc.fish
  DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d COMPONENT convexc)
include(cmake/Debian.cmake)
