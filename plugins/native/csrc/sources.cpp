#include "sources.h"

#include <string.h>

#include "pio_native.h"
#include "scalar.h"

namespace pio {

namespace {

void split_nibbles(const uint8_t *packed, uint8_t *q) {
    for (int i = 0; i < 16; ++i) {
        q[i] = packed[i] & 15;
        q[16 + i] = packed[i] >> 4;
    }
}

void add_fifth_bits(const uint8_t *packed, uint8_t *q) {
    for (int i = 0; i < 32; ++i) q[i] |= (uint8_t)((packed[i / 8] >> (i & 7) & 1) << 4);
}

void read_q4_0(const uint8_t *block, int64_t, StoredGroup &out) {
    out.scale = load_u16(block);
    split_nibbles(block + 2, out.q);
}

void read_q4_1(const uint8_t *block, int64_t, StoredGroup &out) {
    out.scale = load_u16(block);
    out.extra = load_u16(block + 2);
    split_nibbles(block + 4, out.q);
}

void read_q5_0(const uint8_t *block, int64_t, StoredGroup &out) {
    out.scale = load_u16(block);
    split_nibbles(block + 6, out.q);
    add_fifth_bits(block + 2, out.q);
}

void read_q5_1(const uint8_t *block, int64_t, StoredGroup &out) {
    out.scale = load_u16(block);
    out.extra = load_u16(block + 2);
    split_nibbles(block + 8, out.q);
    add_fifth_bits(block + 4, out.q);
}

void read_q8_0(const uint8_t *block, int64_t, StoredGroup &out) {
    out.scale = load_u16(block);
    memcpy(out.q, block + 2, 32);
}

// d, dmin, and of the 12 bytes of six-bit numbers those of group g.
void read_nested_scales(const uint8_t *block, int64_t g, StoredGroup &out) {
    out.scale = load_u16(block);
    out.extra = load_u16(block + 2);
    const uint8_t *packed = block + 4;
    if (g < 4) {
        out.sub_scale[0] = packed[g] & 63;
        out.sub_scale[1] = packed[g + 4] & 63;
    } else {
        out.sub_scale[0] = (uint8_t)((packed[g + 4] & 15) | (packed[g - 4] >> 6) << 4);
        out.sub_scale[1] = (uint8_t)((packed[g + 4] >> 4) | (packed[g] >> 6) << 4);
    }
}

// Bytes 32 i ... 32 i + 31 hold group 2 i in their low and group 2 i + 1 in their high nibbles.
void read_paired_nibbles(const uint8_t *packed, int64_t g, uint8_t *q) {
    for (int i = 0; i < 32; ++i) q[i] = (uint8_t)(packed[g / 2 * 32 + i] >> (g % 2 * 4) & 15);
}

void read_q4_k(const uint8_t *block, int64_t g, StoredGroup &out) {
    read_nested_scales(block, g, out);
    read_paired_nibbles(block + 16, g, out.q);
}

void read_q5_k(const uint8_t *block, int64_t g, StoredGroup &out) {
    read_nested_scales(block, g, out);
    read_paired_nibbles(block + 48, g, out.q);
    for (int i = 0; i < 32; ++i) out.q[i] |= (uint8_t)((block[16 + i] >> g & 1) << 4);
}

// Two halves of 128 values: of each, 64 bytes of low nibbles (groups 0, 1 low, 2, 3 high) and 32 of two upper bits a group.
void read_q6_k(const uint8_t *block, int64_t g, StoredGroup &out) {
    const int64_t half = g / 4, quarter = g % 4;
    const uint8_t *low = block + half * 64 + quarter % 2 * 32, *high = block + 128 + half * 32;
    for (int i = 0; i < 32; ++i)
        out.q[i] = (uint8_t)((low[i] >> (quarter / 2 * 4) & 15) | (high[i] >> (2 * quarter) & 3) << 4);
    memcpy(out.sub_scale, block + 192 + 2 * g, 2);
    out.scale = load_u16(block + 208);
}

}  // namespace

const SourceType *source_type(int32_t source) {
    static const SourceType f32 = {1, 4, PIO_F32, nullptr}, f16 = {1, 2, PIO_F16, nullptr}, bf16 = {1, 2, PIO_BF16, nullptr};
    static const SourceType q4_0 = {32, 18, PIO_W4_S, read_q4_0}, q4_1 = {32, 20, PIO_W4_SM, read_q4_1};
    static const SourceType q5_0 = {32, 22, PIO_W5_S, read_q5_0}, q5_1 = {32, 24, PIO_W5_SM, read_q5_1};
    static const SourceType q8_0 = {32, 34, PIO_W8_S, read_q8_0}, q4_k = {256, 144, PIO_W4_K, read_q4_k};
    static const SourceType q5_k = {256, 176, PIO_W5_K, read_q5_k}, q6_k = {256, 210, PIO_W6_K, read_q6_k};
    switch (source) {
        case PIO_SOURCE_F32: return &f32;
        case PIO_SOURCE_F16: return &f16;
        case PIO_SOURCE_BF16: return &bf16;
        case PIO_SOURCE_Q4_0: return &q4_0;
        case PIO_SOURCE_Q4_1: return &q4_1;
        case PIO_SOURCE_Q5_0: return &q5_0;
        case PIO_SOURCE_Q5_1: return &q5_1;
        case PIO_SOURCE_Q8_0: return &q8_0;
        case PIO_SOURCE_Q4_K: return &q4_k;
        case PIO_SOURCE_Q5_K: return &q5_k;
        case PIO_SOURCE_Q6_K: return &q6_k;
        default: return nullptr;
    }
}

}  // namespace pio
