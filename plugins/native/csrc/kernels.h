// What every instruction set provides: a table of functions over plain arguments, and those arguments.
#pragma once
#include <stdint.h>

#include "layout.h"

namespace pio {

constexpr int64_t kPagePlaces = PIO_PAGE_TOKENS;
constexpr int64_t kPlaceBlock = 16;  // tokens whose keys are interleaved
constexpr int kQueryTile = 4;        // queries that share one pass over the cache
constexpr int64_t kMaxHeadWidth = 512;
constexpr int64_t kHalfGroup = kGroup / 2;

// Activations of `tokens` tokens, quantized in groups of 32 columns and stored for tiles of `tile` tokens (the kernels'
// tile_tokens; the last tile may be narrower): a tile of w tokens that starts at token t lies at q + t * columns as
// [group][8][w][4 columns] and in the other arrays, at t * groups, as [group][w].
struct Activations {
    int8_t *q;
    float *scales;
    float *scaled_sums;  // scale * sum, for minimums
    int32_t *sums;       // of q over the group
    int32_t *half_sums;  // of q over its first 16 columns
    int64_t tokens;
    int64_t columns;
};

// out[t, row] for rows of blocks [first_block, last_block); `x` for float formats, `activations` for quantized ones.
struct ProductArgs {
    const uint8_t *weight;
    int64_t block_bytes;
    int64_t rows, columns;
    int64_t first_block, last_block;
    const Activations *activations;
    const float *x;
    int64_t x_stride;
    int64_t tokens;
    const float *bias;  // of all rows, or null
    float *out;
    int64_t out_stride;
};

// Pages of one layer of one sequence. A page holds for each key head: keys, [256 / 16][C][16] (so that one load covers 16
// places), then values, [256][C].
struct CacheView {
    void *const *pages;
    int64_t ring;  // absolute page a is at pages[a % ring]; 0: at pages[a]
    int64_t width;
    bool is_half;

    inline void *keys(int64_t page, int64_t kv_head) const {
        const int64_t element = is_half ? 2 : 4, index = ring ? page % ring : page;
        return (char *)pages[index] + kv_head * 2 * kPagePlaces * width * element;
    }
    inline void *values(int64_t page, int64_t kv_head) const {
        return (char *)keys(page, kv_head) + kPagePlaces * width * (is_half ? 2 : 4);
    }
};

// Queries of one key head: `tokens` consecutive tokens from `first_position`, `group` query heads each.
struct AttentionArgs {
    CacheView cache;
    int64_t kv_head;
    int64_t first_position, tokens;
    int64_t group;
    const float *q;  // of the first token's first head of the group
    int64_t q_stride;
    float *out;
    int64_t out_stride;
    int64_t window;  // 0: none
    float scale, softcap;
    float *scratch;  // attention_scratch_floats(width)
    // One page of a single token: where its partial results go, [group][width + 2]. Null: all pages, to `out`.
    float *partial;
    int64_t page;
};

// Floats that one query of one page leaves behind: its sum of weighted values, greatest score and sum of weights.
constexpr int64_t partial_floats(int64_t width) { return width + 2; }

constexpr int64_t attention_scratch_floats(int64_t width) {
    return kQueryTile * (2 * width + kPagePlaces) + 16 * kQueryTile;
}

struct Kernels {
    int32_t isa;
    int tile_tokens;
    // Null for a format that is none.
    void (*product[PIO_W8_S + 1])(const ProductArgs &args);
    void (*quantize)(const float *x, int64_t token, const Activations &target);
    void (*rms_norm)(const float *x, const float *weight, float *out, int64_t width, float epsilon);
    void (*rotate)(float *x, const float *cosines, const float *sines, int64_t pairs, int32_t pairing);
    void (*gate)(const float *gate, const float *up, float *out, int64_t width, int32_t activation);
    void (*add_scaled)(const float *x, float *out, int64_t width, float scale);
    void (*scale)(float *x, int64_t width, float scale);
    void (*softcap)(float *x, int64_t width, float cap);
    void (*append)(const CacheView &cache, int64_t kv_head, int64_t position, const float *key, const float *value);
    void (*attend)(const AttentionArgs &args);
    // Folds the partial results of `pages` pages of one query, `stride` floats apart, as attend() would have.
    void (*fold_pages)(const float *partial, int64_t pages, int64_t stride, int64_t width, float *out);
};

const Kernels *plain_kernels();
#if defined(__x86_64__)
const Kernels *avx2_kernels();
const Kernels *avx512_kernels();
const Kernels *avx512vnni_kernels();
#elif defined(__aarch64__)
const Kernels *neon_kernels();
#endif

}  // namespace pio
