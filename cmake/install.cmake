# What an installation holds: headers, both libraries, the command, a folder for plugins, and what pkg-config and
# find_package need. Everything is found relative to where it lies, so that the whole folder can be moved.

# "../.." from FROM to TO, both relative to the prefix (or absolute: then there is nothing to move).
function(relative_path variable from to)
    if(IS_ABSOLUTE "${from}" OR IS_ABSOLUTE "${to}")
        set(${variable} "${CMAKE_INSTALL_PREFIX}" PARENT_SCOPE)
    else()
        file(RELATIVE_PATH path "/prefix/${from}" "/prefix/${to}")
        string(REGEX REPLACE "/$" "" path "${path}")
        set(${variable} "${path}" PARENT_SCOPE)
    endif()
endfunction()

install(DIRECTORY include/rlx DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS rlx_shared rlx_static EXPORT rlx_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
                                                         ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_LIBDIR}/rlx/backends)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

relative_path(bin_to_lib ${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_LIBDIR})
set_target_properties(rlx_installed PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")
install(TARGETS rlx_installed RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# pkg-config: `pkg-config --cflags --libs rlx`.
relative_path(pc_to_prefix ${CMAKE_INSTALL_LIBDIR}/pkgconfig .)
if(NOT IS_ABSOLUTE "${pc_to_prefix}")
    set(pc_to_prefix "\${pcfiledir}/${pc_to_prefix}")
endif()
cmake_path(APPEND pc_libdir "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(cmake/rlx.pc.in rlx.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rlx.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# CMake: find_package(rlx), then rlx::rlx or rlx::rlx_static.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/rlx)
write_basic_package_version_file(rlxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/rlxConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/rlxConfigVersion.cmake DESTINATION ${package_folder})
install(EXPORT rlx_targets NAMESPACE rlx:: FILE rlxTargets.cmake DESTINATION ${package_folder})
