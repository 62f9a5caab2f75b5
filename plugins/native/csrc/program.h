// A program, copied and checked.
#pragma once
#include <stddef.h>

#include <vector>

#include "layout.h"

namespace pio {

struct Program {
    std::vector<int64_t> buffer_widths;
    std::vector<pio_operation> operations;
    std::vector<pio_weight> weights;
    std::vector<Layout> layouts;  // of the weights
    std::vector<std::vector<float>> vectors;
    std::vector<std::vector<float>> tables;
    std::vector<pio_layer> layers;

    const pio_weight &weight(const pio_operation &op) const { return weights[(size_t)op.weight]; }
    const Layout &layout(const pio_operation &op) const { return layouts[(size_t)op.weight]; }
    const float *vector(const pio_operation &op) const {
        return op.vector < 0 ? nullptr : vectors[(size_t)op.vector].data();
    }
    // Width V of a row of logits; 0 for a program that has none.
    int64_t logits_width() const;
    // Token ids must be below this.
    int64_t vocabulary() const;
};

// Copies what the caller gave and checks every operation; throws Failure that names the one that is wrong.
Program build_program(const pio_program &given);

}  // namespace pio
