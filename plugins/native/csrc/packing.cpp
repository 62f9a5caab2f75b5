#include "packing.h"

#include <math.h>

#include "error.h"
#include "groups.h"
#include "scalar.h"
#include "sources.h"

namespace pio {

namespace {

Layout check_format(int32_t format, int64_t columns) {
    Layout layout;
    if (!layout_of(format, layout)) fail(PIO_E_ARGUMENT, "there is no weight format number %d", format);
    if (columns < 1 || columns > kMostColumns) fail(PIO_E_ARGUMENT, "a weight cannot have %lld columns", (long long)columns);
    const int64_t unit = !layout.bits ? 1 : layout.scale == Scale::Nested ? kGroup * kSuper : kGroup;
    if (columns % unit)
        fail(PIO_E_UNSUPPORTED, "format %d needs a multiple of %lld columns, not %lld", format, (long long)unit,
             (long long)columns);
    return layout;
}

void put_u16(uint8_t *p, uint16_t x) { memcpy(p, &x, 2); }

// Where the scales of one row and group go. `nested` formats repeat d and dmin for each of their 8 groups.
void put_scales(uint8_t *scales, const Layout &layout, int64_t g, int row, const StoredGroup &group) {
    if (layout.scale != Scale::Nested) {
        put_u16(scales + 2 * row, group.scale);
        if (layout.scale == Scale::WithMin) put_u16(scales + 32 + 2 * row, group.extra);
        return;
    }
    uint8_t *own = scales + g % kSuper * 32, *shared = scales + kSuper * 32;
    own[row] = group.sub_scale[0];
    own[16 + row] = group.sub_scale[1];
    put_u16(shared + 2 * row, group.scale);
    if (layout.bits != 6) put_u16(shared + 32 + 2 * row, group.extra);
}

float float_at(const uint8_t *p, int32_t source, int64_t i) {
    if (source == PIO_SOURCE_F16) return float_of_half(load_u16(p + 2 * i));
    if (source == PIO_SOURCE_BF16) return float_of_bfloat(load_u16(p + 2 * i));
    float x;
    memcpy(&x, p + 4 * i, 4);
    return x;
}

// Symmetric, as Q8_0: scale = max |x| / 127. What a half cannot hold becomes infinite, and shows as such.
void quantize_to_8(const float *x, StoredGroup &out) {
    float top = 0;
    bool is_finite = true;
    for (int i = 0; i < 32; ++i) {
        top = fmaxf(top, fabsf(x[i]));
        is_finite = is_finite && isfinite(x[i]);
    }
    out.scale = is_finite ? half_of_float(top / 127.0f) : 0x7e00;
    const float scale = float_of_half(out.scale), inverse = scale > 0 && isfinite(scale) ? 1.0f / scale : 0.0f;
    for (int i = 0; i < 32; ++i) {
        const float scaled = is_finite ? rintf(x[i] * inverse) : 0.0f;
        out.q[i] = (uint8_t)(int8_t)fmaxf(-127.0f, fminf(127.0f, scaled));
    }
}

// Asymmetric, as Q4_1: 16 steps from the smallest to the largest value.
void quantize_to_4(const float *x, StoredGroup &out) {
    float low = x[0], high = x[0];
    bool is_finite = true;
    for (int i = 0; i < 32; ++i) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
        is_finite = is_finite && isfinite(x[i]);
    }
    out.extra = is_finite ? half_of_float(low) : 0x7e00;
    out.scale = is_finite ? half_of_float(high / 15.0f - low / 15.0f) : 0x7e00;
    const float scale = float_of_half(out.scale), minimum = float_of_half(out.extra);
    const float inverse = scale > 0 && isfinite(scale) ? 1.0f / scale : 0.0f;
    for (int i = 0; i < 32; ++i) {
        const float scaled = is_finite && isfinite(minimum) ? rintf((x[i] - minimum) * inverse) : 0.0f;
        out.q[i] = (uint8_t)fmaxf(0.0f, fminf(15.0f, scaled));
    }
}

void pack_float_row(const uint8_t *row, const SourceType &type, int64_t columns, uint8_t *block, int within) {
    for (int64_t k = 0; k < columns; ++k)
        memcpy(block + (k * kBlockRows + within) * type.block_bytes, row + k * type.block_bytes, (size_t)type.block_bytes);
}

void read_group(const uint8_t *row, int32_t source, const SourceType &type, int32_t format, int64_t g, StoredGroup &out) {
    if (type.read) {
        const int64_t groups = type.block_values / kGroup;
        type.read(row + g / groups * type.block_bytes, g % groups, out);
        return;
    }
    float x[kGroup];
    for (int i = 0; i < kGroup; ++i) x[i] = float_at(row, source, g * kGroup + i);
    format == PIO_W8_S ? quantize_to_8(x, out) : quantize_to_4(x, out);
}

void pack(int32_t source, const uint8_t *data, int64_t data_bytes, int64_t rows, int64_t columns, int32_t format,
          uint8_t *target, int64_t target_bytes, int64_t total_rows, int64_t first_row) {
    const SourceType *type = source_type(source);
    if (!type) fail(PIO_E_ARGUMENT, "there is no source type number %d", source);
    const Layout layout = check_format(format, columns);
    if (format != type->format && (type->read || (format != PIO_W8_S && format != PIO_W4_SM)))
        fail(PIO_E_UNSUPPORTED, "source type %d cannot become format %d", source, format);
    if (rows < 0 || first_row < 0 || total_rows < 1 || total_rows > kMostRows || rows > total_rows - first_row)
        fail(PIO_E_ARGUMENT, "rows %lld to %lld lie outside a weight of %lld rows", (long long)first_row,
             (long long)first_row + (long long)rows, (long long)total_rows);
    const int64_t row_bytes = source_row_bytes(source, columns), needed = packed_bytes(format, total_rows, columns);
    if (!data || data_bytes != rows * row_bytes)
        fail(PIO_E_ARGUMENT, "%lld rows of source type %d and %lld columns take %lld bytes, not %lld", (long long)rows, source,
             (long long)columns, (long long)(rows * row_bytes), (long long)data_bytes);
    if (!target || target_bytes < needed)
        fail(PIO_E_ARGUMENT, "the packed weight takes %lld bytes, and the target has %lld", (long long)needed,
             (long long)target_bytes);

    const int64_t stride = block_bytes(layout, columns), groups = columns / kGroup;
    for (int64_t r = 0; r < rows; ++r, data += row_bytes) {
        uint8_t *block = target + (first_row + r) / kBlockRows * stride;
        const int within = (int)((first_row + r) % kBlockRows);
        if (!layout.bits) {
            pack_float_row(data, *type, columns, block, within);
            continue;
        }
        for (int64_t g = 0; g < groups; ++g) {
            StoredGroup group = {};
            read_group(data, source, *type, format, g, group);
            put_group(block + g * group_quant_bytes(layout.bits), layout.bits, within, group.q);
            put_scales(scales_at(block, layout, groups, g), layout, g, within, group);
        }
    }
}

// Values in the order of operations of the reference, on which float32 rounding depends.
void unpack_group(const uint8_t *block, const Layout &layout, int64_t groups, int64_t g, int row, float *out) {
    uint8_t q[kGroup];
    get_group(block + g * group_quant_bytes(layout.bits), layout.bits, row, q);
    const uint8_t *scales = scales_at(const_cast<uint8_t *>(block), layout, groups, g);
    const uint8_t *own = scales + g % kSuper * 32, *shared = scales + kSuper * 32;
    if (layout.scale == Scale::Single) {
        const float scale = float_of_half(load_u16(scales + 2 * row));
        const int zero = 1 << (layout.bits - 1);
        for (int i = 0; i < kGroup; ++i) out[i] = (float)(layout.bits == 8 ? (int8_t)q[i] : q[i] - zero) * scale;
    } else if (layout.scale == Scale::WithMin) {
        const float scale = float_of_half(load_u16(scales + 2 * row)), minimum = float_of_half(load_u16(scales + 32 + 2 * row));
        for (int i = 0; i < kGroup; ++i) out[i] = (float)q[i] * scale + minimum;
    } else if (layout.bits == 6) {
        const float d = float_of_half(load_u16(shared + 2 * row));
        for (int i = 0; i < kGroup; ++i) out[i] = (float)(q[i] - 32) * (d * (float)(int8_t)own[i / 16 * 16 + row]);
    } else {
        const float scale = float_of_half(load_u16(shared + 2 * row)) * (float)own[row];
        const float minimum = float_of_half(load_u16(shared + 32 + 2 * row)) * (float)own[16 + row];
        for (int i = 0; i < kGroup; ++i) out[i] = (float)q[i] * scale - minimum;
    }
}

}  // namespace

