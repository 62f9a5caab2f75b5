// Attention over the paged cache. Included once per instruction set.
//
// Online softmax (Milakov and Gimelshein 2018, arXiv:1805.02867) with pages of 256 places as its steps: a query's result is
// a fold over its pages, and within a page over its places, in the order of positions. Neither the tokens computed beside it
// nor the number of threads change a bit of it, so decode equals prefill.
#pragma once
#include "elementwise.h"

namespace pio {
namespace PIO_NS {

template <class Element> struct CacheElement;
template <> struct CacheElement<float> {
    static inline Floats get(const float *p) { return load(p); }
    static inline void put(float *p, Floats x) { store(p, x); }
    static inline float of(float x) { return x; }
};
template <> struct CacheElement<uint16_t> {
    static inline Floats get(const uint16_t *p) { return load_half(p); }
    static inline void put(uint16_t *p, Floats x) { store_half(p, x); }
    static inline uint16_t of(float x) { return half_of_float(x); }
};

template <class Element>
static void append_as(const CacheView &cache, int64_t kv_head, int64_t position, const float *key, const float *value) {
    const int64_t page = position / kPagePlaces, place = position % kPagePlaces, width = cache.width;
    Element *keys = (Element *)cache.keys(page, kv_head) + place / kPlaceBlock * width * kPlaceBlock + place % kPlaceBlock;
    Element *values = (Element *)cache.values(page, kv_head) + place * width;
    for (int64_t c = 0; c < width; c += kLanes) {
        Element column[kLanes];
        CacheElement<Element>::put(column, load(key + c));
        for (int i = 0; i < kLanes; ++i) keys[(c + i) * kPlaceBlock] = column[i];
        CacheElement<Element>::put(values + c, load(value + c));
    }
}

static void append(const CacheView &cache, int64_t kv_head, int64_t position, const float *key, const float *value) {
    cache.is_half ? append_as<uint16_t>(cache, kv_head, position, key, value)
                  : append_as<float>(cache, kv_head, position, key, value);
}

// Up to kQueryTile queries that read the cache together.
struct QueryTile {
    int64_t positions[kQueryTile], firsts[kQueryTile];  // last and first place that each sees
    float *scaled;                                      // queries times scale, [C][Q]
    float *weights;                                     // scores, then weights of a page, [Q][256]
    float *sums;                                        // running weighted sum of values, [Q][C]
    float top[kQueryTile], mass[kQueryTile];            // running maximum and sum of weights
};

// Scores of places [16 * block, 16 * (block + B)) of a page.
template <class Element, int Q, int B>
static inline void score_blocks(const QueryTile &tile, const Element *keys, int64_t block, int64_t width) {
    constexpr int kParts = (int)kPlaceBlock / kLanes;
    const Element *k = keys + block * width * kPlaceBlock;
    Floats sums[B * kParts][Q];
    for (int p = 0; p < B * kParts; ++p)
        for (int q = 0; q < Q; ++q) sums[p][q] = broadcast(0.0f);
    for (int64_t c = 0; c < width; ++c, k += kPlaceBlock) {
        Floats key[B * kParts];
        for (int b = 0; b < B; ++b)
            for (int p = 0; p < kParts; ++p)
                key[b * kParts + p] = CacheElement<Element>::get(k + b * width * kPlaceBlock + p * kLanes);
        for (int q = 0; q < Q; ++q) {
            const Floats x = broadcast(tile.scaled[c * Q + q]);
            for (int p = 0; p < B * kParts; ++p) sums[p][q] = fma(x, key[p], sums[p][q]);
        }
    }
    for (int q = 0; q < Q; ++q)
        for (int p = 0; p < B * kParts; ++p)
            store(tile.weights + q * kPagePlaces + block * kPlaceBlock + p * kLanes, sums[p][q]);
}

// Turns scores of places [begin, end) of a page, multiples of 16, into weights; returns their maximum and sum. Places that the query
// does not see get weight 0.
static inline void weigh(float *scores, int64_t begin, int64_t end, int64_t first, int64_t last, float softcap, float &top,
                         float &mass) {
    if (softcap != 0.0f)
        for (int64_t i = begin; i < end; i += kLanes) store(scores + i, soft_cap(load(scores + i), softcap));
    const float never = float_of_bits(0xff800000);
    for (int64_t i = begin; i < first; ++i) scores[i] = never;
    for (int64_t i = last + 1; i < end; ++i) scores[i] = never;
    Floats highest = broadcast(never);
    for (int64_t i = begin; i < end; i += kLanes) highest = max_or_second(highest, load(scores + i));
    float lanes[kLanes];
    store(lanes, highest);
    top = lanes[0];
    for (int i = 1; i < kLanes; ++i) top = lanes[i] > top ? lanes[i] : top;
    const Floats shift = broadcast(top);
    Floats masses = broadcast(0.0f);
    for (int64_t i = begin; i < end; i += kLanes) {
        const Floats weight = exponential(sub(load(scores + i), shift));
        store(scores + i, weight);
        masses = add(masses, weight);
    }
    mass = sum(masses);
}

static inline float exponential_of(float x) {
    float lanes[kLanes];
    store(lanes, exponential(broadcast(x)));
    return lanes[0];
}

// What the running sums and a page's own are multiplied by when they are added.
struct PageShares {
    float old, fresh;
};

// Takes a page's greatest score and sum of weights into the running ones.
static inline PageShares fold_step(float &top, float &mass, float page_top, float page_mass) {
    const float highest = top > page_top ? top : page_top;
    const PageShares shares = {mass == 0.0f ? 0.0f : exponential_of(top - highest), exponential_of(page_top - highest)};
    top = highest;
    mass = mass * shares.old + page_mass * shares.fresh;
    return shares;
}

static inline void fold_sums(float *total, Floats sums, const PageShares &shares) {
    store(total, fma(sums, broadcast(shares.fresh), mul(load(total), broadcast(shares.old))));
}

// The places of a page that queries see: query q those from first[q] to last[q], none where first[q] > last[q]; [begin, end)
// is seen by some and [all_begin, all_end) by all.
template <int Q> struct Sight {
    int64_t first[Q], last[Q], begin = kPagePlaces, end = 0, all_begin = 0, all_end = kPagePlaces;

    Sight(const QueryTile &tile, int64_t base) {
        for (int q = 0; q < Q; ++q) {
            first[q] = tile.firsts[q] > base ? tile.firsts[q] - base : 0;
            last[q] = tile.positions[q] - base < kPagePlaces ? tile.positions[q] - base : kPagePlaces - 1;
            all_begin = first[q] > all_begin ? first[q] : all_begin;
            all_end = last[q] + 1 < all_end ? last[q] + 1 : all_end;
            if (!sees_any(q)) continue;
            begin = first[q] < begin ? first[q] : begin;
            end = last[q] + 1 > end ? last[q] + 1 : end;
        }
        if (all_begin >= all_end) all_begin = all_end = end;
    }
    inline bool sees_any(int q) const { return first[q] <= last[q]; }
    inline bool sees(int q, int64_t place) const { return first[q] <= place && place <= last[q]; }
};

// Adds the weighted values of places [begin, end). What a query does not see takes no part: its weight is 0, but 0 times a NaN of a
// later token is NaN.
template <class Element, int Q, int V, bool kAll>
__attribute__((always_inline)) static inline void mix_places(Floats (&sums)[V][Q], const QueryTile &tile, const Sight<Q> &sight,
                                                             const Element *values, int64_t begin, int64_t end, int64_t width) {
    for (int64_t place = begin; place < end; ++place) {
        Floats value[V];
        for (int v = 0; v < V; ++v) value[v] = CacheElement<Element>::get(values + place * width + v * kLanes);
        for (int q = 0; q < Q; ++q) {
            if (!kAll && !sight.sees(q, place)) continue;
            const Floats weight = broadcast(tile.weights[q * kPagePlaces + place]);
            for (int v = 0; v < V; ++v) sums[v][q] = fma(weight, value[v], sums[v][q]);
        }
    }
}

// Weighted sums of the values of a page, V registers of columns from column c on.
template <class Element, int Q, int V>
static inline void mix_strip(const QueryTile &tile, const Sight<Q> &sight, const Element *values, int64_t c, int64_t width,
                             const PageShares (&shares)[kQueryTile]) {
    Floats sums[V][Q];
    for (int v = 0; v < V; ++v)
        for (int q = 0; q < Q; ++q) sums[v][q] = broadcast(0.0f);
    mix_places<Element, Q, V, false>(sums, tile, sight, values + c, sight.begin, sight.all_begin, width);
    mix_places<Element, Q, V, true>(sums, tile, sight, values + c, sight.all_begin, sight.all_end, width);
    mix_places<Element, Q, V, false>(sums, tile, sight, values + c, sight.all_end, sight.end, width);
    for (int q = 0; q < Q; ++q)
        for (int v = 0; v < V && sight.sees_any(q); ++v)
            fold_sums(tile.sums + q * width + c + v * kLanes, sums[v][q], shares[q]);
}

// Fold one page into the tile's running sums.
template <class Element, int Q>
static void attend_page(QueryTile &tile, const Element *keys, const Element *values, int64_t page, int64_t width, float softcap) {
    const Sight<Q> sight(tile, page * kPagePlaces);
    if (sight.begin >= sight.end) return;
    const int64_t first_block = sight.begin / kPlaceBlock, last_block = (sight.end + kPlaceBlock - 1) / kPlaceBlock;
    int64_t block = first_block;
    for (; block + kScoreBlocks <= last_block; block += kScoreBlocks)
        score_blocks<Element, Q, kScoreBlocks>(tile, keys, block, width);
    for (; block < last_block; ++block) score_blocks<Element, Q, 1>(tile, keys, block, width);

    PageShares shares[kQueryTile] = {};
    for (int q = 0; q < Q; ++q) {
        if (!sight.sees_any(q)) continue;
        float top, mass;
        weigh(tile.weights + q * kPagePlaces, first_block * kPlaceBlock, last_block * kPlaceBlock, sight.first[q], sight.last[q],
              softcap, top, mass);
        shares[q] = fold_step(tile.top[q], tile.mass[q], top, mass);
    }
    int64_t c = 0;
    for (; c + kStrip * kLanes <= width; c += kStrip * kLanes)
        mix_strip<Element, Q, kStrip>(tile, sight, values, c, width, shares);
    for (; c < width; c += kLanes) mix_strip<Element, Q, 1>(tile, sight, values, c, width, shares);
}

// A page by itself is a fold of one step: folding later what is kept here gives the same bits as folding at once.
template <int Q> static inline void keep_partial(const QueryTile &tile, float *partial, int64_t width) {
    for (int q = 0; q < Q; ++q, partial += partial_floats(width)) {
        memcpy(partial, tile.sums + q * width, (size_t)width * sizeof(float));
        partial[width] = tile.top[q];
        partial[width + 1] = tile.mass[q];
    }
}

static void fold_pages(const float *partial, int64_t pages, int64_t stride, int64_t width, float *out) {
    float top = float_of_bits(0xff800000), mass = 0.0f;
    memset(out, 0, (size_t)width * sizeof(float));
    for (int64_t page = 0; page < pages; ++page, partial += stride) {
        const PageShares shares = fold_step(top, mass, partial[width], partial[width + 1]);
        for (int64_t c = 0; c < width; c += kLanes) fold_sums(out + c, load(partial + c), shares);
    }
    const Floats total = broadcast(mass);
    for (int64_t c = 0; c < width; c += kLanes) store(out + c, div(load(out + c), total));
}

// Queries [index, index + Q) of the arguments, counted as token * group + head.
template <class Element, int Q> static void attend_tile(const AttentionArgs &args, int64_t index) {
    const int64_t width = args.cache.width;
    QueryTile tile;
    tile.scaled = args.scratch;
    tile.weights = tile.scaled + kQueryTile * width;
    tile.sums = tile.weights + kQueryTile * kPagePlaces;
    int64_t first_page = INT64_MAX, last_page = 0;
    for (int q = 0; q < Q; ++q) {
        const int64_t token = (index + q) / args.group, head = (index + q) % args.group;
        const float *x = args.q + token * args.q_stride + head * width;
        for (int64_t c = 0; c < width; ++c) tile.scaled[c * Q + q] = x[c] * args.scale;
        memset(tile.sums + q * width, 0, (size_t)width * sizeof(float));
        tile.positions[q] = args.first_position + token;
        const int64_t hidden = args.window ? tile.positions[q] - args.window + 1 : 0;
        tile.firsts[q] = hidden > 0 ? hidden : 0;
        tile.top[q] = float_of_bits(0xff800000);
        tile.mass[q] = 0.0f;
        first_page = tile.firsts[q] / kPagePlaces < first_page ? tile.firsts[q] / kPagePlaces : first_page;
        last_page = tile.positions[q] / kPagePlaces > last_page ? tile.positions[q] / kPagePlaces : last_page;
    }
    if (args.partial) first_page = last_page = args.page;
    for (int64_t page = first_page; page <= last_page; ++page)
        attend_page<Element, Q>(tile, (const Element *)args.cache.keys(page, args.kv_head),
                                (const Element *)args.cache.values(page, args.kv_head), page, width, args.softcap);
    if (args.partial) return keep_partial<Q>(tile, args.partial + index * partial_floats(width), width);
    for (int q = 0; q < Q; ++q) {
        const int64_t token = (index + q) / args.group, head = (index + q) % args.group;
        float *out = args.out + token * args.out_stride + head * width;
        const Floats mass = broadcast(tile.mass[q]);
        for (int64_t c = 0; c < width; c += kLanes) store(out + c, div(load(tile.sums + q * width + c), mass));
    }
}

template <class Element> static void attend_as(const AttentionArgs &args) {
    const int64_t queries = args.tokens * args.group;
    int64_t index = 0;
    for (; index + kQueryTile <= queries; index += kQueryTile) attend_tile<Element, kQueryTile>(args, index);
    static_assert(kQueryTile == 4, "add cases");
    switch (queries - index) {
        case 1: return attend_tile<Element, 1>(args, index);
        case 2: return attend_tile<Element, 2>(args, index);
        case 3: return attend_tile<Element, 3>(args, index);
        default: return;
    }
}

static void attend(const AttentionArgs &args) {
    args.cache.is_half ? attend_as<uint16_t>(args) : attend_as<float>(args);
}

}  // namespace PIO_NS
}  // namespace pio
