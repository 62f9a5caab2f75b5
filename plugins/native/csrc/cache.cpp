#include "cache.h"

#include <string.h>

#include <algorithm>

#include "error.h"

namespace pio {

namespace {

// Calls copy(first byte, bytes) for every stretch of memory that holds keys or values of positions [start, end), in the order
// of a block. Keys of 16 places are interleaved: whole sixteens are one stretch, parts of them are one for each column.
template <class Copy> void for_each_stretch(const CacheView &view, int64_t kv_heads, int64_t start, int64_t end, Copy copy) {
    const int64_t element = view.is_half ? 2 : 4, row = view.width * element;
    for (int64_t head = 0; head < kv_heads; ++head) {
        for (int64_t position = start, places; position < end; position += places) {
            const int64_t place = position % kPagePlaces, within = place % kPlaceBlock, left = end - position;
            char *keys = (char *)view.keys(position / kPagePlaces, head) + (place - within) * row + within * element;
            if (!within && left >= kPlaceBlock) {
                places = std::min(left / kPlaceBlock * kPlaceBlock, kPagePlaces - place);
                copy(keys, places * row);
                continue;
            }
            places = std::min(left, kPlaceBlock - within);
            for (int64_t c = 0; c < view.width; ++c) copy(keys + c * kPlaceBlock * element, places * element);
        }
        for (int64_t position = start, places; position < end; position += places) {
            const int64_t place = position % kPagePlaces;
            places = std::min(end - position, kPagePlaces - place);
            copy((char *)view.values(position / kPagePlaces, head) + place * row, places * row);
        }
    }
}

}  // namespace

Cache::Cache(std::vector<pio_layer> layers, bool is_half, int64_t max_tokens)
    : layers_(std::move(layers)), is_half_(is_half), max_tokens_(max_tokens) {}

void Cache::allocate(int32_t slots, int32_t context, int64_t most_bytes) {
    std::vector<std::vector<void *>> pages(layers_.size() * (size_t)slots), spare(layers_.size());
    std::vector<int64_t> lengths((size_t)slots), highest((size_t)slots);
    std::vector<size_t> counts(layers_.size());
    pages_.swap(pages);
    free_.swap(spare);
    lengths_.swap(lengths);
    highest_.swap(highest);
    counts_.swap(counts);
    memory_.clear();
    n_bytes_ = 0;
    context_ = context;
    most_bytes_ = most_bytes;
}

int64_t Cache::page_bytes(int64_t layer) const {
    const pio_layer &l = layers_[(size_t)layer];
    return (int64_t)l.kv_heads * 2 * kPagePlaces * l.width * element_bytes();
}

int64_t Cache::token_bytes() const {
    int64_t bytes = 0;
    for (const pio_layer &layer : layers_) bytes += (int64_t)layer.kv_heads * 2 * layer.width * element_bytes();
    return bytes;
}

// A piece of max_tokens tokens is appended before its first token looks window - 1 places back. Pages are whole, so one more is
// needed for a beginning and an end inside a page.
int64_t Cache::ring_pages(int64_t layer) const {
    const int64_t window = layers_[(size_t)layer].window;
    return window ? (window + max_tokens_ + kPagePlaces - 1) / kPagePlaces + 1 : 0;
}

// The page of the last position written took the place of the one `ring` pages before it.
bool Cache::is_overwritten(int64_t layer, int64_t slot, int64_t position) const {
    const int64_t ring = ring_pages(layer), highest = highest_[(size_t)slot];
    const int64_t last_page = highest ? (highest - 1) / kPagePlaces : 0;
    return ring && position / kPagePlaces <= last_page - ring;
}

bool Cache::can_rewind(int64_t slot, int64_t position) const {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        const int64_t first_seen = position - layers_[layer].window + 1;
        if (is_overwritten((int64_t)layer, slot, first_seen > 0 ? first_seen : 0)) return false;
    }
    return true;
}

