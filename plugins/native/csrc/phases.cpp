// The phases of a step: how each is shared among threads, and what a share does.
#include <math.h>
#include <string.h>

#include "engine.h"
#include "packing.h"

namespace pio {

namespace {

constexpr int64_t kTasksPerThread = 4;
// Pieces whose products are bound by arithmetic, not by memory: shares may be small.
constexpr int64_t kManyRows = 16;
// What one task of a products phase should read at least, that the counter it is drawn from costs nothing beside it.
constexpr int64_t kLeastShareBytes = 48 << 10;

}  // namespace

int64_t Engine::between() {
    for (; phase_ < plan_.size(); ++phase_) {
        const Phase &phase = plan_[phase_];
        if (phase.kind == Phase::Select) {
            select_rows();
            if (!piece_.rows) return -1;
            continue;
        }
        if (phase.kind == Phase::Rows && (piece_.rows == 1 || pool_->threads() == 1)) {
            run_rows(phase, 0, piece_.rows);
            continue;
        }
        const int64_t tasks = task_count(phase);
        ++phase_;  // run_task() looks at the phase before
        return tasks;
    }
    return -1;
}

int64_t Engine::task_count(const Phase &phase) {
    if (phase.kind == Phase::Products) return plan_products(phase);
    if (phase.kind == Phase::Attend) return plan_attention(phase.attention);
    return share_rows();
}

// Quantized activations of a tile's tokens lie among each other: two threads must not write to one tile, for the lines of their
// caches would go to and fro. Where there are fewer tiles than threads, that is still faster than to let threads wait.
int64_t Engine::share_rows() {
    const int64_t most = kTasksPerThread * pool_->threads(), tile = kernels_.tile_tokens;
    row_unit_ = piece_.rows > tile * (pool_->threads() - 1) ? tile : 1;
    row_units_ = (piece_.rows + row_unit_ - 1) / row_unit_;
    row_tasks_ = row_units_ < most ? row_units_ : most;
    return row_tasks_;
}

void Engine::run_task(int64_t task, int thread) {
    const Phase &phase = plan_[phase_ - 1];
    if (phase.kind == Phase::Products) return run_products(phase, task);
    if (phase.kind == Phase::Attend) return attend(phase.attention, task, thread);
    const int64_t first = row_units_ * task / row_tasks_ * row_unit_, last = row_units_ * (task + 1) / row_tasks_ * row_unit_;
    run_rows(phase, first, last < piece_.rows ? last : piece_.rows);
}

void Engine::run_rows(const Phase &phase, int64_t first, int64_t last) {
    for (int64_t row = first; row < last; ++row)
        for (const RowStep &step : phase.steps) {
            switch (step.kind) {
                case RowStep::Angles: compute_angles(row); break;
                case RowStep::Operation: run_row_operation(step.op, row); break;
                case RowStep::Quantize:
                    kernels_.quantize(buffers_[(size_t)step.op.in].row(row, step.op.in_column), row, activations(step.columns));
                    break;
                case RowStep::Append: append(step.op, row); break;
                case RowStep::FoldPages: fold_pages(step.op, row); break;
                case RowStep::FinishLogits: {
                    const int64_t width = program_.logits_width();
                    float *logits = piece_.logits + row * width;
                    if (step.op.scale != 1.0f) kernels_.scale(logits, width, step.op.scale);
                    if (step.op.softcap != 0.0f) kernels_.softcap(logits, width, step.op.softcap);
                    break;
                }
            }
        }
}

void Engine::run_row_operation(const pio_operation &op, int64_t row) {
    float *out = buffers_[(size_t)op.out].row(row, op.out_column);
    if (op.kind == PIO_EMBED) {
        const pio_weight &weight = program_.weight(op);
        unpack_row(weight, program_.layout(op), piece_.tokens[row], out);
        if (op.scale != 1.0f) kernels_.scale(out, weight.columns, op.scale);
        return;
    }
    if (op.kind == PIO_ROPE) return rotate_heads(op, row);
    if (op.kind == PIO_SCALE) return kernels_.scale(out, op.width, op.scale);
    const float *in = buffers_[(size_t)op.in].row(row, op.in_column);
    if (op.kind == PIO_RMS_NORM) {
        for (int64_t head = 0; head < op.heads; ++head)
            kernels_.rms_norm(in + head * op.width, program_.vector(op), out + head * op.width, op.width, op.epsilon);
    } else if (op.kind == PIO_GATED) {
        kernels_.gate(in, in + op.width, out, op.width, op.mode);
    } else if (op.kind == PIO_ADD) {
        kernels_.add_scaled(in, out, op.width, op.scale);
    } else {
        memmove(out, in, (size_t)op.width * sizeof(float));
    }
}

// The angle is a float32 product, as in the reference; its cosine and sine are rounded once.
void Engine::compute_angles(int64_t row) {
    const float position = (float)piece_.positions[row];
    for (size_t table = 0; table < program_.tables.size(); ++table) {
        const std::vector<float> &frequencies = program_.tables[table];
        const size_t at = (size_t)row * frequencies.size();
        for (size_t i = 0; i < frequencies.size(); ++i) {
            const double angle = position * frequencies[i];
            cosines_[table][at + i] = (float)cos(angle);
            sines_[table][at + i] = (float)sin(angle);
        }
    }
}

void Engine::rotate_heads(const pio_operation &op, int64_t row) {
    const int64_t pairs = (int64_t)program_.tables[(size_t)op.table].size();
    const float *cosines = cosines_[(size_t)op.table].get() + row * pairs, *sines = sines_[(size_t)op.table].get() + row * pairs;
    float *x = buffers_[(size_t)op.out].row(row, op.out_column);
    for (int64_t head = 0; head < op.heads; ++head) kernels_.rotate(x + head * op.width, cosines, sines, pairs, op.mode);
}

void Engine::append(const pio_operation &op, int64_t row) {
    const pio_layer &layer = program_.layers[(size_t)op.layer];
    const CacheView cache = cache_.view(op.layer, piece_.slots[row]);
    const float *x = buffers_[(size_t)op.in].row(row, 0);
    for (int64_t head = 0; head < layer.kv_heads; ++head)
        kernels_.append(cache, head, piece_.positions[row], x + op.key_column + head * layer.width,
                        x + op.value_column + head * layer.width);
}

void Engine::select_rows() {
    const std::vector<int64_t> &wanted = piece_.logit_rows;
    for (size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == (int64_t)i) continue;  // rows ascend, so none is overwritten before it is read
        for (Buffer &buffer : buffers_)
            memcpy(buffer.row((int64_t)i, 0), buffer.row(wanted[i], 0), (size_t)buffer.width * sizeof(float));
    }
    piece_.rows = (int64_t)wanted.size();
}

