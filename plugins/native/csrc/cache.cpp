#include "cache.h"

namespace pio {

Cache::Cache(std::vector<pio_layer> layers, bool is_half, int64_t max_tokens)
    : layers_(std::move(layers)), is_half_(is_half), max_tokens_(max_tokens) {}

void Cache::allocate(int32_t slots, int32_t context) {
    std::vector<std::vector<void *>> pages(layers_.size() * (size_t)slots), spare(layers_.size());
    std::vector<int64_t> lengths((size_t)slots), highest((size_t)slots);
    pages_.swap(pages);
    free_.swap(spare);
    lengths_.swap(lengths);
    highest_.swap(highest);
    memory_.clear();
    n_bytes_ = 0;
    context_ = context;
}

int64_t Cache::page_bytes(int64_t layer) const {
    const pio_layer &l = layers_[(size_t)layer];
    return (int64_t)l.kv_heads * 2 * kPagePlaces * l.width * (is_half_ ? 2 : 4);
}

// A piece of max_tokens tokens is appended before its first token looks window - 1 places back. Pages are whole, so one more is
// needed for a beginning and an end inside a page.
int64_t Cache::ring_pages(int64_t layer) const {
    const int64_t window = layers_[(size_t)layer].window;
    return window ? (window + max_tokens_ + kPagePlaces - 1) / kPagePlaces + 1 : 0;
}

bool Cache::can_rewind(int64_t slot, int64_t position) const {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        const int64_t ring = ring_pages((int64_t)layer), window = layers_[layer].window;
        if (!ring) continue;
        const int64_t first_seen = position - window + 1 > 0 ? position - window + 1 : 0;
        // The page of the last position written took the place of the one `ring` pages before it.
        const int64_t last_page = highest_[(size_t)slot] ? (highest_[(size_t)slot] - 1) / kPagePlaces : 0;
        if (first_seen / kPagePlaces <= last_page - ring) return false;
    }
    return true;
}

void Cache::reserve(int64_t slot, int64_t end) {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        std::vector<void *> &own = pages((int64_t)layer, slot);
        const int64_t ring = ring_pages((int64_t)layer);
        int64_t wanted = (end + kPagePlaces - 1) / kPagePlaces;
        if (ring && wanted > ring) wanted = ring;
        while ((int64_t)own.size() < wanted) {
            if (free_[layer].empty()) {
                memory_.push_back(allocate_block<char>(page_bytes((int64_t)layer)));
                n_bytes_ += page_bytes((int64_t)layer);
                free_[layer].push_back(memory_.back().get());
            }
            own.push_back(free_[layer].back());
            free_[layer].pop_back();
        }
    }
    if (end > highest_[(size_t)slot]) highest_[(size_t)slot] = end;
}

void Cache::forget(int64_t slot) {
    for (size_t layer = 0; layer < layers_.size(); ++layer) {
        std::vector<void *> &own = pages((int64_t)layer, slot);
        free_[layer].insert(free_[layer].end(), own.begin(), own.end());
        own.clear();
    }
    lengths_[(size_t)slot] = highest_[(size_t)slot] = 0;
}

CacheView Cache::view(int64_t layer, int64_t slot) const {
    const std::vector<void *> &own = pages_[(size_t)(layer * (int64_t)lengths_.size() + slot)];
    return {own.data(), ring_pages(layer), layers_[(size_t)layer].width, is_half_};
}

}  // namespace pio
