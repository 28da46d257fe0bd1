# The Debian packages, made by CPack of a tree that was configured for /usr (preset "package").
# One for each component of Install.cmake, called like it.
set(version ${CONVEX_VERSION}-1)
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME convex-c)
set(CPACK_PACKAGE_VERSION ${CONVEX_VERSION})
set(CPACK_PACKAGE_CONTACT "The convex-c authors <convex-c@localhost>")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${CMAKE_BINARY_DIR}/lib)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_POST_BUILD_SCRIPTS ${CMAKE_CURRENT_SOURCE_DIR}/cmake/Repack.cmake)

set(changelog ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz)
execute_process(COMMAND ${GZIP} -9nc packaging/changelog WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}
  OUTPUT_FILE ${changelog} COMMAND_ERROR_IS_FATAL ANY)

# convex_package(NAME SECTION DEPENDS SUMMARY TEXT): the component NAME as a package.
function(convex_package name section depends summary text)
  string(TOUPPER ${name} upper)
  set(prefix CPACK_DEBIAN_${upper})
  set(${prefix}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(${prefix}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(${prefix}_PACKAGE_DEPENDS "${depends}" PARENT_SCOPE)
  set(${prefix}_DESCRIPTION "${summary}\n${text}" PARENT_SCOPE)
  set(CPACK_COMPONENTS_ALL ${CPACK_COMPONENTS_ALL} ${name} PARENT_SCOPE)
  install(FILES ${changelog} packaging/copyright DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name}
    COMPONENT ${name} EXCLUDE_FROM_ALL)
endfunction()

# convex_library_package(NAME DEPENDS SUMMARY TEXT): that of the shared library lib<NAME>. Its control
# files are our own, as CPack would call ldconfig from scripts where Debian asks for a trigger.
function(convex_library_package library depends summary text)
  set(name lib${library}${CONVEX_SOVERSION})
  string(TOUPPER ${name} upper)
  set(control ${CMAKE_CURRENT_BINARY_DIR}/control/${name})
  file(WRITE ${control}/shlibs "lib${library} ${CONVEX_SOVERSION} ${name} (>= ${CONVEX_VERSION})\n")
  file(WRITE ${control}/triggers "activate-noawait ldconfig\n")
  file(CHMOD ${control}/shlibs ${control}/triggers PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
  set(CPACK_DEBIAN_${upper}_PACKAGE_CONTROL_EXTRA "${control}/shlibs;${control}/triggers" PARENT_SCOPE)
  convex_package(${name} libs "${depends}" "${summary}" "${text}")
  return(PROPAGATE CPACK_COMPONENTS_ALL CPACK_DEBIAN_${upper}_PACKAGE_NAME CPACK_DEBIAN_${upper}_PACKAGE_SECTION
    CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS CPACK_DEBIAN_${upper}_DESCRIPTION)
endfunction()

set(CPACK_COMPONENTS_ALL "")
set(runtime libconvex${CONVEX_SOVERSION})
convex_library_package(convex "libcurl4t64 | libcurl4" "Convex client for C - shared library"
  "Live queries, mutations that take effect exactly once, calls over HTTP and\nservice identities for programs in C that talk to a Convex deployment.")
convex_package(libconvex-dev libdevel
  "${runtime} (= ${version}), libjwt-dev, libssl-dev, zlib1g-dev"
  "Convex client for C - development files"
  "The headers, the static library, files for CMake and pkg-config, and the\nmanual page of a client for Convex deployments.")
if(TARGET convex-outbox)
  convex_library_package(convex-outbox "${runtime} (= ${version})" "Convex outbox for C - shared library"
    "Mutations of a Convex deployment that are kept on disk until they have taken\neffect, once, over crashes and weeks without a network.")
  convex_package(libconvex-outbox-dev libdevel
    "libconvex-outbox${CONVEX_SOVERSION} (= ${version}), libconvex-dev (= ${version}), libsqlite3-dev"
    "Convex outbox for C - development files" "The header, the static library, and files for CMake and pkg-config.")
endif()
if(TARGET convex-lws)
  convex_library_package(convex-lws "${runtime} (= ${version})" "Convex client for libwebsockets loops - shared library"
    "A transport of the Convex client for C whose sockets belong to a loop of\nlibwebsockets.")
  convex_package(libconvex-lws-dev libdevel
    "libconvex-lws${CONVEX_SOVERSION} (= ${version}), libconvex-dev (= ${version}), libwebsockets-dev"
    "Convex client for libwebsockets loops - development files"
    "The header, the static library, and files for CMake and pkg-config.")
endif()
convex_package(convexc utils "" "Convex command line"
  "Calls functions of a Convex deployment, follows live queries, stores and reads\nfiles, makes keys and tokens, and finds out why a deployment cannot be reached.")
include(CPack)
