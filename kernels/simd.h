/*
 * What every intrinsics file needs: forced inlining (kernels are specialized by constant arguments) and full
 * unrolling.
 */
#ifndef QB_KERNELS_SIMD_H
#define QB_KERNELS_SIMD_H

#define QB_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define QB_UNROLL _Pragma("clang loop unroll(full)")
#else
#define QB_UNROLL _Pragma("GCC unroll 64")
#endif

#endif
