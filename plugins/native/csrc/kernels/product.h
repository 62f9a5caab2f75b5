// Quantized weights times quantized activations. Included once per instruction set.
//
// A tile is P registers of rows times T tokens. Per group of 32 columns the integer dot product is exact; groups are added in
// float32, one after another, with the same operations for every tile shape: a token's result does not depend on the others.
#pragma once
#include "../kernels.h"

namespace pio {
namespace PIO_NS {

// Columns 4c ... 4c + 3 and 16 + 4c ... 16 + 4c + 3 of a group, for the rows from byte `at` of each vector on.
template <int Bits, int C> static inline void load_pair(const uint8_t *quants, int64_t at, Bytes &low, Bytes &high) {
    if constexpr (Bits == 8) {
        low = load_bytes(quants + C * 64 + at);
        high = load_bytes(quants + (C + 4) * 64 + at);
        return;
    }
    const Bytes w = load_bytes(quants + C * 64 + at);
    low = low_nibbles(w);
    high = high_nibbles(w);
    if constexpr (Bits == 5) {
        const Bytes fifth = load_bytes(quants + 256 + at);
        low = join(low, field<4 - C>(fifth, 0x10));
        high = join(high, field<-C>(fifth, 0x10));
    }
    if constexpr (Bits == 6) {
        const Bytes upper = load_bytes(quants + 256 + (C >> 1) * 64 + at);
        low = join(low, field<4 - 2 * (C & 1)>(upper, 0x30));
        high = join(high, field<-2 * (C & 1)>(upper, 0x30));
    }
}

// The integer part of one group: dots of all 32 columns in `low`, or, where two scales share a group, of each half.
template <int Bits, int T, int P> struct GroupDots {
    static constexpr bool kHalves = Bits == 6;
    Dot<Bits> low[P][T];
    Dot<Bits> high[P][kHalves ? T : 1];

    template <int C> inline void add_pair(const uint8_t *quants, int64_t at, const int8_t *x) {
        Bytes w_low[P], w_high[P];
        for (int p = 0; p < P; ++p) load_pair<Bits, C>(quants, at + p * kLanes * 4, w_low[p], w_high[p]);
        for (int t = 0; t < T; ++t) {
            const Bytes x_low = quad(x + (C * T + t) * 4), x_high = quad(x + ((C + 4) * T + t) * 4);
            for (int p = 0; p < P; ++p) {
                low[p][t].add(w_low[p], x_low);
                if constexpr (kHalves) {
                    high[p][t].add(w_high[p], x_high);
                    high[p][t].pair_done(C);
                } else {
                    low[p][t].add(w_high[p], x_high);
                }
                low[p][t].pair_done(C);
            }
        }
    }
    inline void add_group(const uint8_t *quants, int64_t at, const int8_t *x) {
        add_pair<0>(quants, at, x);
        add_pair<1>(quants, at, x);
        add_pair<2>(quants, at, x);
        add_pair<3>(quants, at, x);
    }
};

// Scales and minimums of the rows of one register in group `g`.
template <int Bits, Scale Kind> struct GroupScales {
    Floats scale, second, minimum;  // second: of columns 16 to 31 (W6); minimum: to add (WithMin) or to take away (Nested)

    inline GroupScales(const uint8_t *scales, int64_t g, int row) {
        if constexpr (Kind == Scale::Single) {
            scale = load_half((const uint16_t *)(scales + g * 32) + row);
        } else if constexpr (Kind == Scale::WithMin) {
            scale = load_half((const uint16_t *)(scales + g * 64) + row);
            minimum = load_half((const uint16_t *)(scales + g * 64 + 32) + row);
        } else {
            const uint8_t *nest = scales + g / kSuper * scale_bytes(Bits, Kind), *own = nest + g % kSuper * 32;
            const uint16_t *shared = (const uint16_t *)(nest + kSuper * 32);
            const Floats d = load_half(shared + row);
            if constexpr (Bits == 6) {
                scale = mul(d, to_floats(load_s8((const int8_t *)own + row)));
                second = mul(d, to_floats(load_s8((const int8_t *)own + 16 + row)));
            } else {
                scale = mul(d, to_floats(load_u8(own + row)));
                minimum = mul(load_half(shared + 16 + row), to_floats(load_u8(own + 16 + row)));
            }
        }
    }
};

template <int Bits, Scale Kind, int T, int P>
static inline void add_scaled_group(const GroupDots<Bits, T, P> &dots, const GroupScales<Bits, Kind> &scales, int p, int t,
                                    const Activations &x, int64_t at, Floats &sum) {
    const Floats x_scale = broadcast(x.scales[at]);
    if constexpr (Bits == 6) {
        const int32_t first = x.half_sums[at], rest = x.sums[at] - first;
        const Ints low = sub_int(dots.low[p][t].finish(first), broadcast_int(first * 32));
        const Ints high = sub_int(dots.high[p][t].finish(rest), broadcast_int(rest * 32));
        sum = fma(mul(to_floats(low), x_scale), scales.scale, sum);
        sum = fma(mul(to_floats(high), x_scale), scales.second, sum);
    } else if constexpr (Kind == Scale::Single) {
        Ints dot = dots.low[p][t].finish(x.sums[at]);
        if constexpr (Bits != 8) dot = sub_int(dot, broadcast_int(x.sums[at] * (1 << (Bits - 1))));
        sum = fma(mul(to_floats(dot), x_scale), scales.scale, sum);
    } else {
        const Floats dot = to_floats(dots.low[p][t].finish(x.sums[at]));
        sum = fma(mul(dot, x_scale), scales.scale, sum);
        const Floats x_sum = broadcast(Kind == Scale::Nested ? -x.scaled_sums[at] : x.scaled_sums[at]);
        sum = fma(scales.minimum, x_sum, sum);
    }
}

// Adds the bias, if any, and stores one register of rows of one token; the last block may be cut.
static inline void store_rows(const ProductArgs &args, int64_t token, int64_t row, Floats sum) {
    float *out = args.out + token * args.out_stride + row;
    const int64_t left = args.rows - row;
    if (left >= kLanes) {
        store(out, args.bias ? add(sum, load(args.bias + row)) : sum);
        return;
    }
    float values[kLanes];
    store(values, sum);
    for (int64_t i = 0; i < left; ++i) out[i] = args.bias ? values[i] + args.bias[row + i] : values[i];
}

// A single token reads weights from memory, which the hardware fetches ahead only within a page of 4 KB. Asking for what lies this far
// ahead, block after block, keeps memory busy.
constexpr int64_t kPrefetchBytes = 8192;
constexpr int lines_per_group(int bits, Scale scale) {
    return (int)((kSuper * group_quant_bytes(bits) + scales_per_block(bits, scale, kSuper) + kSuper * 64 - 1) / (kSuper * 64));
}

template <int Bits, Scale Kind, int T, int P>
static inline void quantized_tile(const ProductArgs &args, int64_t block, int part, int64_t token, int64_t first_token) {
    const int64_t groups = args.columns / kGroup;
    const uint8_t *quants = args.weight + block * args.block_bytes;
    const uint8_t *scales = quants + groups * group_quant_bytes(Bits);
    const Activations &x = *args.activations;
    const int8_t *q = x.q + token * args.columns;
    int64_t at = token * groups;
    Floats sums[P][T];
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t) sums[p][t] = broadcast(0.0f);
    const uint8_t *ahead = quants + kPrefetchBytes;
    const int64_t pace = args.block_bytes / groups;
    // Several tokens: only the first tile of a block, the others find it in the cache.
    const bool asks_ahead = T == 1 || token == first_token;
    for (int64_t g = 0; g < groups; ++g, quants += group_quant_bytes(Bits), q += kGroup * T, at += T) {
        if (asks_ahead) {
            for (int line = 0; line < lines_per_group(Bits, Kind); ++line) prefetch(ahead + line * 64);
            ahead += pace;
        }
        GroupDots<Bits, T, P> dots;
        dots.add_group(quants, part * kLanes * 4, q);
        for (int p = 0; p < P; ++p) {
            const GroupScales<Bits, Kind> group(scales, g, (part + p) * kLanes);
            for (int t = 0; t < T; ++t) add_scaled_group<Bits, Kind, T, P>(dots, group, p, t, x, at + t, sums[p][t]);
        }
    }
    for (int p = 0; p < P; ++p)
        for (int t = 0; t < T; ++t)
            store_rows(args, token + t, block * kBlockRows + (part + p) * kLanes, sums[p][t]);
}

// All rows of a block for `T` tokens. A single token takes the whole block in one pass, for its speed is memory's.
template <int Bits, Scale Kind, int T> static void quantized_block(const ProductArgs &args, int64_t block, int64_t token, int64_t first_token) {
    constexpr int kParts = (int)kBlockRows / kLanes, P = T == 1 ? kParts : kParts > kTileParts ? kTileParts : kParts;
    for (int part = 0; part < kParts; part += P) quantized_tile<Bits, Kind, T, P>(args, block, part, token, first_token);
}

template <int Bits, Scale Kind> static inline void quantized_rest(const ProductArgs &args, int64_t block, int64_t token, int64_t n, int64_t first_token) {
    static_assert(kTileTokens <= 8, "add cases");
    switch (n) {
        case 1: return quantized_block<Bits, Kind, 1>(args, block, token, first_token);
        case 2: return quantized_block<Bits, Kind, 2>(args, block, token, first_token);
        case 3: if constexpr (kTileTokens > 3) return quantized_block<Bits, Kind, 3>(args, block, token, first_token); break;
        case 4: if constexpr (kTileTokens > 4) return quantized_block<Bits, Kind, 4>(args, block, token, first_token); break;
        case 5: if constexpr (kTileTokens > 5) return quantized_block<Bits, Kind, 5>(args, block, token, first_token); break;
        case 6: if constexpr (kTileTokens > 6) return quantized_block<Bits, Kind, 6>(args, block, token, first_token); break;
        case 7: if constexpr (kTileTokens > 7) return quantized_block<Bits, Kind, 7>(args, block, token, first_token); break;
        default: break;
    }
}

// Tokens in slices whose activations stay in the second-level cache while all blocks pass.
constexpr int64_t kSliceBytes = 192 << 10;

template <int Bits, Scale Kind> static void quantized_product(const ProductArgs &args) {
    int64_t slice = kSliceBytes / args.columns / kTileTokens * kTileTokens;
    if (slice < kTileTokens) slice = kTileTokens;
    for (int64_t first = 0; first < args.tokens; first += slice) {
        const int64_t last = first + slice < args.tokens ? first + slice : args.tokens;
        for (int64_t block = args.first_block; block < args.last_block; ++block) {
            int64_t token = first;
            for (; token + kTileTokens <= last; token += kTileTokens)
                quantized_block<Bits, Kind, kTileTokens>(args, block, token, first);
            quantized_rest<Bits, Kind>(args, block, token, last - token, first);
        }
    }
}

}  // namespace PIO_NS
}  // namespace pio
