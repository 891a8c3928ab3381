# Toolchain file: cmake -B build-aarch64 -DCMAKE_TOOLCHAIN_FILE=aarch64-linux-gnu.cmake ...
# The model is compiled for the same target as the program, without a word in CMakeLists.txt.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
