# What `cmake --install` puts in place: the command, the header that generated headers include, and the
# CMake package (find_package(tenon), tenon_add_model).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(TENON_PACKAGE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/tenon)
configure_package_config_file(${CMAKE_SOURCE_DIR}/cmake/tenonConfig.cmake.in
  ${CMAKE_BINARY_DIR}/tenonConfig.cmake INSTALL_DESTINATION ${TENON_PACKAGE_DIR}
  PATH_VARS CMAKE_INSTALL_BINDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tenonConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT) # found from cross builds too

install(TARGETS tenon RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES ${CMAKE_SOURCE_DIR}/runtime/tenon.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${CMAKE_BINARY_DIR}/tenonConfig.cmake ${CMAKE_BINARY_DIR}/tenonConfigVersion.cmake
  DESTINATION ${TENON_PACKAGE_DIR})
