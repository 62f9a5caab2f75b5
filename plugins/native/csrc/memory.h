// Aligned memory that is given back when its owner goes.
#pragma once
#include <stdlib.h>

#include <memory>
#include <new>

namespace pio {

struct FreeMemory {
    void operator()(void *p) const { free(p); }
};

template <class T> using Block = std::unique_ptr<T[], FreeMemory>;

// Whole cache lines, not initialised. Throws std::bad_alloc.
template <class T> Block<T> allocate_block(int64_t count) {
    const size_t bytes = ((size_t)count * sizeof(T) + 63) / 64 * 64;
    void *p = nullptr;
    if (posix_memalign(&p, 64, bytes ? bytes : 64)) throw std::bad_alloc();
    return Block<T>((T *)p);
}

}  // namespace pio
