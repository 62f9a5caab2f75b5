// Readers of a checkpoint's quantized blocks, as GGUF defines them (ggml-quants.c of llama.cpp, MIT; `gguf.quants` in Python).
#pragma once
#include <stdint.h>

namespace pio {

// A run of 32 values as stored: unsigned integers and the scales that belong to them, in half precision as bits.
struct StoredGroup {
    uint8_t q[32];          // signed bytes for Q8_0
    uint16_t scale, extra;  // d and, if any, m (Q4_1, Q5_1) or dmin (Q4_K, Q5_K)
    uint8_t sub_scale[2];   // Q4_K, Q5_K: sc, m. Q6_K: sc of each half, signed.
};

struct SourceType {
    int64_t block_values;  // 1 for floats
    int64_t block_bytes;
    int32_t format;  // that holds it exactly
    void (*read)(const uint8_t *block, int64_t group, StoredGroup &out);  // null for floats
};

// Null for a number that is no source.
const SourceType *source_type(int32_t source);

}  // namespace pio
