// Norms, rotary embedding, gates and sums over rows of float32. Included once per instruction set.
#pragma once
#include "../kernels.h"

namespace pio {
namespace PIO_NS {

// e^x: range reduction by ln 2 and a polynomial of degree 5, as in Cephes' expf (S. Moshier, netlib.org/cephes). Below -87.3 the
// result is 0, above 88.3 infinity; NaN stays NaN. Relative error below 2e-7.
static inline Floats exponential(Floats x) {
    const Floats low = broadcast(-87.3f), high = broadcast(88.3f);
    const Floats bounded = max_or_second(low, min_or_second(high, x));
    const Ints n = round_to_ints(mul(bounded, broadcast(1.44269504088896341f)));
    const Floats whole = to_floats(n);
    Floats r = fma(whole, broadcast(-0.693359375f), bounded);
    r = fma(whole, broadcast(2.12194440e-4f), r);
    Floats p = broadcast(1.9875691500e-4f);
    p = fma(p, r, broadcast(1.3981999507e-3f));
    p = fma(p, r, broadcast(8.3334519073e-3f));
    p = fma(p, r, broadcast(4.1665795894e-2f));
    p = fma(p, r, broadcast(1.6666665459e-1f));
    p = fma(p, r, broadcast(5.0000001201e-1f));
    p = add(fma(p, mul(r, r), r), broadcast(1.0f));
    p = mul(p, as_floats(shift_left<23>(add_int(n, broadcast_int(127)))));
    p = select_less(x, low, broadcast(0.0f), p);
    return select_less(high, x, broadcast(float_of_bits(0x7f800000)), p);
}

// cap * tanh(x / cap) as cap - 2 cap / (e^(2 x / cap) + 1).
static inline Floats soft_cap(Floats x, float cap) {
    const Floats e = exponential(mul(x, broadcast(2.0f / cap)));
    return sub(broadcast(cap), div(broadcast(2.0f * cap), add(e, broadcast(1.0f))));
}

// Calls body(load, store) for every register of a row; the end of a row that fills no register goes through a copy.
template <class Body> static inline void for_each_register(int64_t width, Body body) {
    int64_t i = 0;
    for (; i + kLanes <= width; i += kLanes) body(i, (int64_t)kLanes);
    if (i < width) body(i, width - i);
}
static inline Floats load_some(const float *p, int64_t n) {
    if (n == kLanes) return load(p);
    float values[kLanes] = {0};
    for (int64_t i = 0; i < n; ++i) values[i] = p[i];
    return load(values);
}
static inline void store_some(float *p, Floats x, int64_t n) {
    if (n == kLanes) return store(p, x);
    float values[kLanes];
    store(values, x);
    for (int64_t i = 0; i < n; ++i) p[i] = values[i];
}

static void rms_norm(const float *x, const float *weight, float *out, int64_t width, float epsilon) {
    Floats squares = broadcast(0.0f);
    for_each_register(width, [&](int64_t i, int64_t n) {
        const Floats value = load_some(x + i, n);
        squares = fma(value, value, squares);
    });
    const Floats factor = broadcast(1.0f / __builtin_sqrtf(sum(squares) / (float)width + epsilon));
    for_each_register(width, [&](int64_t i, int64_t n) {
        store_some(out + i, mul(mul(load_some(x + i, n), factor), load_some(weight + i, n)), n);
    });
}

static void rotate(float *x, const float *cosines, const float *sines, int64_t pairs, int32_t pairing) {
    if (pairing == PIO_PAIR_INTERLEAVED) {
        for (int64_t i = 0; i < pairs; ++i) {
            const float a = x[2 * i], b = x[2 * i + 1];
            x[2 * i] = a * cosines[i] - b * sines[i];
            x[2 * i + 1] = b * cosines[i] + a * sines[i];
        }
        return;
    }
    for_each_register(pairs, [&](int64_t i, int64_t n) {
        const Floats a = load_some(x + i, n), b = load_some(x + pairs + i, n);
        const Floats cosine = load_some(cosines + i, n), sine = load_some(sines + i, n);
        store_some(x + i, sub(mul(a, cosine), mul(b, sine)), n);
        store_some(x + pairs + i, add(mul(b, cosine), mul(a, sine)), n);
    });
}

// SiLU: x / (1 + e^-x). GELU's tanh form is x / (1 + e^(-2u)), u = sqrt(2 / pi) (x + 0.044715 x^3), since
// (1 + tanh u) / 2 = 1 / (1 + e^(-2u)).
static inline Floats activate(Floats x, int32_t activation) {
    Floats exponent = sub(broadcast(0.0f), x);
    if (activation == PIO_GELU_TANH) {
        const Floats inner = fma(mul(mul(x, x), x), broadcast(0.044715f), x);
        exponent = mul(inner, broadcast(-1.5957691216057308f));
    }
    return div(x, add(broadcast(1.0f), exponential(exponent)));
}

static void gate(const float *gates, const float *up, float *out, int64_t width, int32_t activation) {
    for_each_register(width, [&](int64_t i, int64_t n) {
        store_some(out + i, mul(activate(load_some(gates + i, n), activation), load_some(up + i, n)), n);
    });
}

static void add_scaled(const float *x, float *out, int64_t width, float factor) {
    for_each_register(width, [&](int64_t i, int64_t n) {
        store_some(out + i, fma(load_some(x + i, n), broadcast(factor), load_some(out + i, n)), n);
    });
}

static void scale(float *x, int64_t width, float factor) {
    for_each_register(width, [&](int64_t i, int64_t n) { store_some(x + i, mul(load_some(x + i, n), broadcast(factor)), n); });
}

static void softcap(float *x, int64_t width, float cap) {
    for_each_register(width, [&](int64_t i, int64_t n) { store_some(x + i, soft_cap(load_some(x + i, n), cap), n); });
}

}  // namespace PIO_NS
}  // namespace pio
