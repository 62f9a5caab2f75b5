#define PIO_NS neon
#include "simd/neon.h"
#include "kernels/table.h"

namespace pio {

const Kernels *neon_kernels() {
    static const Kernels table = neon::build_kernels(PIO_ISA_NEON);
    return &table;
}

}  // namespace pio
