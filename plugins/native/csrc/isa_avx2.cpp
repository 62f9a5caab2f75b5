#define PIO_NS avx2
#include "simd/avx2.h"
#include "kernels/table.h"

namespace pio {

const Kernels *avx2_kernels() {
    static const Kernels table = avx2::build_kernels(PIO_ISA_AVX2);
    return &table;
}

}  // namespace pio
