// A program cut into phases. Within a phase tasks need nothing from each other; a phase begins when the one before is done.
//
// Operations that treat each row by itself are gathered: one phase takes a row through norm, residual and quantization while it is
// in the first-level cache, and for a single token the whole phase runs between two others (see pool.h).
#pragma once
#include <vector>

#include "program.h"

namespace pio {

struct RowStep {
    enum Kind {
        Angles,     // cosines and sines of every table for the row's position
        Operation,  // a row-wise operation of the program
        Quantize,   // columns of a buffer, for the products that follow
        Append,     // key and value of an ATTENTION operation to the cache
        FoldPages,  // what an ATTENTION operation left in pieces
        FinishLogits
    } kind;
    pio_operation op;
    int64_t columns;  // of Quantize
};

struct Phase {
    enum Kind {
        Rows,
        Products,  // one or more, of the same input
        Attend,
        Select  // from here on only the rows whose logits are wanted
    } kind;
    std::vector<RowStep> steps;
    std::vector<pio_operation> products;
    pio_operation attention;
};

std::vector<Phase> build_plan(const Program &program);

}  // namespace pio