int64_t source_row_bytes(int32_t source, int64_t columns) {
    const SourceType *type = source_type(source);
    if (!type) fail(PIO_E_ARGUMENT, "there is no source type number %d", source);
    if (columns < 1 || columns > kMostColumns || columns % type->block_values)
        fail(PIO_E_UNSUPPORTED, "source type %d has blocks of %lld values, which %lld columns do not fill", source,
             (long long)type->block_values, (long long)columns);
    return columns / type->block_values * type->block_bytes;
}

int64_t packed_bytes(int32_t format, int64_t rows, int64_t columns) {
    const Layout layout = check_format(format, columns);
    if (rows < 1 || rows > kMostRows) fail(PIO_E_ARGUMENT, "a weight cannot have %lld rows", (long long)rows);
    return blocks_of(rows) * block_bytes(layout, columns);
}

Layout check_weight(const pio_weight &weight) {
    const int64_t needed = packed_bytes(weight.format, weight.rows, weight.columns);
    if (!weight.data) fail(PIO_E_ARGUMENT, "a weight's data is null");
    if ((uintptr_t)weight.data % PIO_ALIGNMENT)
        fail(PIO_E_ARGUMENT, "a weight's data is not aligned to %d bytes", PIO_ALIGNMENT);
    if (weight.n_bytes < needed)
        fail(PIO_E_ARGUMENT, "a weight of %lld rows and %lld columns in format %d takes %lld bytes, not %lld",
             (long long)weight.rows, (long long)weight.columns, weight.format, (long long)needed, (long long)weight.n_bytes);
    Layout layout;
    layout_of(weight.format, layout);
    return layout;
}

