# find_package(Convex [COMPONENTS static]): Convex::convex, and with the component also
# Convex::convex_static, which needs the development files of the libraries below. Also the
# program Convex::convexgen, and convex_bindings() that runs it.
include(CMakeFindDependencyMacro)
include("${CMAKE_CURRENT_LIST_DIR}/ConvexTargets.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/ConvexBindings.cmake")

if("static" IN_LIST Convex_FIND_COMPONENTS)
  find_dependency(Threads)
  find_dependency(CURL)
  find_dependency(OpenSSL)
  find_dependency(ZLIB)
  find_dependency(PkgConfig)
  pkg_check_modules(LIBJWT REQUIRED IMPORTED_TARGET libjwt)
  include("${CMAKE_CURRENT_LIST_DIR}/ConvexStaticTargets.cmake")
  set(Convex_static_FOUND TRUE)
endif()

foreach(component IN LISTS Convex_FIND_COMPONENTS)
  if(Convex_FIND_REQUIRED_${component} AND NOT Convex_${component}_FOUND)
    set(Convex_FOUND FALSE)
    set(Convex_NOT_FOUND_MESSAGE "Convex has no component ${component}")
  endif()
endforeach()
