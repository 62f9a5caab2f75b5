// The table of one instruction set. A file that includes this has defined PIO_NS and included its simd header.
#pragma once
#include "../scalar.h"
#include "attention.h"
#include "elementwise.h"
#include "product.h"
#include "product_float.h"
#include "quantize.h"

namespace pio {
namespace PIO_NS {

static Kernels build_kernels(int32_t isa) {
    Kernels k = {};
    k.isa = isa;
    k.tile_tokens = kTileTokens;
    k.product[PIO_F32] = float_product<LoadF32>;
    k.product[PIO_F16] = float_product<LoadF16>;
    k.product[PIO_BF16] = float_product<LoadBF16>;
    k.product[PIO_W4_S] = quantized_product<4, Scale::Single>;
    k.product[PIO_W4_SM] = quantized_product<4, Scale::WithMin>;
    k.product[PIO_W4_K] = quantized_product<4, Scale::Nested>;
    k.product[PIO_W5_S] = quantized_product<5, Scale::Single>;
    k.product[PIO_W5_SM] = quantized_product<5, Scale::WithMin>;
    k.product[PIO_W5_K] = quantized_product<5, Scale::Nested>;
    k.product[PIO_W6_K] = quantized_product<6, Scale::Nested>;
    k.product[PIO_W8_S] = quantized_product<8, Scale::Single>;
    k.quantize = quantize;
    k.rms_norm = rms_norm;
    k.rotate = rotate;
    k.gate = gate;
    k.add_scaled = add_scaled;
    k.scale = scale;
    k.softcap = softcap;
    k.append = append;
    k.attend = attend;
    k.fold_pages = fold_pages;
    return k;
}

}  // namespace PIO_NS
}  // namespace pio
