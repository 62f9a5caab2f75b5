// Which kernels this CPU can run.
#pragma once
#include "kernels.h"

namespace pio {

// The table of an instruction set; PIO_ISA_AUTO is resolved. Throws Failure (PIO_E_CPU).
const Kernels &kernels_of(int32_t isa);

}  // namespace pio
