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

// Weighted sums of values over places [begin, end) of a page, V registers of columns from column c on.
template <class Element, int Q, int V>
static inline void mix_strip(const QueryTile &tile, const Element *values, int64_t begin, int64_t end, int64_t c, int64_t width,
                             const float (&old)[kQueryTile], const float (&fresh)[kQueryTile]) {
    Floats sums[V][Q];
    for (int v = 0; v < V; ++v)
        for (int q = 0; q < Q; ++q) sums[v][q] = broadcast(0.0f);
    for (int64_t place = begin; place < end; ++place) {
        Floats value[V];
        for (int v = 0; v < V; ++v) value[v] = CacheElement<Element>::get(values + place * width + c + v * kLanes);
        for (int q = 0; q < Q; ++q) {
            const Floats weight = broadcast(tile.weights[q * kPagePlaces + place]);
            for (int v = 0; v < V; ++v) sums[v][q] = fma(weight, value[v], sums[v][q]);
        }
    }
    for (int q = 0; q < Q; ++q)
        for (int v = 0; v < V; ++v) {
            float *total = tile.sums + q * width + c + v * kLanes;
            store(total, fma(sums[v][q], broadcast(fresh[q]), mul(load(total), broadcast(old[q]))));
        }
}

static inline float exponential_of(float x) {
    float lanes[kLanes];
    store(lanes, exponential(broadcast(x)));
    return lanes[0];
}

// Fold one page into the tile's running sums.
template <class Element, int Q>
static void attend_page(QueryTile &tile, const Element *keys, const Element *values, int64_t page, int64_t width, float softcap) {
    const int64_t base = page * kPagePlaces;
    int64_t begin = kPagePlaces, end = 0, first[Q], last[Q];
    for (int q = 0; q < Q; ++q) {
        first[q] = tile.firsts[q] > base ? tile.firsts[q] - base : 0;
        last[q] = tile.positions[q] - base < kPagePlaces ? tile.positions[q] - base : kPagePlaces - 1;
        if (first[q] > last[q]) continue;
        begin = first[q] < begin ? first[q] : begin;
        end = last[q] + 1 > end ? last[q] + 1 : end;
    }
    if (begin >= end) return;
    const int64_t first_block = begin / kPlaceBlock, last_block = (end + kPlaceBlock - 1) / kPlaceBlock;
    int64_t block = first_block;
    for (; block + kScoreBlocks <= last_block; block += kScoreBlocks)
        score_blocks<Element, Q, kScoreBlocks>(tile, keys, block, width);
    for (; block < last_block; ++block) score_blocks<Element, Q, 1>(tile, keys, block, width);

    float old[kQueryTile], fresh[kQueryTile];
    for (int q = 0; q < Q; ++q) {
        float *weights = tile.weights + q * kPagePlaces;
        old[q] = 1.0f;
        fresh[q] = 0.0f;
        if (first[q] > last[q]) {
            for (int64_t i = begin; i < end; ++i) weights[i] = 0.0f;
            continue;
        }
        float top, mass;
        weigh(weights, first_block * kPlaceBlock, last_block * kPlaceBlock, first[q], last[q], softcap, top, mass);
        const float highest = tile.top[q] > top ? tile.top[q] : top;
        old[q] = tile.mass[q] == 0.0f ? 0.0f : exponential_of(tile.top[q] - highest);
        fresh[q] = exponential_of(top - highest);
        tile.top[q] = highest;
        tile.mass[q] = tile.mass[q] * old[q] + mass * fresh[q];
    }
    int64_t c = 0;
    for (; c + kStrip * kLanes <= width; c += kStrip * kLanes)
        mix_strip<Element, Q, kStrip>(tile, values, begin, end, c, width, old, fresh);
    for (; c < width; c += kLanes) mix_strip<Element, Q, 1>(tile, values, begin, end, c, width, old, fresh);
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
    for (int64_t page = first_page; page <= last_page; ++page)
        attend_page<Element, Q>(tile, (const Element *)args.cache.keys(page, args.kv_head),
                                (const Element *)args.cache.values(page, args.kv_head), page, width, args.softcap);
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
