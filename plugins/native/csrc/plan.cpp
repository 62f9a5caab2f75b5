#include "plan.h"

namespace pio {

namespace {

class Planner {
public:
    explicit Planner(const Program &program) : program_(program) {}

    std::vector<Phase> run() {
        const size_t select_at = first_selectable();
        if (!program_.tables.empty()) add_step({RowStep::Angles, {}, 0});
        for (size_t i = 0; i < program_.operations.size(); ++i) {
            if (i == select_at) add_select();
            add_operation(program_.operations[i]);
        }
        return phases_;
    }

private:
    // The operation before which rows without logits may be dropped: what follows reads neither tokens nor positions.
    size_t first_selectable() const {
        if (!program_.logits_width()) return SIZE_MAX;
        size_t at = program_.operations.size() - 1;
        while (at > 0) {
            const int32_t kind = program_.operations[at - 1].kind;
            if (kind == PIO_EMBED || kind == PIO_ROPE || kind == PIO_ATTENTION) break;
            --at;
        }
        return at;
    }

    void add_operation(const pio_operation &op) {
        switch (op.kind) {
            case PIO_LINEAR:
            case PIO_LOGITS: add_product(op); break;
            case PIO_ATTENTION: {
                add_step({RowStep::Append, op, 0});
                Phase phase = {};
                phase.kind = Phase::Attend;
                phase.attention = op;
                phases_.push_back(phase);
                add_step({RowStep::FoldPages, op, 0});
                break;
            }
            default: add_step({RowStep::Operation, op, 0});
        }
        if (op.kind != PIO_LOGITS && op.out == quantized_) quantized_ = -1;
        if (op.kind == PIO_LOGITS) add_step({RowStep::FinishLogits, op, 0});
    }

    void add_step(const RowStep &step) {
        if (phases_.empty() || phases_.back().kind != Phase::Rows) {
            Phase phase = {};
            phase.kind = Phase::Rows;
            phases_.push_back(phase);
        }
        phases_.back().steps.push_back(step);
    }

    void add_select() {
        Phase phase = {};
        phase.kind = Phase::Select;
        phases_.push_back(phase);
        quantized_ = -1;  // tiles are cut anew
    }

    void add_product(const pio_operation &op) {
        if (program_.layout(op).bits && !is_quantized(op)) {
            add_step({RowStep::Quantize, op, program_.weight(op).columns});
            quantized_ = op.in;
            quantized_column_ = op.in_column;
            quantized_width_ = program_.weight(op).columns;
        }
        // A product beside another one: both only read `in`, and what they write must not meet.
        if (!phases_.empty() && phases_.back().kind == Phase::Products && op.kind == PIO_LINEAR && is_beside(op)) {
            phases_.back().products.push_back(op);
            return;
        }
        Phase phase = {};
        phase.kind = Phase::Products;
        phase.products.push_back(op);
        phases_.push_back(phase);
    }

    bool is_quantized(const pio_operation &op) const {
        return quantized_ == op.in && quantized_column_ == op.in_column && quantized_width_ == program_.weight(op).columns;
    }

    bool is_beside(const pio_operation &op) const {
        for (const pio_operation &other : phases_.back().products) {
            if (other.kind != PIO_LINEAR || other.out == op.in || other.in == op.out) return false;
            const int64_t end = op.out_column + program_.weight(op).rows;
            const int64_t other_end = other.out_column + program_.weight(other).rows;
            if (other.out == op.out && op.out_column < other_end && other.out_column < end) return false;
        }
        return true;
    }

    const Program &program_;
    std::vector<Phase> phases_;
    // The columns that the quantized activations hold, as long as nobody writes to their buffer.
    int32_t quantized_ = -1, quantized_column_ = 0;
    int64_t quantized_width_ = 0;
};

}  // namespace

std::vector<Phase> build_plan(const Program &program) { return Planner(program).run(); }

}  // namespace pio
