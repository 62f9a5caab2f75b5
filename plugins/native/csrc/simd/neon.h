// Four lanes: ARMv8.2 with the dot product and half-precision conversions.
#pragma once
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

namespace pio {
namespace PIO_NS {

constexpr int kLanes = 4;
constexpr int kTileTokens = 4;
constexpr int kTileParts = 1;    // registers of rows in a tile of several tokens
constexpr int kScoreBlocks = 1;
constexpr int kStrip = 4;

using Floats = float32x4_t;
using Ints = int32x4_t;
using Bytes = int8x16_t;  // 4 rows of 4 bytes; every stored value fits a signed byte

static inline Floats load(const float *p) { return vld1q_f32(p); }
static inline void store(float *p, Floats x) { vst1q_f32(p, x); }
static inline Floats broadcast(float x) { return vdupq_n_f32(x); }
static inline Floats add(Floats a, Floats b) { return vaddq_f32(a, b); }
static inline Floats sub(Floats a, Floats b) { return vsubq_f32(a, b); }
static inline Floats mul(Floats a, Floats b) { return vmulq_f32(a, b); }
static inline Floats div(Floats a, Floats b) { return vdivq_f32(a, b); }
static inline Floats fma(Floats a, Floats b, Floats c) { return vfmaq_f32(c, a, b); }
static inline Floats select_less(Floats a, Floats b, Floats yes, Floats no) { return vbslq_f32(vcltq_f32(a, b), yes, no); }
static inline Floats max_or_second(Floats a, Floats b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
static inline Floats min_or_second(Floats a, Floats b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline float sum(Floats x) { return vaddvq_f32(x); }

static inline Floats load_half(const uint16_t *p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
static inline void store_half(uint16_t *p, Floats x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
static inline Floats load_bf16(const uint16_t *p) { return vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p), 16)); }

static inline Ints broadcast_int(int32_t x) { return vdupq_n_s32(x); }
static inline Ints add_int(Ints a, Ints b) { return vaddq_s32(a, b); }
static inline Ints sub_int(Ints a, Ints b) { return vsubq_s32(a, b); }
static inline Ints max_int(Ints a, Ints b) { return vmaxq_s32(a, b); }
template <int Bits> static inline Ints shift_left(Ints a) { return vshlq_n_s32(a, Bits); }
static inline Floats to_floats(Ints a) { return vcvtq_f32_s32(a); }
static inline Ints round_to_ints(Floats a) { return vcvtnq_s32_f32(a); }
static inline Floats as_floats(Ints a) { return vreinterpretq_f32_s32(a); }
static inline Ints magnitude_bits(Floats a) { return vandq_s32(vreinterpretq_s32_f32(a), vdupq_n_s32(0x7fffffff)); }
static inline int32_t largest(Ints a) { return vmaxvq_s32(a); }
static inline int32_t total(Ints a) { return vaddvq_s32(a); }
static inline void store_int8(int8_t *p, Ints a) {
    const int16x4_t words = vmovn_s32(a);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
    const uint32_t four = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);
    memcpy(p, &four, 4);
}
static inline Ints load_u8(const uint8_t *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(four))))));
}
static inline Ints load_s8(const int8_t *p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(four)))));
}

static inline Bytes load_bytes(const uint8_t *p) { return vld1q_s8((const int8_t *)p); }
static inline Bytes low_nibbles(Bytes w) { return vandq_s8(w, vdupq_n_s8(15)); }
static inline Bytes high_nibbles(Bytes w) { return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(w), 4)); }
static inline Bytes join(Bytes a, Bytes b) { return vorrq_s8(a, b); }
template <int Shift> static inline Bytes field(Bytes w, uint8_t mask) {
    // The general shift takes negative counts; its immediate form does not take 0 to the right.
    const uint8x16_t moved = vshlq_u8(vreinterpretq_u8_s8(w), vdupq_n_s8(Shift));
    return vreinterpretq_s8_u8(vandq_u8(moved, vdupq_n_u8(mask)));
}
static inline Bytes quad(const int8_t *x) {
    int32_t four;
    memcpy(&four, x, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

template <int Bits> struct Dot {
    Ints wide = vdupq_n_s32(0);
    inline void add(Bytes w, Bytes x) { wide = vdotq_s32(wide, w, x); }
    inline void pair_done(int) {}
    inline Ints finish(int32_t) const { return wide; }
};

static inline void prefetch(const void *p) { __builtin_prefetch(p); }

}  // namespace PIO_NS
}  // namespace pio
