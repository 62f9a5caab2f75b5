// The attention phase: how sequences, heads and pages are shared among threads.
#include "engine.h"

namespace pio {

namespace {

// Tokens of a sequence that one task takes: few enough to balance, enough that the pages they read stay in the cache.
constexpr int64_t kTokensPerTask = 16;

struct PageRange {
    int64_t first, last;
};

// The pages that the token at `position` sees.
PageRange pages_of(int64_t position, int64_t window) {
    const int64_t hidden = window ? position - window + 1 : 0;
    return {(hidden > 0 ? hidden : 0) / kPagePlaces, position / kPagePlaces};
}

}  // namespace

// A single token of a long sequence is shared by pages too: key heads alone may be fewer than threads.
bool Engine::is_split(const pio_operation &op, const Span &span) const {
    if (pool_->threads() == 1 || span.tokens != 1) return false;
    const PageRange range = pages_of(span.first_position, program_.layers[(size_t)op.layer].window);
    return range.last > range.first;
}

// Before a piece runs, for nothing may fail inside: room for the tasks and for the partial results of the layer that needs
// most, and the place of each row's.
void Engine::reserve_attention() {
    int64_t needed = 0, kv_heads = 0, shares = 0;
    for (const pio_layer &layer : program_.layers) kv_heads = layer.kv_heads > kv_heads ? layer.kv_heads : kv_heads;
    partials_at_.assign((size_t)piece_.rows, 0);
    is_single_.assign((size_t)piece_.rows, false);
    for (const Span &span : piece_.spans) {
        shares += span.tokens == 1 ? span.first_position / kPagePlaces + 1 : (span.tokens + kTokensPerTask - 1) / kTokensPerTask;
        int64_t most = 0;
        for (const pio_operation &op : program_.operations) {
            if (op.kind != PIO_ATTENTION || !is_split(op, span)) continue;
            const pio_layer &layer = program_.layers[(size_t)op.layer];
            const PageRange range = pages_of(span.first_position, layer.window);
            const int64_t floats = (range.last - range.first + 1) * op.heads * partial_floats(layer.width);
            if (floats > most) most = floats;
        }
        partials_at_[(size_t)span.first_row] = needed;
        is_single_[(size_t)span.first_row] = span.tokens == 1;
        needed += most;
    }
    attention_tasks_.reserve((size_t)(shares * kv_heads));
    if (needed <= partials_room_) return;
    partials_ = allocate_block<float>(needed * 2);
    buffer_bytes_ += (needed * 2 - partials_room_) * (int64_t)sizeof(float);
    partials_room_ = needed * 2;
}

// Tasks of the last tokens come first: they see the most and take the longest.
int64_t Engine::plan_attention(const pio_operation &op) {
    attention_tasks_.clear();
    const int64_t kv_heads = program_.layers[(size_t)op.layer].kv_heads;
    for (const Span &span : piece_.spans) {
        if (is_split(op, span)) {
            plan_single(op, span);
            continue;
        }
        for (int64_t end = span.tokens; end > 0; end -= kTokensPerTask) {
            const int64_t begin = end > kTokensPerTask ? end - kTokensPerTask : 0;
            const Span share = {span.slot, span.first_row + begin, end - begin, span.first_position + begin};
            for (int64_t head = 0; head < kv_heads; ++head) attention_tasks_.push_back({share, head, 0, nullptr});
        }
    }
    return (int64_t)attention_tasks_.size();
}

void Engine::plan_single(const pio_operation &op, const Span &span) {
    const pio_layer &layer = program_.layers[(size_t)op.layer];
    const PageRange range = pages_of(span.first_position, layer.window);
    const int64_t per_page = op.heads / layer.kv_heads * partial_floats(layer.width);
    float *partial = partials_.get() + partials_at_[(size_t)span.first_row];
    for (int64_t head = 0; head < layer.kv_heads; ++head)
        for (int64_t page = range.first; page <= range.last; ++page, partial += per_page)
            attention_tasks_.push_back({span, head, page, partial});
}

void Engine::attend(const pio_operation &op, int64_t task, int thread) {
    const AttentionTask &share = attention_tasks_[(size_t)task];
    const pio_layer &layer = program_.layers[(size_t)op.layer];
    AttentionArgs args = {};
    args.cache = cache_.view(op.layer, share.span.slot);
    args.kv_head = share.kv_head;
    args.first_position = share.span.first_position;
    args.tokens = share.span.tokens;
    args.group = op.heads / layer.kv_heads;
    const int64_t first_head = share.kv_head * args.group * layer.width;
    args.q = buffers_[(size_t)op.in].row(share.span.first_row, op.in_column + first_head);
    args.q_stride = buffers_[(size_t)op.in].stride;
    args.out = buffers_[(size_t)op.out].row(share.span.first_row, op.out_column + first_head);
    args.out_stride = buffers_[(size_t)op.out].stride;
    args.window = layer.window;
    args.scale = op.scale;
    args.softcap = op.softcap;
    args.scratch = scratch_[(size_t)thread].get();
    args.partial = share.partial;
    args.page = share.page;
    kernels_.attend(args);
}

void Engine::fold_pages(const pio_operation &op, int64_t row) {
    const pio_layer &layer = program_.layers[(size_t)op.layer];
    const Span single = {piece_.slots[row], row, 1, piece_.positions[row]};
    if (!is_single_[(size_t)row] || !is_split(op, single)) return;
    const PageRange range = pages_of(single.first_position, layer.window);
    const int64_t pages = range.last - range.first + 1, group = op.heads / layer.kv_heads;
    const int64_t floats = partial_floats(layer.width);
    const float *partial = partials_.get() + partials_at_[(size_t)row];
    for (int64_t head = 0; head < op.heads; ++head) {
        const float *first = partial + head / group * pages * group * floats + head % group * floats;
        kernels_.fold_pages(first, pages, group * floats, layer.width,
                            buffers_[(size_t)op.out].row(row, op.out_column + head * layer.width));
    }
}

}  // namespace pio
