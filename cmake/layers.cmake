# What each layer needs from outside, and the sources that are generated at build time.
# Only frontend/ sees protobuf-c, only codegen/ sees LLVM.

# onnx-ml.proto -> onnx.pb-c.{h,c}
set(GENERATED ${CMAKE_BINARY_DIR}/generated)
file(MAKE_DIRECTORY ${GENERATED})
add_custom_command(
  OUTPUT ${GENERATED}/onnx-ml.pb-c.c ${GENERATED}/onnx-ml.pb-c.h
  COMMAND ${CMAKE_COMMAND} -E copy ${ONNX_PROTO} ${GENERATED}/onnx-ml.proto
  COMMAND ${PROTOC_C} --proto_path=${GENERATED} --c_out=${GENERATED} ${GENERATED}/onnx-ml.proto
  DEPENDS ${ONNX_PROTO} VERBATIM)
add_library(tenon_schema OBJECT ${GENERATED}/onnx-ml.pb-c.c ${GENERATED}/onnx-ml.pb-c.h)
target_include_directories(tenon_schema PUBLIC ${GENERATED} ${PROTOBUF_C_INCLUDE_DIRS})
list(APPEND layers tenon_schema)

if(TARGET tenon_frontend)
  target_link_libraries(tenon_frontend PRIVATE tenon_schema)
endif()
if(TARGET tenon_codegen)
  target_include_directories(tenon_codegen SYSTEM PRIVATE ${LLVM_INCLUDE_DIRS})
  file(GLOB runtime_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/tenon*)
  set_source_files_properties(codegen/embedded.c PROPERTIES OBJECT_DEPENDS "${runtime_files}"
    COMPILE_DEFINITIONS "TENON_RUNTIME_DIR=\"${CMAKE_SOURCE_DIR}/runtime\"")
endif()
if(TARGET tenon_tools)
  target_sources(tenon_tools PRIVATE runtime/tenon_pool.c) # run, eval and bench --threads
endif()
