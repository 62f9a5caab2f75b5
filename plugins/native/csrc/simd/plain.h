// Four lanes by the compiler's own vectors: any CPU. Multiply-add rounds twice here, once elsewhere.
#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../scalar.h"

namespace pio {
namespace PIO_NS {

constexpr int kLanes = 4;
constexpr int kTileTokens = 2;
constexpr int kTileParts = 1;    // registers of rows in a tile of several tokens
constexpr int kScoreBlocks = 1;
constexpr int kStrip = 2;

typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));
typedef uint32_t UnsignedInts __attribute__((vector_size(16)));
typedef uint8_t Bytes __attribute__((vector_size(16)));  // 4 rows of 4 bytes

static inline Floats load(const float *p) {
    Floats x;
    memcpy(&x, p, sizeof x);
    return x;
}
static inline void store(float *p, Floats x) { memcpy(p, &x, sizeof x); }
static inline Floats broadcast(float x) { return Floats{x, x, x, x}; }
static inline Floats add(Floats a, Floats b) { return a + b; }
static inline Floats sub(Floats a, Floats b) { return a - b; }
static inline Floats mul(Floats a, Floats b) { return a * b; }
static inline Floats div(Floats a, Floats b) { return a / b; }
static inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
static inline Floats select_less(Floats a, Floats b, Floats yes, Floats no) { return a < b ? yes : no; }
static inline Floats max_or_second(Floats a, Floats b) { return a > b ? a : b; }
static inline Floats min_or_second(Floats a, Floats b) { return a < b ? a : b; }
static inline float sum(Floats x) { return (x[0] + x[2]) + (x[1] + x[3]); }

static inline Floats load_half(const uint16_t *p) {
    return Floats{float_of_half(p[0]), float_of_half(p[1]), float_of_half(p[2]), float_of_half(p[3])};
}
static inline void store_half(uint16_t *p, Floats x) {
    for (int i = 0; i < kLanes; ++i) p[i] = half_of_float(x[i]);
}
static inline Floats load_bf16(const uint16_t *p) {
    return Floats{float_of_bfloat(p[0]), float_of_bfloat(p[1]), float_of_bfloat(p[2]), float_of_bfloat(p[3])};
}

static inline Ints broadcast_int(int32_t x) { return Ints{x, x, x, x}; }
static inline Ints add_int(Ints a, Ints b) { return a + b; }
static inline Ints sub_int(Ints a, Ints b) { return a - b; }
static inline Ints max_int(Ints a, Ints b) { return a > b ? a : b; }
// By unsigned numbers, for which nothing overflows: what a NaN was rounded to goes this way too.
template <int Bits> static inline Ints shift_left(Ints a) { return (Ints)((UnsignedInts)a << Bits); }
static inline Floats to_floats(Ints a) { return __builtin_convertvector(a, Floats); }
// Callers keep |a| below 2^22, so adding 1.5 * 2^23 rounds to nearest even and leaves the integer in the last bits. A NaN gives
// any number, where a conversion would be undefined.
static inline Ints round_to_ints(Floats a) {
    const Floats magic = broadcast(12582912.0f);
    return (Ints)(a + magic) - (Ints)magic;
}
static inline Floats as_floats(Ints a) { return (Floats)a; }
static inline Ints magnitude_bits(Floats a) { return (Ints)a & 0x7fffffff; }
static inline int32_t largest(Ints a) {
    int32_t best = a[0];
    for (int i = 1; i < kLanes; ++i) best = a[i] > best ? a[i] : best;
    return best;
}
static inline int32_t total(Ints a) { return a[0] + a[1] + a[2] + a[3]; }
static inline void store_int8(int8_t *p, Ints a) {
    for (int i = 0; i < kLanes; ++i) p[i] = (int8_t)a[i];
}
static inline Ints load_u8(const uint8_t *p) { return Ints{p[0], p[1], p[2], p[3]}; }
static inline Ints load_s8(const int8_t *p) { return Ints{p[0], p[1], p[2], p[3]}; }

static inline Bytes load_bytes(const uint8_t *p) {
    Bytes w;
    memcpy(&w, p, sizeof w);
    return w;
}
static inline Bytes low_nibbles(Bytes w) { return w & 15; }
static inline Bytes high_nibbles(Bytes w) { return w >> 4; }
static inline Bytes join(Bytes a, Bytes b) { return a | b; }
template <int Shift> static inline Bytes field(Bytes w, uint8_t mask) {
    return (Shift >= 0 ? w << (Shift >= 0 ? Shift : 0) : w >> (Shift < 0 ? -Shift : 0)) & mask;
}
static inline Bytes quad(const int8_t *x) {
    Bytes four;
    for (int i = 0; i < 16; ++i) four[i] = (uint8_t)x[i & 3];
    return four;
}

typedef int16_t Shorts __attribute__((vector_size(16)));
typedef uint16_t UnsignedShorts __attribute__((vector_size(16)));

// Every second byte, as 16-bit numbers: shifting a pair of bytes up and down again spreads the sign of the lower one.
static inline Shorts even_bytes(Bytes w) { return (Shorts)((UnsignedShorts)w << 8) >> 8; }
static inline Shorts odd_bytes(Bytes w) { return (Shorts)w >> 8; }

template <int Bits> struct Dot {
    // Products are added in 16 bits as long as they cannot overflow (|x| <= 127): 16 of 4 bits, 8 of 5 bits, 4 of 6 bits, 2 of 8.
    Shorts narrow = {0};
    Ints wide = {0};
    inline void add(Bytes w, Bytes x) {
        narrow += even_bytes(w) * even_bytes(x) + odd_bytes(w) * odd_bytes(x);
        if (Bits == 8) flush();
    }
    inline void flush() {
        wide += pairs();
        narrow = Shorts{0};
    }
    inline Ints pairs() const { return ((Ints)((UnsignedInts)narrow << 16) >> 16) + ((Ints)narrow >> 16); }
    inline void pair_done(int pair) {
        if ((Bits == 5 || Bits == 6) && (pair & 1)) flush();
    }
    inline Ints finish(int32_t) const { return Bits == 4 ? pairs() : wide; }
};

static inline void prefetch(const void *p) { __builtin_prefetch(p); }

}  // namespace PIO_NS
}  // namespace pio