void unpack_row(const pio_weight &weight, const Layout &layout, int64_t row, float *out) {
    const uint8_t *block = (const uint8_t *)weight.data + row / kBlockRows * block_bytes(layout, weight.columns);
    const int within = (int)(row % kBlockRows);
    if (!layout.bits) {
        const int32_t source = weight.format == PIO_F32 ? PIO_SOURCE_F32 : weight.format == PIO_F16 ? PIO_SOURCE_F16 : PIO_SOURCE_BF16;
        for (int64_t k = 0; k < weight.columns; ++k) out[k] = float_at(block, source, k * kBlockRows + within);
        return;
    }
    const int64_t groups = weight.columns / kGroup;
    for (int64_t g = 0; g < groups; ++g) unpack_group(block, layout, groups, g, within, out + g * kGroup);
}

}  // namespace pio

extern "C" {

int32_t pio_format_of(int32_t source, int32_t *format) {
    return pio::guarded([&] {
        const pio::SourceType *type = pio::source_type(source);
        if (!type || !format) pio::fail(PIO_E_ARGUMENT, "there is no source type number %d, or format is null", source);
        *format = type->format;
    });
}

int32_t pio_weight_bytes(int32_t format, int64_t rows, int64_t columns, int64_t *n_bytes) {
    return pio::guarded([&] {
        if (!n_bytes) pio::fail(PIO_E_ARGUMENT, "n_bytes is null");
        *n_bytes = pio::packed_bytes(format, rows, columns);
    });
}

int32_t pio_pack(int32_t source, const void *source_data, int64_t source_bytes, int64_t rows, int64_t columns, int32_t format,
                 void *target, int64_t target_bytes, int64_t total_rows, int64_t first_row) {
    return pio::guarded([&] {
        pio::pack(source, (const uint8_t *)source_data, source_bytes, rows, columns, format, (uint8_t *)target, target_bytes,
                  total_rows, first_row);
    });
}

int32_t pio_unpack(const pio_weight *weight, int64_t first_row, int64_t rows, float *out, int64_t out_values) {
    return pio::guarded([&] {
        if (!weight || !out) pio::fail(PIO_E_ARGUMENT, "weight or out is null");
        const pio::Layout layout = pio::check_weight(*weight);
        if (rows < 0 || first_row < 0 || first_row > weight->rows || rows > weight->rows - first_row ||
            out_values < rows * weight->columns)
            pio::fail(PIO_E_ARGUMENT, "rows %lld to %lld of %lld do not fit %lld values", (long long)first_row,
                      (long long)first_row + (long long)rows, (long long)weight->rows, (long long)out_values);
        for (int64_t r = 0; r < rows; ++r) pio::unpack_row(*weight, layout, first_row + r, out + r * weight->columns);
    });
}
}
