#define PIO_NS avx512
#include "simd/avx512.h"
#include "kernels/table.h"

namespace pio {

const Kernels *avx512_kernels() {
    static const Kernels table = avx512::build_kernels(PIO_ISA_AVX512);
    return &table;
}

}  // namespace pio
