// The kernels one by one, on the calling thread: what tests and measurements call.
#include "activations.h"
#include "error.h"
#include "isa.h"
#include "packing.h"

namespace pio {

namespace {

constexpr int64_t kMostTokens = (int64_t)1 << 20;

void check_tokens(int64_t tokens) {
    if (tokens < 1 || tokens > kMostTokens) fail(PIO_E_ARGUMENT, "%lld tokens are not 1 to 2^20", (long long)tokens);
}

void quantize(const Kernels &kernels, const float *x, int64_t tokens, int64_t columns, int8_t *q, float *scales, int32_t *sums) {
    check_tokens(tokens);
    if (!x || !q || !scales || !sums) fail(PIO_E_ARGUMENT, "an array is null");
    if (columns < kGroup || columns > kMostColumns || columns % kGroup)
        fail(PIO_E_ARGUMENT, "%lld columns are no multiple of 32, or too many", (long long)columns);
    const int64_t groups = columns / kGroup;
    const ActivationStore store(1, columns);
    for (int64_t t = 0; t < tokens; ++t) {  // one token is stored plainly
        Activations row = store.view(1, columns);
        row.q = q + t * columns;
        row.scales = scales + t * groups;
        row.sums = sums + t * groups;
        kernels.quantize(x + t * columns, 0, row);
    }
}

void product(const Kernels &kernels, const pio_weight &weight, const float *x, int64_t tokens, float *out, int64_t out_values) {
    check_tokens(tokens);
    const Layout layout = check_weight(weight);
    if (!x || !out || out_values < tokens * weight.rows)
        fail(PIO_E_ARGUMENT, "the result takes %lld values", (long long)(tokens * weight.rows));
    ProductArgs args = {};
    args.weight = (const uint8_t *)weight.data;
    args.block_bytes = block_bytes(layout, weight.columns);
    args.rows = weight.rows;
    args.columns = weight.columns;
    args.last_block = blocks_of(weight.rows);
    args.x = x;
    args.x_stride = weight.columns;
    args.tokens = tokens;
    args.out = out;
    args.out_stride = weight.rows;
    if (!layout.bits) return kernels.product[weight.format](args);
    const ActivationStore store(tokens, weight.columns);
    const Activations activations = store.view(tokens, weight.columns);
    for (int64_t t = 0; t < tokens; ++t) kernels.quantize(x + t * weight.columns, t, activations);
    args.activations = &activations;
    kernels.product[weight.format](args);
}

}  // namespace

}  // namespace pio

extern "C" {

int32_t pio_quantize(int32_t isa, const float *x, int64_t tokens, int64_t columns, int8_t *q, float *scales, int32_t *sums) {
    return pio::guarded([&] { pio::quantize(pio::kernels_of(isa), x, tokens, columns, q, scales, sums); });
}

int32_t pio_product(int32_t isa, const pio_weight *weight, const float *x, int64_t tokens, float *out, int64_t out_values) {
    return pio::guarded([&] {
        if (!weight) pio::fail(PIO_E_ARGUMENT, "weight is null");
        pio::product(pio::kernels_of(isa), *weight, x, tokens, out, out_values);
    });
}
}
