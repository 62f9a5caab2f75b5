// Where the parts of a packed weight lie. One definition for packing, unpacking and every kernel.
//
// A weight is a sequence of blocks of 16 rows; a block is complete in itself, so that a product reads one stream:
//
//   quants of group 0, 1, ... G - 1 | scales of group 0, 1, ... G - 1 | filling up to 64 bytes
//
// Quants of a group of 32 columns: four vectors of 64 bytes, vector c holding of each row the 4 bytes of columns 4c ... 4c + 3
// in the low nibbles and of columns 16 + 4c ... 16 + 4c + 3 in the high ones (so a vector times 4 broadcast activations adds up
// per row). W5 adds one vector with the fifth bits (bit c: low column, bit 4 + c: high column), W6 two vectors with the upper
// two bits (vector c / 2, bits 2 (c & 1) and 4 + 2 (c & 1)). W8 has eight vectors of signed bytes, columns 4c ... 4c + 3.
//
// Scales of a group: S 16 f16; SM 16 f16 scales, 16 f16 minimums. K: of 8 groups [16 u8 sc, 16 u8 m] x 8, 16 f16 d, 16 f16 dmin;
// W6_K: of 8 groups [16 s8 of columns 0-15, 16 s8 of columns 16-31] x 8, 16 f16 d.
//
// Float formats: columns one after another, 16 values each.
#pragma once
#include <stdint.h>

#include "pio_native.h"

namespace pio {

constexpr int64_t kBlockRows = PIO_BLOCK_ROWS;
constexpr int64_t kGroup = PIO_GROUP;
constexpr int64_t kSuper = 8;  // groups that share d and dmin

enum class Scale { Single, WithMin, Nested };

struct Layout {
    int bits;  // 0 for float formats
    Scale scale;
    int value_bytes;  // of float formats
};

// False for a number that is no format.
static inline bool layout_of(int32_t format, Layout &layout) {
    switch (format) {
        case PIO_F32: layout = {0, Scale::Single, 4}; return true;
        case PIO_F16:
        case PIO_BF16: layout = {0, Scale::Single, 2}; return true;
        case PIO_W4_S: layout = {4, Scale::Single, 0}; return true;
        case PIO_W4_SM: layout = {4, Scale::WithMin, 0}; return true;
        case PIO_W4_K: layout = {4, Scale::Nested, 0}; return true;
        case PIO_W5_S: layout = {5, Scale::Single, 0}; return true;
        case PIO_W5_SM: layout = {5, Scale::WithMin, 0}; return true;
        case PIO_W5_K: layout = {5, Scale::Nested, 0}; return true;
        case PIO_W6_K: layout = {6, Scale::Nested, 0}; return true;
        case PIO_W8_S: layout = {8, Scale::Single, 0}; return true;
        default: return false;
    }
}

constexpr int64_t group_quant_bytes(int bits) { return 64 * bits; }

// Bytes of scales per group (Single, WithMin) or per super-group of 8 (Nested).
constexpr int64_t scale_bytes(int bits, Scale scale) {
    return scale == Scale::Single ? 32 : scale == Scale::WithMin ? 64 : bits == 6 ? kSuper * 32 + 32 : kSuper * 32 + 64;
}

constexpr int64_t scales_per_block(int bits, Scale scale, int64_t groups) {
    return scale_bytes(bits, scale) * (scale == Scale::Nested ? groups / kSuper : groups);
}

constexpr int64_t align64(int64_t n) { return (n + 63) / 64 * 64; }

constexpr int64_t quant_block_bytes(int bits, Scale scale, int64_t groups) {
    return align64(groups * group_quant_bytes(bits) + scales_per_block(bits, scale, groups));
}

static inline int64_t block_bytes(const Layout &layout, int64_t columns) {
    if (!layout.bits) return align64(columns * kBlockRows * layout.value_bytes);
    return quant_block_bytes(layout.bits, layout.scale, columns / kGroup);
}

static inline int64_t blocks_of(int64_t rows) { return (rows + kBlockRows - 1) / kBlockRows; }

}  // namespace pio
