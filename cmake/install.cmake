# What an installation holds: headers, both libraries, the command, a folder for plugins, and what pkg-config and
# find_package need. Everything is found relative to where it lies, so that the whole folder can be moved.

# The path from one folder of the installation to another: relative to `base`, or absolute if one of them was given so.
function(installed_path variable base from to)
    if(IS_ABSOLUTE "${from}" OR IS_ABSOLUTE "${to}")
        cmake_path(ABSOLUTE_PATH to BASE_DIRECTORY "${CMAKE_INSTALL_PREFIX}" NORMALIZE OUTPUT_VARIABLE path)
    else()
        cmake_path(RELATIVE_PATH to BASE_DIRECTORY "${from}" OUTPUT_VARIABLE path)
        set(path "${base}/${path}")
    endif()
    string(REGEX REPLACE "/\\.?$" "" path "${path}")
    set(${variable} "${path}" PARENT_SCOPE)
endfunction()

install(DIRECTORY include/rlx DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS rlx_shared rlx_static EXPORT rlx_targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
                                                         ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY DESTINATION ${CMAKE_INSTALL_LIBDIR}/rlx/backends)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

installed_path(rpath "$ORIGIN" ${CMAKE_INSTALL_BINDIR} ${CMAKE_INSTALL_LIBDIR})
set_target_properties(rlx_installed PROPERTIES INSTALL_RPATH "${rpath}")
install(TARGETS rlx_installed RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# pkg-config: `pkg-config --cflags --libs rlx`.
set(pc_folder ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
installed_path(pc_prefix "\${pcfiledir}" ${pc_folder} .)
installed_path(pc_libdir "\${pcfiledir}" ${pc_folder} ${CMAKE_INSTALL_LIBDIR})
installed_path(pc_includedir "\${pcfiledir}" ${pc_folder} ${CMAKE_INSTALL_INCLUDEDIR})
configure_file(cmake/rlx.pc.in rlx.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/rlx.pc DESTINATION ${pc_folder})

# CMake: find_package(rlx), then rlx::rlx or rlx::rlx_static.
include(CMakePackageConfigHelpers)
set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/rlx)
write_basic_package_version_file(rlxConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/rlxConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/rlxConfigVersion.cmake DESTINATION ${package_folder})
install(EXPORT rlx_targets NAMESPACE rlx:: FILE rlxTargets.cmake DESTINATION ${package_folder})
