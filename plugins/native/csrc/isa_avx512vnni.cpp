#define PIO_VNNI
#define PIO_NS avx512vnni
#include "simd/avx512.h"
#include "kernels/table.h"

namespace pio {

const Kernels *avx512vnni_kernels() {
    static const Kernels table = avx512vnni::build_kernels(PIO_ISA_AVX512VNNI);
    return &table;
}

}  // namespace pio
