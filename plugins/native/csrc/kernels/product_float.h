// Float weights times float activations, float32 throughout. Included once per instruction set.
#pragma once
#include "product.h"

namespace pio {
namespace PIO_NS {

struct LoadF32 {
    using Value = float;
    static inline Floats get(const float *p) { return load(p); }
};
struct LoadF16 {
    using Value = uint16_t;
    static inline Floats get(const uint16_t *p) { return load_half(p); }
};
struct LoadBF16 {
    using Value = uint16_t;
    static inline Floats get(const uint16_t *p) { return load_bf16(p); }
};

// One register of rows for T tokens, columns in order.
template <class Load, int T, int P>
static inline void float_tile(const ProductArgs &args, int64_t block, int part, int64_t token) {
    const auto *w = (const typename Load::Value *)(args.weight + block * args.block_bytes) + part * kLanes;
    const float *x = args.x + token * args.x_stride;
    Floats sums[P][T];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) sums[p][t] = broadcast(0.0f);
    for (int64_t k = 0; k < args.columns; ++k, w += kBlockRows) {
        Floats weights[P];
        for (int p = 0; p < P; ++p) weights[p] = Load::get(w + p * kLanes);
        for (int t = 0; t < T; ++t) {
            const Floats value = broadcast(x[t * args.x_stride + k]);
            for (int p = 0; p < P; ++p) sums[p][t] = fma(weights[p], value, sums[p][t]);
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t)
            store_rows(args, token + t, block * kBlockRows + (part + p) * kLanes, sums[p][t]);
}

template <class Load, int T> static void float_block(const ProductArgs &args, int64_t block, int64_t token) {
    constexpr int kParts = (int)kBlockRows / kLanes, P = kParts > 2 ? 2 : kParts;
    for (int part = 0; part < kParts; part += P) float_tile<Load, T, P>(args, block, part, token);
}

template <class Load> static void float_product(const ProductArgs &args) {
    constexpr int T = 4;
    constexpr int64_t slice = 32;
    for (int64_t first = 0; first < args.tokens; first += slice) {
        const int64_t last = first + slice < args.tokens ? first + slice : args.tokens;
        for (int64_t block = args.first_block; block < args.last_block; ++block) {
            int64_t token = first;
            for (; token + T <= last; token += T) float_block<Load, T>(args, block, token);
            for (; token < last; ++token) float_block<Load, 1>(args, block, token);
        }
    }
}

}  // namespace PIO_NS
}  // namespace pio
