// Keys and values of every sequence, in pages of 256 tokens that are taken as a sequence grows.
#pragma once
#include <vector>

#include "kernels.h"
#include "memory.h"

namespace pio {

class Cache {
public:
    Cache(std::vector<pio_layer> layers, bool is_half, int64_t max_tokens);

    // Forgets everything. All pages together take `most_bytes` at most; 0: no limit.
    void allocate(int32_t slots, int32_t context, int64_t most_bytes);

    int32_t slots() const { return (int32_t)lengths_.size(); }
    int32_t context() const { return context_; }
    int64_t length(int64_t slot) const { return lengths_[(size_t)slot]; }
    int64_t n_bytes() const { return n_bytes_; }

    // Whether a sequence can go on at `position`, which is at most its length: rings have forgotten what is too far back.
    bool can_rewind(int64_t slot, int64_t position) const;

    // Gets pages for positions below `end`; the length stays. Throws std::bad_alloc, and Failure at the limit.
    void reserve(int64_t slot, int64_t end);
    // Gives back what was reserved and never written to.
    void give_back(int64_t slot);
    void set_length(int64_t slot, int64_t length);
    void forget(int64_t slot);

    // Bytes of a token's keys and values in all layers.
    int64_t token_bytes() const;
    // Whether no layer has overwritten the token at `position`, which is below the slot's length.
    bool remembers(int64_t slot, int64_t position) const;
    // Copies the keys and values of positions [start, end) to a block; by layer, then key head: keys, then values.
    void save(int64_t slot, int64_t start, int64_t end, char *block) const;
    // Copies such a block back, to the pages that are reserved, and sets the length.
    void restore(int64_t slot, int64_t start, int64_t end, const char *block);

    CacheView view(int64_t layer, int64_t slot) const;

private:
    int64_t element_bytes() const { return is_half_ ? 2 : 4; }
    int64_t page_bytes(int64_t layer) const;
    bool is_overwritten(int64_t layer, int64_t slot, int64_t position) const;
    int64_t ring_pages(int64_t layer) const;
    int64_t pages_for(int64_t layer, int64_t end) const;
    void add_page(int64_t layer);
    void drop_free_pages();
    std::vector<void *> &pages(int64_t layer, int64_t slot) {
        return pages_[(size_t)(layer * (int64_t)lengths_.size() + slot)];
    }

    std::vector<pio_layer> layers_;
    bool is_half_;
    int64_t max_tokens_;
    int32_t context_ = 0;
    std::vector<int64_t> lengths_;
    std::vector<int64_t> highest_;              // end of what was ever written to the slot's rings since it was forgotten
    std::vector<std::vector<void *>> pages_;    // [layer][slot]
    std::vector<std::vector<void *>> free_;     // [layer]
    std::vector<Block<char>> memory_;
    std::vector<size_t> counts_;                // pages by layer, free or not
    int64_t n_bytes_ = 0, most_bytes_ = 0;
};

}  // namespace pio
