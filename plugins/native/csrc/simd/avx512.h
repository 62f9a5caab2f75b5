// Sixteen lanes in one register. Built twice: with PIO_VNNI the int8 dot product is one instruction.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace pio {
namespace PIO_NS {

constexpr int kLanes = 16;
constexpr int kTileTokens = 8;   // tokens whose sums a tile keeps in registers
constexpr int kTileParts = 1;    // registers of rows in a tile of several tokens
constexpr int kScoreBlocks = 2;  // blocks of 16 cache places scored at once
constexpr int kStrip = 4;        // registers of a value row in the weighted sum

using Floats = __m512;
using Ints = __m512i;
using Bytes = __m512i;  // 16 rows of 4 bytes

static inline Floats load(const float *p) { return _mm512_loadu_ps(p); }
static inline void store(float *p, Floats x) { _mm512_storeu_ps(p, x); }
static inline Floats broadcast(float x) { return _mm512_set1_ps(x); }
static inline Floats add(Floats a, Floats b) { return _mm512_add_ps(a, b); }
static inline Floats sub(Floats a, Floats b) { return _mm512_sub_ps(a, b); }
static inline Floats mul(Floats a, Floats b) { return _mm512_mul_ps(a, b); }
static inline Floats div(Floats a, Floats b) { return _mm512_div_ps(a, b); }
static inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }
// Both return b where either is NaN.
static inline Floats max_or_second(Floats a, Floats b) { return _mm512_max_ps(a, b); }
static inline Floats min_or_second(Floats a, Floats b) { return _mm512_min_ps(a, b); }
static inline Floats select_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), no, yes);
}
static inline float sum(Floats x) { return _mm512_reduce_add_ps(x); }

static inline Floats load_half(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline void store_half(uint16_t *p, Floats x) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
static inline Floats load_bf16(const uint16_t *p) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p)), 16));
}

static inline Ints broadcast_int(int32_t x) { return _mm512_set1_epi32(x); }
static inline Ints add_int(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
static inline Ints sub_int(Ints a, Ints b) { return _mm512_sub_epi32(a, b); }
static inline Ints max_int(Ints a, Ints b) { return _mm512_max_epi32(a, b); }
template <int Bits> static inline Ints shift_left(Ints a) { return _mm512_slli_epi32(a, Bits); }
static inline Floats to_floats(Ints a) { return _mm512_cvtepi32_ps(a); }
static inline Ints round_to_ints(Floats a) { return _mm512_cvtps_epi32(a); }
static inline Floats as_floats(Ints a) { return _mm512_castsi512_ps(a); }
static inline Ints magnitude_bits(Floats a) { return _mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0x7fffffff)); }
static inline int32_t largest(Ints a) { return _mm512_reduce_max_epi32(a); }
static inline int32_t total(Ints a) { return _mm512_reduce_add_epi32(a); }
static inline void store_int8(int8_t *p, Ints a) { _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(a)); }
static inline Ints load_u8(const uint8_t *p) { return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)); }
static inline Ints load_s8(const int8_t *p) { return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)); }

static inline Bytes load_bytes(const uint8_t *p) { return _mm512_loadu_si512((const void *)p); }
static inline Bytes low_nibbles(Bytes w) { return _mm512_and_si512(w, _mm512_set1_epi8(15)); }
static inline Bytes high_nibbles(Bytes w) { return _mm512_and_si512(_mm512_srli_epi16(w, 4), _mm512_set1_epi8(15)); }
static inline Bytes join(Bytes a, Bytes b) { return _mm512_or_si512(a, b); }
// The bits of `mask` after a shift to the left (negative: to the right).
template <int Shift> static inline Bytes field(Bytes w, uint8_t mask) {
    const Bytes moved = Shift >= 0 ? _mm512_slli_epi16(w, Shift >= 0 ? Shift : 0) : _mm512_srli_epi16(w, Shift < 0 ? -Shift : 0);
    return _mm512_and_si512(moved, _mm512_set1_epi8((char)mask));
}
static inline Bytes quad(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, 4);
    return _mm512_set1_epi32(four);
}

#if defined(PIO_VNNI)
template <int Bits> struct Dot {
    Ints wide = _mm512_setzero_si512();
    // W8 is signed and vpdpbusd takes unsigned weights: q + 128, mended by finish().
    inline void add(Bytes w, Bytes x) {
        wide = _mm512_dpbusd_epi32(wide, Bits == 8 ? _mm512_xor_si512(w, _mm512_set1_epi8((char)0x80)) : w, x);
    }
    inline void pair_done(int) {}
    inline Ints finish(int32_t sum) const {
        return Bits == 8 ? _mm512_sub_epi32(wide, _mm512_set1_epi32(sum * 128)) : wide;
    }
};
#else
template <int Bits> struct Dot {
    // Products are added in 16 bits as long as they cannot overflow (|x| <= 127): 16 of 4 bits, 8 of 5 bits, 4 of 6 bits.
    Ints wide = _mm512_setzero_si512(), narrow = _mm512_setzero_si512();
    inline void add(Bytes w, Bytes x) {
        if (Bits == 8) {
            const __mmask64 negative = _mm512_movepi8_mask(w);
            const Bytes turned = _mm512_mask_sub_epi8(x, negative, _mm512_setzero_si512(), x);
            narrow = _mm512_maddubs_epi16(_mm512_abs_epi8(w), turned);
            flush();
        } else {
            narrow = _mm512_add_epi16(narrow, _mm512_maddubs_epi16(w, x));
        }
    }
    inline void flush() {
        wide = _mm512_add_epi32(wide, _mm512_madd_epi16(narrow, _mm512_set1_epi16(1)));
        narrow = _mm512_setzero_si512();
    }
    inline void pair_done(int pair) {
        if ((Bits == 5 || Bits == 6) && (pair & 1)) flush();
    }
    inline Ints finish(int32_t) const {
        return Bits == 4 ? _mm512_madd_epi16(narrow, _mm512_set1_epi16(1)) : wide;
    }
};
#endif

static inline void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

}  // namespace PIO_NS
}  // namespace pio
