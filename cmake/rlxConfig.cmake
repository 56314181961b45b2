# find_package(rlx): rlx::rlx is the shared library, rlx::rlx_static the static one.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/rlxTargets.cmake")