bool Cache::remembers(int64_t slot, int64_t position) const {
    for (size_t layer = 0; layer < layers_.size(); ++layer)
        if (is_overwritten((int64_t)layer, slot, position)) return false;
    return true;
}

void Cache::save(int64_t slot, int64_t start, int64_t end, char *block) const {
    const auto copy = [&block](const char *cached, int64_t bytes) {
        memcpy(block, cached, (size_t)bytes);
        block += bytes;
    };
    for (size_t layer = 0; layer < layers_.size(); ++layer)
        for_each_stretch(view((int64_t)layer, slot), layers_[layer].kv_heads, start, end, copy);
}

void Cache::restore(int64_t slot, int64_t start, int64_t end, const char *block) {
    const auto copy = [&block](char *cached, int64_t bytes) {
        memcpy(cached, block, (size_t)bytes);
        block += bytes;
    };
    for (size_t layer = 0; layer < layers_.size(); ++layer)
        for_each_stretch(view((int64_t)layer, slot), layers_[layer].kv_heads, start, end, copy);
    set_length(slot, end);
}

int64_t Cache::pages_for(int64_t layer, int64_t end) const {
    const int64_t ring = ring_pages(layer), wanted = (end + kPagePlaces - 1) / kPagePlaces;
    return ring && wanted > ring ? ring : wanted;
}

void Cache::add_page(int64_t layer) {
    const int64_t bytes = page_bytes(layer);
    if (most_bytes_ && bytes > most_bytes_ - n_bytes_) drop_free_pages();  // of other layers: this one has none
    if (most_bytes_ && bytes > most_bytes_ - n_bytes_)
        fail(PIO_E_MEMORY, "keys and values fill the %lld MB that they may take", (long long)(most_bytes_ / 1000000));
    free_[(size_t)layer].reserve(counts_[(size_t)layer] + 1);  // that all pages can be given back whatever happens
    memory_.push_back(allocate_block<char>(bytes));
    free_[(size_t)layer].push_back(memory_.back().get());
    ++counts_[(size_t)layer];
    n_bytes_ += bytes;
}

void Cache::drop_free_pages() {
    std::vector<void *> dropped;
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        dropped.insert(dropped.end(), free_[layer].begin(), free_[layer].end());
        n_bytes_ -= (int64_t)free_[layer].size() * page_bytes((int64_t)layer);
        counts_[layer] -= free_[layer].size();
        free_[layer].clear();
    }
    std::sort(dropped.begin(), dropped.end());
    const auto is_dropped = [&](const Block<char> &page) {
        return std::binary_search(dropped.begin(), dropped.end(), (void *)page.get());
    };
    memory_.erase(std::remove_if(memory_.begin(), memory_.end(), is_dropped), memory_.end());
}

void Cache::reserve(int64_t slot, int64_t end) {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        std::vector<void *> &own = pages((int64_t)layer, slot);
        const int64_t wanted = pages_for((int64_t)layer, end);
        while ((int64_t)own.size() < wanted) {
            if (free_[layer].empty()) add_page((int64_t)layer);
            own.push_back(free_[layer].back());
            free_[layer].pop_back();
        }
    }
}

void Cache::give_back(int64_t slot) {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        std::vector<void *> &own = pages((int64_t)layer, slot);
        for (int64_t used = pages_for((int64_t)layer, highest_[(size_t)slot]); (int64_t)own.size() > used; own.pop_back())
            free_[layer].push_back(own.back());
    }
}

void Cache::set_length(int64_t slot, int64_t length) {
    lengths_[(size_t)slot] = length;
    if (length > highest_[(size_t)slot]) highest_[(size_t)slot] = length;
}

void Cache::forget(int64_t slot) {
    lengths_[(size_t)slot] = highest_[(size_t)slot] = 0;
    give_back(slot);
}

CacheView Cache::view(int64_t layer, int64_t slot) const {
    const std::vector<void *> &own = pages_[(size_t)(layer * (int64_t)lengths_.size() + slot)];
    return {own.data(), ring_pages(layer), layers_[(size_t)layer].width, is_half_};
}

}  // namespace pio