int64_t Engine::plan_products(const Phase &phase) {
    int64_t bytes = 0;
    blocks_ = 0;
    for (const pio_operation &op : phase.products) {
        const int64_t blocks = blocks_of(program_.weight(op).rows);
        blocks_ += blocks;
        bytes += blocks * block_bytes(program_.layout(op), program_.weight(op).columns);
    }
    const int64_t threads = pool_->threads(), per_block = bytes / blocks_;
    // Most of the work in one run a thread, which the prefetcher likes; the rest in small pieces, because threads do not
    // come equally fast.
    small_share_ = piece_.rows >= kManyRows ? 1 : (kLeastShareBytes + per_block - 1) / per_block;
    large_share_ = threads == 1 ? blocks_ : blocks_ * 3 / 4 / threads;
    const int64_t rest = blocks_ - large_share_ * threads;
    if (small_share_ > rest / threads) small_share_ = rest > threads ? rest / threads : 1;
    return threads + (threads == 1 ? 0 : (rest + small_share_ - 1) / small_share_);
}

void Engine::run_products(const Phase &phase, int64_t task) {
    const int64_t threads = pool_->threads();
    int64_t first = task * large_share_, last = first + large_share_;
    if (task >= threads) {
        first = threads * large_share_ + (task - threads) * small_share_;
        last = first + small_share_ < blocks_ ? first + small_share_ : blocks_;
    }
    for (const pio_operation &op : phase.products) {
        const int64_t blocks = blocks_of(program_.weight(op).rows);
        if (first < blocks && last > 0) run_product(op, first > 0 ? first : 0, last < blocks ? last : blocks);
        first -= blocks;
        last -= blocks;
    }
}

void Engine::run_product(const pio_operation &op, int64_t first_block, int64_t last_block) {
    if (first_block >= last_block) return;
    const pio_weight &weight = program_.weight(op);
    const Layout &layout = program_.layout(op);
    const Activations quantized = activations(weight.columns);
    ProductArgs args = {};
    args.weight = (const uint8_t *)weight.data;
    args.block_bytes = block_bytes(layout, weight.columns);
    args.rows = weight.rows;
    args.columns = weight.columns;
    args.first_block = first_block;
    args.last_block = last_block;
    args.activations = &quantized;
    args.x = buffers_[(size_t)op.in].row(0, op.in_column);
    args.x_stride = buffers_[(size_t)op.in].stride;
    args.tokens = piece_.rows;
    args.bias = program_.vector(op);
    args.out = op.kind == PIO_LOGITS ? piece_.logits : buffers_[(size_t)op.out].row(0, op.out_column);
    args.out_stride = op.kind == PIO_LOGITS ? weight.rows : buffers_[(size_t)op.out].stride;
    kernels_.product[weight.format](args);
}

}  // namespace pio
