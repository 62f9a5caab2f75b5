// Activations to int8. Included once per instruction set.
#pragma once
#include "../kernels.h"

namespace pio {
namespace PIO_NS {

// One group of 32 values: scale = max |x| / 127, q rounded to nearest even. The largest magnitude is looked for among the
// bits of the floats, where NaN is above infinity and infinity above all numbers: a maximum of floats may lose a NaN.
static inline float quantize_group(const float *x, int8_t *q, int32_t &first_half, int32_t &sum_of_all) {
    constexpr int kParts = (int)kGroup / kLanes;
    Floats values[kParts];
    Ints top = broadcast_int(0);
    for (int i = 0; i < kParts; ++i) {
        values[i] = load(x + i * kLanes);
        top = max_int(top, magnitude_bits(values[i]));
    }
    const float largest_magnitude = float_of_bits((uint32_t)largest(top));
    const bool is_finite = largest_magnitude <= 3.402823466e38f, is_zero = largest_magnitude < 1e-30f;
    if (!is_finite || is_zero) {
        memset(q, 0, kGroup);
        first_half = sum_of_all = 0;
        return is_finite ? 0.0f : float_of_bits(0x7fc00000);
    }
    const Floats inverse = broadcast(127.0f / largest_magnitude);
    Ints halves[2] = {broadcast_int(0), broadcast_int(0)};
    for (int i = 0; i < kParts; ++i) {
        const Ints rounded = round_to_ints(mul(values[i], inverse));
        halves[i >= kParts / 2] = add_int(halves[i >= kParts / 2], rounded);
        store_int8(q + i * kLanes, rounded);
    }
    first_half = total(halves[0]);
    sum_of_all = first_half + total(halves[1]);
    return largest_magnitude / 127.0f;
}

// Token `token` of `target`, from its row of float32 values.
static void quantize(const float *x, int64_t token, const Activations &target) {
    const int64_t groups = target.columns / kGroup, first = token / kTileTokens * kTileTokens, lane = token - first;
    const int64_t rest = target.tokens - first, tile = rest < kTileTokens ? rest : kTileTokens;
    int8_t *q = target.q + first * target.columns + lane * 4;
    for (int64_t g = 0; g < groups; ++g, q += kGroup * tile) {
        int8_t values[kGroup];
        const int64_t at = first * groups + g * tile + lane;
        const float scale = quantize_group(x + g * kGroup, values, target.half_sums[at], target.sums[at]);
        target.scales[at] = scale;
        target.scaled_sums[at] = scale * (float)target.sums[at];
        for (int c = 0; c < 8; ++c) memcpy(q + c * 4 * tile, values + c * 4, 4);
    }
}

}  // namespace PIO_NS
}  // namespace pio
