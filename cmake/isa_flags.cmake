# The suffix of a kernel file decides its ISA: NAME_avx2.c, NAME_avx512vnni.c, NAME_avx512bf16.c. Nothing else gets ISA flags.
set(QB_FLAGS_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(QB_FLAGS_avx512vnni ${QB_FLAGS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512cd -mavx512vnni
    -mprefer-vector-width=512)
set(QB_FLAGS_avx512bf16 ${QB_FLAGS_avx512vnni} -mavx512bf16)

# Fuzzing is about parsers; clang needs a minute a file to instrument intrinsics.
if(QBENCH_FUZZ)
  foreach(isa avx2 avx512vnni avx512bf16)
    list(APPEND QB_FLAGS_${isa} -fno-sanitize=all -O2 -Wno-pass-failed)
  endforeach()
endif()

function(qb_apply_isa_flags)
  foreach(file ${ARGN})
    get_filename_component(stem ${file} NAME_WE)
    string(REGEX MATCH "_(avx2|avx512vnni|avx512bf16)$" suffix ${stem})
    if(suffix)
      string(SUBSTRING ${suffix} 1 -1 isa)
      set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${QB_FLAGS_${isa}}")
    endif()
  endforeach()
endfunction()
