// Between a checkpoint's rows and packed weights.
#pragma once
#include "layout.h"

namespace pio {

constexpr int64_t kMostRows = (int64_t)1 << 31, kMostColumns = (int64_t)1 << 24;  // of a weight

// Checks format, sizes and pointers of a weight; throws Failure. Returns its layout.
Layout check_weight(const pio_weight &weight);

// Bytes of one row as the checkpoint stores it; throws Failure for an unknown source or a width that it cannot have.
int64_t source_row_bytes(int32_t source, int64_t columns);

// Bytes of a packed weight; throws Failure where the format cannot hold so many columns.
int64_t packed_bytes(int32_t format, int64_t rows, int64_t columns);

// Float32 values of one row, [columns].
void unpack_row(const pio_weight &weight, const Layout &layout, int64_t row, float *out);

}  // namespace pio
