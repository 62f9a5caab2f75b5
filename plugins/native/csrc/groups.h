// One group of 32 quantized values of one row, in and out of a packed block.
#pragma once
#include <string.h>

#include "layout.h"

namespace pio {

// `q` holds unsigned values of 4, 5 or 6 bits, or signed bytes (as int8) for 8. `quants` is the group's, `row` 0 to 15.
static inline void put_group(uint8_t *quants, int bits, int row, const uint8_t *q) {
    if (bits == 8) {
        for (int c = 0; c < 8; ++c) memcpy(quants + c * 64 + row * 4, q + c * 4, 4);
        return;
    }
    uint8_t fifth[4] = {0}, upper[2][4] = {{0}};
    for (int c = 0; c < 4; ++c) {
        uint8_t *out = quants + c * 64 + row * 4;
        for (int i = 0; i < 4; ++i) {
            const uint8_t low = q[c * 4 + i], high = q[16 + c * 4 + i];
            out[i] = (uint8_t)((low & 15) | (high & 15) << 4);
            fifth[i] |= (uint8_t)((low >> 4 & 1) << c | (high >> 4 & 1) << (4 + c));
            upper[c >> 1][i] |= (uint8_t)((low >> 4 & 3) << 2 * (c & 1) | (high >> 4 & 3) << (4 + 2 * (c & 1)));
        }
    }
    if (bits == 5) memcpy(quants + 256 + row * 4, fifth, 4);
    if (bits == 6)
        for (int half = 0; half < 2; ++half) memcpy(quants + 256 + half * 64 + row * 4, upper[half], 4);
}

static inline void get_group(const uint8_t *quants, int bits, int row, uint8_t *q) {
    if (bits == 8) {
        for (int c = 0; c < 8; ++c) memcpy(q + c * 4, quants + c * 64 + row * 4, 4);
        return;
    }
    for (int c = 0; c < 4; ++c)
        for (int i = 0; i < 4; ++i) {
            const uint8_t w = quants[c * 64 + row * 4 + i];
            uint8_t low = w & 15, high = w >> 4;
            if (bits == 5) {
                const uint8_t fifth = quants[256 + row * 4 + i];
                low |= (uint8_t)((fifth >> c & 1) << 4);
                high |= (uint8_t)((fifth >> (4 + c) & 1) << 4);
            }
            if (bits == 6) {
                const uint8_t upper = quants[256 + (c >> 1) * 64 + row * 4 + i];
                low |= (uint8_t)((upper >> 2 * (c & 1) & 3) << 4);
                high |= (uint8_t)((upper >> (4 + 2 * (c & 1)) & 3) << 4);
            }
            q[c * 4 + i] = low;
            q[16 + c * 4 + i] = high;
        }
}

// The scale bytes of group g, or of its super-group, within a block.
static inline uint8_t *scales_at(uint8_t *block, const Layout &layout, int64_t groups, int64_t g) {
    uint8_t *scales = block + groups * group_quant_bytes(layout.bits);
    return scales + scale_bytes(layout.bits, layout.scale) * (layout.scale == Scale::Nested ? g / kSuper : g);
}

}  // namespace pio
