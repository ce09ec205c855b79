# The suffix of a kernel file decides its ISA: NAME_avx2.c, NAME_avxvnni.c, NAME_avx512vnni.c, NAME_avx512vbmi.c, NAME_avx512bf16.c, NAME_amx.c. Nothing else gets ISA flags.
set(QB_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(QB_FLAGS_avxvnni ${QB_FLAGS_avx2} -mavxvnni)
set(QB_FLAGS_avx512vnni ${QB_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx512vnni
    -mprefer-vector-width=512)
set(QB_FLAGS_avx512vbmi ${QB_FLAGS_avx512vnni} -mavx512vbmi -mgfni)
set(QB_FLAGS_avx512bf16 ${QB_FLAGS_avx512vbmi} -mavx512bf16)
set(QB_FLAGS_amx ${QB_FLAGS_avx512bf16} -mamx-tile -mamx-int8 -mamx-bf16)

# Templates ask for unrolling that gcc does and clang may refuse; it says so for every loop.
# Fuzzing is about parsers: no target reaches these files, and clang needs a minute to instrument one.
foreach(isa avx2 avxvnni avx512vnni avx512vbmi avx512bf16 amx)
  if(CMAKE_C_COMPILER_ID MATCHES Clang)
    list(APPEND QB_FLAGS_${isa} -Wno-pass-failed)
  endif()
  if(QBENCH_FUZZ)
    list(APPEND QB_FLAGS_${isa} -fno-sanitize=all)
  endif()
endforeach()

function(qb_apply_isa_flags)
  foreach(file ${ARGN})
    get_filename_component(stem ${file} NAME_WE)
    string(REGEX MATCH "_(avx2|avxvnni|avx512vnni|avx512vbmi|avx512bf16|amx)$" suffix ${stem})
    if(suffix)
      string(SUBSTRING ${suffix} 1 -1 isa)
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${QB_FLAGS_${isa}}")
    endif()
  endforeach()
endfunction()

# The tiles of CPUs with vpdpbusd are written in the order that suits the core; gcc's scheduler mixes the folds into
# the dot products, which costs 1 to 4 %. Functions start a line, so that where their loops lie does not depend on what
# was linked before them: that moved single products by 5 %.
function(qb_keep_order)
  if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -fno-schedule-insns2 -falign-functions=64)
  endif()
endfunction()
