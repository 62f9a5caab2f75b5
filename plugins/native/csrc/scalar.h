// Half precision and bfloat16 by integer arithmetic, for code that runs on any CPU.
#pragma once
#include <stdint.h>
#include <string.h>

namespace pio {

static inline float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

static inline uint32_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    return bits;
}

static inline float float_of_half(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 0x3ff;
    if (exponent == 31) return float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    // Subnormal: fraction * 2^-24, which float32 holds exactly.
    const float magnitude = (float)fraction * 5.9604644775390625e-8f;
    return float_of_bits(sign | bits_of_float(magnitude));
}

// Rounds to nearest, ties to even, as the hardware does.
static inline uint16_t half_of_float(float x) {
    const uint32_t bits = bits_of_float(x), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
    if (magnitude >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
    if (magnitude >= 0x38800000) {  // normal in half precision
        const uint32_t rebased = magnitude - (112u << 23);
        return (uint16_t)(sign | (rebased + 0xfff + (rebased >> 13 & 1)) >> 13);
    }
    // Adding 0.5 puts the half's subnormal bits at the end of the fraction, rounded by the addition itself.
    return (uint16_t)(sign | (bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3f000000));
}

static inline float float_of_bfloat(uint16_t b) { return float_of_bits((uint32_t)b << 16); }

static inline uint16_t load_u16(const uint8_t *p) {
    uint16_t x;
    memcpy(&x, p, 2);
    return x;
}

}  // namespace pio
