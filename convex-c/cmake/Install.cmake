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

# convex_install_library(TARGET NAME DESCRIPTION EXPORT [LINK target...] [REQUIRES pc...] [PRIVATE pc...])
# TARGET is the static library; the shared one is linked from the same objects, and both are called
# lib<NAME>. In pkg-config: <NAME>; in CMake: Convex::<EXPORT> and Convex::<EXPORT>_static, in files
# of their own, so that each is found only with what it needs.
function(convex_install_library target name description export)
  cmake_parse_arguments(A "" "" "LINK;REQUIRES;PRIVATE" ${ARGN})
  set(shared ${target}-shared)
  set(map ${CMAKE_CURRENT_BINARY_DIR}/${name}.map)
  configure_file(packaging/${name}.map ${map} @ONLY)
  add_library(${shared} SHARED $<TARGET_OBJECTS:${target}>)
  get_target_property(links ${target} LINK_LIBRARIES)
  list(REMOVE_ITEM links convex-c)
  target_link_libraries(${shared} PRIVATE ${links} PUBLIC ${A_LINK})
  target_link_options(${shared} PRIVATE -Wl,--version-script=${map} -Wl,-z,defs -Wl,--as-needed
    -Wl,-Bsymbolic-functions)
  target_include_directories(${shared} INTERFACE $<INSTALL_INTERFACE:include>)
  set_target_properties(${shared} PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME ${name} EXPORT_NAME ${export}
    VERSION ${CONVEX_VERSION} SOVERSION ${CONVEX_SOVERSION} LINK_DEPENDS ${map}
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
  set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name} EXPORT_NAME ${export}_static)

  install(TARGETS ${shared} EXPORT ${export}_targets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib${name}${CONVEX_SOVERSION}
    NAMELINK_COMPONENT lib${name}-dev)
  install(TARGETS ${target} EXPORT ${export}_static_targets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT lib${name}-dev)
  foreach(file ${export} ${export}_static)
    install(EXPORT ${file}_targets FILE ${file}.cmake NAMESPACE Convex::
      DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Convex COMPONENT lib${name}-dev)
  endforeach()

  set(PC_NAME ${name})
  set(PC_DESCRIPTION ${description})
  file(RELATIVE_PATH PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /) # the tree may be moved
  list(JOIN A_REQUIRES " " PC_REQUIRES)
  list(JOIN A_PRIVATE " " PC_REQUIRES_PRIVATE)
  configure_file(packaging/library.pc.in ${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
    COMPONENT lib${name}-dev)
endfunction()

convex_install_library(convex-c convex "${CONVEX_DESCRIPTION}" convex PRIVATE libcrypto libjwt zlib)
install(DIRECTORY include/convex DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT libconvex-dev
  PATTERN include/convex/outbox.h EXCLUDE PATTERN include/convex/lws.h EXCLUDE)
# The others need libraries that not everybody has, and are there when those were.
if(TARGET convex-outbox)
  convex_install_library(convex-outbox convex-outbox "Convex mutations that survive crashes" outbox
    LINK convex-c-shared REQUIRES convex PRIVATE sqlite3)
  install(FILES include/convex/outbox.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/convex COMPONENT libconvex-outbox-dev)
endif()
if(TARGET convex-lws)
  convex_install_library(convex-lws convex-lws "Convex connections in a libwebsockets loop" lws
    LINK convex-c-shared REQUIRES convex PRIVATE libwebsockets openssl)
  install(FILES include/convex/lws.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/convex COMPONENT libconvex-lws-dev)
endif()
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

# Manual pages: of the programs, from what they print for --help; of the library, by hand.
find_program(GZIP gzip REQUIRED)
set(pages convexc.1.gz convexgen.1.gz libconvex.3.gz)
list(TRANSFORM pages PREPEND man/)
add_custom_command(OUTPUT ${pages}
  COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/docs/man/make.sh ${CONVEX_VERSION} $<TARGET_FILE:convexc>
    $<TARGET_FILE:convexgen> ${CMAKE_CURRENT_BINARY_DIR}/man
  DEPENDS convexc convexgen docs/man/make.sh docs/man/help2man.awk docs/man/libconvex.3 VERBATIM)
add_custom_target(convex_man ALL DEPENDS ${pages})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/man/convexc.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT convexc)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/man/convexgen.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
  COMPONENT libconvex-dev)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/man/libconvex.3.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man3
  COMPONENT libconvex-dev)
include(cmake/Debian.cmake)
