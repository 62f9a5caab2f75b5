// Eight lanes: AVX2 with FMA and F16C.
#pragma once
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

namespace pio {
namespace PIO_NS {

constexpr int kLanes = 8;
constexpr int kTileTokens = 6;
constexpr int kTileParts = 1;    // registers of rows in a tile of several tokens
constexpr int kScoreBlocks = 1;
constexpr int kStrip = 2;

using Floats = __m256;
using Ints = __m256i;
using Bytes = __m256i;  // 8 rows of 4 bytes

static inline Floats load(const float *p) { return _mm256_loadu_ps(p); }
static inline void store(float *p, Floats x) { _mm256_storeu_ps(p, x); }
static inline Floats broadcast(float x) { return _mm256_set1_ps(x); }
static inline Floats add(Floats a, Floats b) { return _mm256_add_ps(a, b); }
static inline Floats sub(Floats a, Floats b) { return _mm256_sub_ps(a, b); }
static inline Floats mul(Floats a, Floats b) { return _mm256_mul_ps(a, b); }
static inline Floats div(Floats a, Floats b) { return _mm256_div_ps(a, b); }
static inline Floats fma(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a, b, c); }
static inline Floats max_or_second(Floats a, Floats b) { return _mm256_max_ps(a, b); }
static inline Floats min_or_second(Floats a, Floats b) { return _mm256_min_ps(a, b); }
static inline Floats select_less(Floats a, Floats b, Floats yes, Floats no) {
    return _mm256_blendv_ps(no, yes, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}
static inline float sum(Floats x) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline Floats load_half(const uint16_t *p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)); }
static inline void store_half(uint16_t *p, Floats x) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT));
}
static inline Floats load_bf16(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}

static inline Ints broadcast_int(int32_t x) { return _mm256_set1_epi32(x); }
static inline Ints add_int(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
static inline Ints sub_int(Ints a, Ints b) { return _mm256_sub_epi32(a, b); }
static inline Ints max_int(Ints a, Ints b) { return _mm256_max_epi32(a, b); }
template <int Bits> static inline Ints shift_left(Ints a) { return _mm256_slli_epi32(a, Bits); }
static inline Floats to_floats(Ints a) { return _mm256_cvtepi32_ps(a); }
static inline Ints round_to_ints(Floats a) { return _mm256_cvtps_epi32(a); }
static inline Floats as_floats(Ints a) { return _mm256_castsi256_ps(a); }
static inline Ints magnitude_bits(Floats a) { return _mm256_and_si256(_mm256_castps_si256(a), _mm256_set1_epi32(0x7fffffff)); }
static inline int32_t largest(Ints a) {
    __m128i m = _mm_max_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}
static inline int32_t total(Ints a) {
    __m128i m = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    m = _mm_add_epi32(m, _mm_shuffle_epi32(m, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(m, _mm_shuffle_epi32(m, 0xb1)));
}
static inline void store_int8(int8_t *p, Ints a) {
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(words, words));
}
static inline Ints load_u8(const uint8_t *p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)); }
static inline Ints load_s8(const int8_t *p) { return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)); }

static inline Bytes load_bytes(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline Bytes low_nibbles(Bytes w) { return _mm256_and_si256(w, _mm256_set1_epi8(15)); }
static inline Bytes high_nibbles(Bytes w) { return _mm256_and_si256(_mm256_srli_epi16(w, 4), _mm256_set1_epi8(15)); }
static inline Bytes join(Bytes a, Bytes b) { return _mm256_or_si256(a, b); }
template <int Shift> static inline Bytes field(Bytes w, uint8_t mask) {
    const Bytes moved = Shift >= 0 ? _mm256_slli_epi16(w, Shift >= 0 ? Shift : 0) : _mm256_srli_epi16(w, Shift < 0 ? -Shift : 0);
    return _mm256_and_si256(moved, _mm256_set1_epi8((char)mask));
}
static inline Bytes quad(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, 4);
    return _mm256_set1_epi32(four);
}

// Keeps a sum where it is: compilers put off the additions of a whole group otherwise, and run out of registers.
static inline void pin(Ints &x) { __asm__("" : "+x"(x)); }

template <int Bits> struct Dot {
    // Products are added in 16 bits as long as they cannot overflow (|x| <= 127): 16 of 4 bits, 8 of 5 bits, 4 of 6 bits.
    // Signed bytes go as |w| times x with w's sign: 128 * 127 * 2 just fits.
    Ints wide = _mm256_setzero_si256(), narrow = _mm256_setzero_si256();
    inline void add(Bytes w, Bytes x) {
        if (Bits == 8) {
            narrow = _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));
            flush();
        } else {
            narrow = _mm256_add_epi16(narrow, _mm256_maddubs_epi16(w, x));
            pin(narrow);
        }
    }
    inline void flush() {
        wide = _mm256_add_epi32(wide, _mm256_madd_epi16(narrow, _mm256_set1_epi16(1)));
        narrow = _mm256_setzero_si256();
    }
    inline void pair_done(int pair) {
        if ((Bits == 5 || Bits == 6) && (pair & 1)) flush();
    }
    inline Ints finish(int32_t) const {
        return Bits == 4 ? _mm256_madd_epi16(narrow, _mm256_set1_epi16(1)) : wide;
    }
};

static inline void prefetch(const void *p) { _mm_prefetch((const char *)p, _MM_HINT_T0); }

}  // namespace PIO_NS
}  // namespace pio
