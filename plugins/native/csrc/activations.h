// Memory for quantized activations.
#pragma once
#include <memory>

#include "kernels.h"

namespace pio {

// Room for `tokens` tokens of up to `columns` columns.
class ActivationStore {
public:
    ActivationStore(int64_t tokens, int64_t columns)
        : q_(new int8_t[(size_t)(tokens * columns)]),
          floats_(new float[(size_t)(2 * tokens * (columns / kGroup))]),
          ints_(new int32_t[(size_t)(2 * tokens * (columns / kGroup))]),
          scale_room_(tokens * (columns / kGroup)),
          n_bytes_(tokens * columns + 16 * scale_room_) {}

    // The same memory seen as `tokens` tokens of `columns` columns.
    Activations view(int64_t tokens, int64_t columns) const {
        return {q_.get(), floats_.get(), floats_.get() + scale_room_, ints_.get(), ints_.get() + scale_room_, tokens, columns};
    }
    int64_t n_bytes() const { return n_bytes_; }

private:
    std::unique_ptr<int8_t[]> q_;
    std::unique_ptr<float[]> floats_;
    std::unique_ptr<int32_t[]> ints_;
    int64_t scale_room_, n_bytes_;
};

}  // namespace pio
