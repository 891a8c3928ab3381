# Libraries that the compiler needs; each missing one is a clear error.
find_package(LLVM 19.1 REQUIRED CONFIG HINTS /usr/lib/llvm-19)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PROTOBUF_C REQUIRED libprotobuf-c)
pkg_check_modules(JANSSON REQUIRED jansson)
pkg_check_modules(ZLIB REQUIRED zlib)
find_library(OPENBLAS_LIBRARY libopenblas.so.0 REQUIRED) # loaded when a pass needs it
find_program(CLANG clang-19 REQUIRED HINTS ${LLVM_TOOLS_BINARY_DIR})
find_program(LLVM_DIS llvm-dis REQUIRED HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
find_program(LLVM_AS llvm-as REQUIRED HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
find_program(LLVM_LINK llvm-link REQUIRED HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)
find_program(PROTOC_C protoc-c REQUIRED)

# The schema comes from the installed Python package `onnx`; there is no copy of it in this project.
set(TENON_PYTHON "" CACHE FILEPATH "Python interpreter that has the onnx package (1.16 or newer)")
if(NOT TENON_PYTHON)
  if(EXISTS ${CMAKE_SOURCE_DIR}/build/venv/bin/python)
    set(TENON_PYTHON ${CMAKE_SOURCE_DIR}/build/venv/bin/python)
  else()
    find_program(TENON_PYTHON_FOUND python3 REQUIRED)
    set(TENON_PYTHON ${TENON_PYTHON_FOUND})
  endif()
endif()
execute_process(
  COMMAND ${TENON_PYTHON} -c
    "import onnx, os; v = tuple(map(int, onnx.__version__.split('.')[:2])); print(os.path.join(os.path.dirname(onnx.__file__), 'onnx-ml.proto') if v >= (1, 16) else '')"
  OUTPUT_VARIABLE ONNX_PROTO OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_VARIABLE ONNX_PROTO_ERROR
  RESULT_VARIABLE ONNX_PROTO_STATUS)
if(NOT ONNX_PROTO_STATUS EQUAL 0 OR NOT EXISTS "${ONNX_PROTO}")
  message(FATAL_ERROR "tenon needs the schema of the Python package 'onnx', 1.16 or newer. "
    "${TENON_PYTHON} does not have it: install it (pip install onnx), run tools/bootstrap, or set "
    "-DTENON_PYTHON=/path/to/python.")
endif()

add_library(tenon_dependencies INTERFACE)
target_link_libraries(tenon_dependencies INTERFACE
  LLVM-19 ${PROTOBUF_C_LIBRARIES} ${JANSSON_LIBRARIES} ${ZLIB_LIBRARIES}
  m pthread dl)
target_link_directories(tenon_dependencies INTERFACE ${LLVM_LIBRARY_DIRS})
