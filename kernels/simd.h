/*
 * What every intrinsics file needs: forced inlining (kernels are specialized by constant arguments) and full
 * unrolling.
 */
#ifndef QB_KERNELS_SIMD_H
#define QB_KERNELS_SIMD_H

#define QB_INLINE static inline __attribute__((always_inline))

#ifdef __clang__
#define QB_UNROLL    _Pragma("clang loop unroll(full)")
#define QB_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define QB_UNROLL    _Pragma("GCC unroll 64")
#define QB_NO_UNROLL _Pragma("GCC unroll 1")
#endif

/* A number of columns, 1 to 4 (QB_GEMV_MAX_COLS), as a constant: CALL(n, ...) is a macro. */
#define QB_SWITCH_COLS(n_cols, CALL, ...)                                                                    \
    switch (n_cols) {                                                                                        \
    case 1:                                                                                                  \
        CALL(1, __VA_ARGS__);                                                                                \
        break;                                                                                               \
    case 2:                                                                                                  \
        CALL(2, __VA_ARGS__);                                                                                \
        break;                                                                                               \
    case 3:                                                                                                  \
        CALL(3, __VA_ARGS__);                                                                                \
        break;                                                                                               \
    case 4:                                                                                                  \
        CALL(4, __VA_ARGS__);                                                                                \
        break;                                                                                               \
    }

#endif
