# The test suite: unit test programs, fuzz targets, and lit's configuration for this build.
# `cmake --build --preset dev --target check` runs lit; tools/bootstrap test runs everything.

# Whatever has no main, as one archive: a test links only the objects that it needs.
add_library(tenon_all STATIC EXCLUDE_FROM_ALL)
target_link_libraries(tenon_all PUBLIC tenon_dependencies)
foreach(layer ${layers})
  target_sources(tenon_all PRIVATE $<TARGET_OBJECTS:${layer}>)
endforeach()
set_target_properties(tenon_all PROPERTIES LINKER_LANGUAGE C)

# tenon_test_program(NAME SOURCE DIRECTORY): a program that may look into every layer.
function(tenon_test_program name source directory)
  add_executable(${name} ${source})
  target_link_libraries(${name} PRIVATE tenon_flags tenon_all)
  target_include_directories(${name} SYSTEM PRIVATE
    ${GENERATED} ${PROTOBUF_C_INCLUDE_DIRS} ${LLVM_INCLUDE_DIRS})
  get_filename_component(stem ${source} NAME_WE)
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/test/${directory} OUTPUT_NAME ${stem})
endfunction()

if(TENON_UNIT_TESTS)
  file(GLOB unit_tests CONFIGURE_DEPENDS test/unit/*.c)
  foreach(source ${unit_tests})
    get_filename_component(stem ${source} NAME_WE)
    tenon_test_program(unit_${stem} ${source} unit)
    list(APPEND test_programs unit_${stem})
  endforeach()
  tenon_test_program(object_test test/codegen/Inputs/object_test.c codegen)
  tenon_test_program(import_dump test/frontend/Inputs/import_dump.c frontend)
  list(APPEND test_programs object_test import_dump)
  tenon_native_kernels(unit_math math_native.c)
  tenon_native_kernels(unit_conversions conversions_native.c)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64)
    tenon_native_kernels(unit_math_fma math_native.c -mavx2 -mfma)
  endif()
endif()

# Fuzz targets run for a moment in the test suite of a sanitizer build, with coverage of the frontend, which reads
# what comes from outside; the preset `fuzz` covers everything, for long runs.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND (TENON_FUZZ OR TENON_SANITIZE))
  file(GLOB fuzz_targets CONFIGURE_DEPENDS test/fuzz/*.c)
  foreach(source ${fuzz_targets})
    get_filename_component(stem ${source} NAME_WE)
    tenon_test_program(fuzz_${stem} ${source} fuzz)
    target_compile_options(fuzz_${stem} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(fuzz_${stem} PRIVATE -fsanitize=fuzzer)
    list(APPEND test_programs fuzz_${stem})
  endforeach()
  target_sources(fuzz_compile PRIVATE test/fuzz/Inputs/model_mutator.c test/fuzz/Inputs/whole_way.c)
  target_sources(fuzz_pipeline PRIVATE test/fuzz/Inputs/whole_way.c)
  if(TARGET tenon_frontend)
    target_compile_options(tenon_frontend PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endif()

find_file(LIT lit.py HINTS ${LLVM_TOOLS_BINARY_DIR}/../build/utils/lit NO_DEFAULT_PATH)
configure_file(${CMAKE_SOURCE_DIR}/test/lit.site.cfg.py.in
  ${CMAKE_BINARY_DIR}/test/lit.site.cfg.py @ONLY)
if(LIT AND TARGET tenon)
  add_custom_target(check COMMAND ${TENON_PYTHON} ${LIT} -v ${CMAKE_BINARY_DIR}/test
    USES_TERMINAL DEPENDS tenon ${test_programs})
elseif(NOT LIT)
  message(STATUS "lit not found (Debian package llvm-19-tools): no 'check' target")
endif()
