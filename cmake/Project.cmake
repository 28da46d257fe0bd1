# The few rules that every target of this tree shares.
include_guard()
include(CTest)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

set(SANITIZE "" CACHE STRING "Sanitizers for every target: address,undefined or thread")
option(WERROR "Treat warnings as errors" ON)
option(FUZZ "Build the libFuzzer targets (needs clang)" OFF)
set(FUZZ_SECONDS 2 CACHE STRING "How long each of them runs as a test")

set(PROJECT_WARNINGS -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wstrict-prototypes
    -Wmissing-prototypes -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wno-unused-parameter -Wno-missing-field-initializers)
if(WERROR)
  list(APPEND PROJECT_WARNINGS -Werror)
endif()
if(SANITIZE)
  add_compile_options(-fsanitize=${SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SANITIZE})
endif()
if(FUZZ) # the libraries too: a fuzzer sees only what is instrumented
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
add_compile_options(-fvisibility=hidden -D_GNU_SOURCE)

# project_library(NAME SOURCES a.c ... [LINK PUBLIC x PRIVATE y])
# A static library from NAME's folder; public headers in include/.
function(project_library name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${A_SOURCES})
  target_include_directories(${name}
    PUBLIC $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>
    PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${PROJECT_WARNINGS})
  set_target_properties(${name} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  if(A_LINK)
    target_link_libraries(${name} ${A_LINK})
  endif()
endfunction()

# project_program(NAME SOURCES ... LINK ...): an executable in build/bin.
function(project_program name)
  cmake_parse_arguments(A "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  target_compile_options(${name} PRIVATE ${PROJECT_WARNINGS})
  target_link_libraries(${name} PRIVATE ${A_LINK})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
endfunction()

# project_test(NAME SOURCES ... LINK ... [ARGS ...] [LABELS ...]): a cmocka program run by CTest.
# It may include the library's private headers; its working directory is its own source folder.
function(project_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(A "" "" "SOURCES;LINK;ARGS;LABELS" ${ARGN})
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_compile_options(${name} PRIVATE ${PROJECT_WARNINGS})
  target_link_libraries(${name} PRIVATE ${A_LINK} PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND ${name} ${A_ARGS} WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 900 LABELS "unit;${A_LABELS}")
endfunction()

# project_fuzzer(NAME SOURCES ... LINK ... [SEEDS folder]): a libFuzzer target, built with -DFUZZ=ON
# and clang. What it finds of interest is kept in the build folder, beside the seeds in the tree.
function(project_fuzzer name)
  if(NOT BUILD_TESTING OR NOT FUZZ)
    return()
  endif()
  cmake_parse_arguments(A "" "SEEDS" "SOURCES;LINK" ${ARGN})
  set(corpus ${CMAKE_BINARY_DIR}/corpus/${name})
  file(MAKE_DIRECTORY ${corpus})
  add_executable(${name} ${A_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/src)
  target_link_libraries(${name} PRIVATE ${A_LINK} -fsanitize=fuzzer)
  target_compile_options(${name} PRIVATE ${PROJECT_WARNINGS} -fsanitize=fuzzer)
  # with one seed: a test tells of the change that was made; `./run soak fuzz` looks for what is new
  add_test(NAME ${name}_smoke COMMAND ${name} -seed=1 -max_total_time=${FUZZ_SECONDS} -rss_limit_mb=1024
    -print_final_stats=1 ${corpus} ${A_SEEDS})
  math(EXPR timeout "${FUZZ_SECONDS} + 300")
  set_tests_properties(${name}_smoke PROPERTIES LABELS "fuzz" TIMEOUT ${timeout})
endfunction()
