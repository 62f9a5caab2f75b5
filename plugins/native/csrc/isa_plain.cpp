#define PIO_NS plain
#include "simd/plain.h"
#include "kernels/table.h"

namespace pio {

const Kernels *plain_kernels() {
    static const Kernels table = plain::build_kernels(PIO_ISA_PLAIN);
    return &table;
}

}  // namespace pio
