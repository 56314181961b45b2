# Fuzz targets: libFuzzer, and the library compiled so that it is seen where an input leads (preset fuzz, clang).

# Each is a program of its own: tests/fuzz/NAME_fuzz.c, and what else it is about.
add_custom_target(fuzz)
function(add_fuzz_target name)
    add_executable(fuzz-${name} tests/fuzz/${name}_fuzz.c ${ARGN})
    target_include_directories(fuzz-${name} PRIVATE src tools tests examples/bytelm)
    target_compile_definitions(fuzz-${name} PRIVATE _XOPEN_SOURCE=700)
    target_compile_options(fuzz-${name} PRIVATE -Wno-conversion)
    target_link_options(fuzz-${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(fuzz-${name} PRIVATE rlx_static Threads::Threads m)
    set_target_properties(fuzz-${name} PROPERTIES OUTPUT_NAME ${name}_fuzz RUNTIME_OUTPUT_DIRECTORY fuzz)
    add_dependencies(fuzz fuzz-${name})
endfunction()

foreach(name table entry includes limits source encode run)
    add_fuzz_target(${name})
endforeach()
add_fuzz_target(checkpoint examples/bytelm/checkpoint.c)
add_fuzz_target(text examples/bytelm/text.c)
add_fuzz_target(rows tools/rlx/bench_rows.c)
file(GLOB fuzz_suite_sources CONFIGURE_DEPENDS tests/conformance/*.c)
add_fuzz_target(lies ${fuzz_suite_sources})
