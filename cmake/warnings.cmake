# Warnings, optimization and sanitizers for every target. A release build has debug symbols (perf) and no fast-math.
set(CMAKE_C_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O1 -g1") # the sanitizer presets: assertions stay on, kernels compile in bearable time
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
                    -fno-math-errno -ffp-contract=off)
if(QBENCH_WERROR)
  add_compile_options(-Werror)
endif()
if(QBENCH_SANITIZE)
  add_compile_options(-fsanitize=${QBENCH_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${QBENCH_SANITIZE})
endif()
if(QBENCH_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
add_compile_definitions(_GNU_SOURCE QBENCH_VERSION="${PROJECT_VERSION}")
include_directories(${PROJECT_SOURCE_DIR})
