# What only tests need: unit tests, plugins, and a library whose core breaks a rule when asked to.

# Each unit test is a program of its own that prints TAP. It sees the library's insides: hence the static one.
file(GLOB unit_tests CONFIGURE_DEPENDS tests/unit/*_test.c)
foreach(source ${unit_tests})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_include_directories(${name} PRIVATE src)
    target_link_libraries(${name} PRIVATE rlx_static Threads::Threads)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY unit)
endforeach()

# The property test: a program of several files, which sees the public headers alone.
file(GLOB property_sources CONFIGURE_DEPENDS tests/property/*.c)
add_library(property_objects OBJECT ${property_sources})
target_include_directories(property_objects PRIVATE include)
add_executable(property_test $<TARGET_OBJECTS:property_objects>)
target_link_libraries(property_test PRIVATE rlx_static Threads::Threads)
set_target_properties(property_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY property)

# Plugins, each of one file, and the liar. They link to nothing of ours.
function(add_plugin name)
    add_library(plugin_${name} MODULE ${ARGN})
    target_include_directories(plugin_${name} PRIVATE include)
    target_link_libraries(plugin_${name} PRIVATE Threads::Threads)
    set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME rlx_backend_${name}
                                                    LIBRARY_OUTPUT_DIRECTORY plugins)
endfunction()

file(GLOB plugins CONFIGURE_DEPENDS tests/plugins/*.c)
foreach(source ${plugins})
    get_filename_component(name ${source} NAME_WE)
    add_plugin(${name} ${source})
endforeach()

file(GLOB liar_sources CONFIGURE_DEPENDS tests/liars/*.c)
add_plugin(liar ${liar_sources})

# The library once more, with the switches that make its core lie and the failpoints that make the system refuse: the
# suite has to notice the first (rlx-lies), and the library to bear the second (rlx-faults, and bytelm-faults).
add_library(rlx_lies STATIC ${library_sources})
target_compile_definitions(rlx_lies PUBLIC RLX_TEST_LIES)
target_include_directories(rlx_lies PUBLIC include PRIVATE src)
target_link_libraries(rlx_lies PRIVATE Threads::Threads ${CMAKE_DL_LIBS})

# Lies are told without sanitizers, which would only notice them first.
if(NOT RLX_SANITIZE)
    add_executable(rlx-lies $<TARGET_OBJECTS:rlx_command>)
    target_link_libraries(rlx-lies PRIVATE rlx_lies Threads::Threads)
    add_executable(property_lies $<TARGET_OBJECTS:property_objects>)
    target_link_libraries(property_lies PRIVATE rlx_lies Threads::Threads)
    set_target_properties(property_lies PROPERTIES RUNTIME_OUTPUT_DIRECTORY property)
endif()

# The suite's tests under faults: a suite of its own, whose objects are counted.
file(GLOB suite_sources CONFIGURE_DEPENDS tests/conformance/*.c)
add_library(rlx_fault_suite OBJECT ${suite_sources})
target_include_directories(rlx_fault_suite PRIVATE include tests)
target_compile_options(rlx_fault_suite PRIVATE -include ${PROJECT_SOURCE_DIR}/tests/faults/calls.h)
file(GLOB fault_sources CONFIGURE_DEPENDS tests/faults/*.c)
add_executable(rlx-faults ${fault_sources} $<TARGET_OBJECTS:rlx_fault_suite>)
target_include_directories(rlx-faults PRIVATE src tests)
target_link_libraries(rlx-faults PRIVATE rlx_lies Threads::Threads)
