# runtime/kernels -> one bitcode module per target family, embedded in the compiler.
#
# runtime/kernels/*.c         scalar C, compiled once per family (pointer sizes and ABIs differ)
# runtime/kernels/vector/*.c  values in, values out: compiled once, for a target whose C ABI passes
#                             vectors of every size as vectors (x86 and ARM pass the wide ones
#                             through memory), and linked into the module of every family
#
# kernel_ir.sed drops module flags and CPU attributes; what remains takes the CPU of its caller.
find_program(LLVM_OPT opt REQUIRED HINTS ${LLVM_TOOLS_BINARY_DIR} NO_DEFAULT_PATH)

set(KERNEL_DIR ${CMAKE_BINARY_DIR}/kernels)
set(KERNEL_FLAGS -std=c17 -O3 -Xclang -disable-llvm-passes -S -emit-llvm -g0
  -ffp-contract=off -fno-strict-aliasing -ffreestanding -fno-builtin -fvisibility=default
  -fno-pic -fno-stack-protector -fno-unwind-tables -fno-asynchronous-unwind-tables
  -Wall -Wextra -Werror -I${CMAKE_SOURCE_DIR})
# Only what every later pipeline would do first: it makes the embedded modules small.
set(KERNEL_PASSES always-inline,function<eager-inv>\(sroa,early-cse,instcombine<no-verify-fixpoint>,simplifycfg,early-cse,instcombine<no-verify-fixpoint>\),cgscc\(function-attrs\),globaldce)

set(KERNEL_FAMILY_x86_64 --target=x86_64-unknown-linux-gnu)
set(KERNEL_FAMILY_aarch64 --target=aarch64-unknown-linux-gnu)
set(KERNEL_FAMILY_armv7a --target=armv7a-unknown-linux-gnueabihf -mfpu=neon)
set(KERNEL_FAMILY_armm --target=thumbv7em-unknown-none-eabihf)
set(KERNEL_FAMILY_riscv32 --target=riscv32-unknown-elf -march=rv32imc -mabi=ilp32)
set(KERNEL_FAMILY_riscv64 --target=riscv64-unknown-linux-gnu -march=rv64gc -mabi=lp64d)
set(KERNEL_FAMILIES x86_64 aarch64 armv7a armm riscv32 riscv64)

# tenon_kernel_module(OUTPUT FLAGS SOURCE EXPRESSIONS): one C file to one cleaned bitcode file.
function(tenon_kernel_module output flags source expressions)
  add_custom_command(
    OUTPUT ${output}
    COMMAND ${CLANG} ${flags} ${KERNEL_FLAGS} -MD -MF ${output}.d -MT ${output} -o ${output}.raw.ll ${source}
    COMMAND sed -f ${CMAKE_SOURCE_DIR}/cmake/kernel_ir.sed ${expressions} ${output}.raw.ll > ${output}.ll
    COMMAND ${LLVM_OPT} -passes=${KERNEL_PASSES} ${output}.ll -o ${output}
    DEPENDS ${source} ${CMAKE_SOURCE_DIR}/cmake/kernel_ir.sed ${CMAKE_SOURCE_DIR}/cmake/kernels.cmake
    DEPFILE ${output}.d VERBATIM)
endfunction()

file(GLOB vector_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/kernels/vector/*.c)
file(GLOB kernel_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/kernels/*.c)
file(MAKE_DIRECTORY ${KERNEL_DIR}/vector)
foreach(source ${vector_sources})
  get_filename_component(stem ${source} NAME_WE)
  set(module ${KERNEL_DIR}/vector/${stem}.bc)
  tenon_kernel_module(${module} --target=wasm32-unknown-unknown ${source} "-e/^target /d")
  list(APPEND vector_modules ${module})
endforeach()

set(KERNEL_LIST ${CMAKE_BINARY_DIR}/generated/kernel_families.inc)
set(kernel_list_text "")
foreach(family ${KERNEL_FAMILIES})
  set(modules ${vector_modules})
  file(MAKE_DIRECTORY ${KERNEL_DIR}/${family})
  foreach(source ${kernel_sources})
    get_filename_component(stem ${source} NAME_WE)
    set(module ${KERNEL_DIR}/${family}/${stem}.bc)
    tenon_kernel_module(${module} "${KERNEL_FAMILY_${family}}" ${source} "-e/^$/d")
    list(APPEND modules ${module})
  endforeach()
  set(linked ${KERNEL_DIR}/${family}.bc)
  add_custom_command(OUTPUT ${linked} COMMAND ${LLVM_LINK} ${modules} -o ${linked}
    DEPENDS ${modules} VERBATIM)
  list(APPEND KERNEL_MODULES ${linked})
  string(APPEND kernel_list_text "FAMILY(${family}, \"${linked}\")\n")
endforeach()
file(CONFIGURE OUTPUT ${KERNEL_LIST} CONTENT "${kernel_list_text}" @ONLY)

add_custom_target(tenon_kernels DEPENDS ${KERNEL_MODULES})
if(TARGET tenon_codegen)
  set_property(SOURCE ${CMAKE_SOURCE_DIR}/codegen/kernel_bitcode.c
    APPEND PROPERTY OBJECT_DEPENDS "${KERNEL_MODULES};${KERNEL_LIST}")
  target_include_directories(tenon_codegen PRIVATE ${CMAKE_BINARY_DIR}/generated)
endif()

# tenon_native_kernels(TARGET CALLER FLAG...): the same sources built for this machine, with CALLER,
# for a test program. By the same clang: other compilers lack its vector types.
function(tenon_native_kernels target caller)
  foreach(source ${vector_sources} ${CMAKE_SOURCE_DIR}/test/unit/Inputs/${caller})
    get_filename_component(stem ${source} NAME_WE)
    string(MAKE_C_IDENTIFIER "native${ARGN}_${stem}" stem)
    set(object ${KERNEL_DIR}/${stem}.o)
    get_property(known GLOBAL PROPERTY native_kernel_${stem})
    if(NOT known)
      set_property(GLOBAL PROPERTY native_kernel_${stem} TRUE)
      add_custom_command(OUTPUT ${object}
        COMMAND ${CLANG} -std=c17 -O2 ${ARGN} -ffp-contract=off -fno-strict-aliasing -Wall -Wextra
          -Wno-psabi -I${CMAKE_SOURCE_DIR} -MD -MF ${object}.d -MT ${object} -c -o ${object} ${source}
        DEPENDS ${source} DEPFILE ${object}.d VERBATIM)
      add_custom_target(${stem} DEPENDS ${object})
    endif()
    add_dependencies(${target} ${stem}) # not each of the programs builds it
    target_sources(${target} PRIVATE ${object})
  endforeach()
endfunction()
