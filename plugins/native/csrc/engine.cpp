#include "engine.h"

#include <string.h>
#include <unistd.h>

#include "error.h"
#include "isa.h"

namespace pio {

namespace {

int64_t widest_input(const Program &program) {
    int64_t widest = kGroup;
    for (const pio_operation &op : program.operations)
        if ((op.kind == PIO_LINEAR || op.kind == PIO_LOGITS) && program.layout(op).bits && program.weight(op).columns > widest)
            widest = program.weight(op).columns;
    return widest;
}

const pio_engine_options &checked(const pio_engine_options &options) {
    if (options.threads < 1 || options.threads > PIO_MOST_THREADS)
        fail(PIO_E_ARGUMENT, "%d threads are not 1 to %d", options.threads, PIO_MOST_THREADS);
    if (options.max_tokens < 1 || options.max_tokens > 8192)
        fail(PIO_E_ARGUMENT, "max_tokens = %d is not 1 to 8192", options.max_tokens);
    if (options.cache_type != PIO_CACHE_F16 && options.cache_type != PIO_CACHE_F32)
        fail(PIO_E_ARGUMENT, "there is no cache type number %d", options.cache_type);
    return options;
}

// Whole cache lines; not a multiple of 1 KB, for then all rows would compete for the same lines of the first-level cache.
int64_t padded(int64_t width) {
    const int64_t stride = (width + 15) / 16 * 16;
    return stride % 256 ? stride : stride + 16;
}

}  // namespace

Engine::Engine(const pio_program &program, const pio_engine_options &options)
    : program_(build_program(program)),
      plan_(build_plan(program_)),
      kernels_(kernels_of(checked(options).isa)),
      max_tokens_(options.max_tokens),
      activations_(max_tokens_, widest_input(program_)),
      cache_(program_.layers, options.cache_type == PIO_CACHE_F16, max_tokens_),
      process_(getpid()) {
    buffer_bytes_ = activations_.n_bytes();
    for (int64_t width : program_.buffer_widths) {
        const int64_t stride = padded(width);
        buffers_.push_back({allocate_block<float>(max_tokens_ * stride), width, stride});
        buffer_bytes_ += max_tokens_ * stride * 4;
    }
    for (const std::vector<float> &table : program_.tables) {
        const int64_t values = max_tokens_ * (int64_t)table.size();
        cosines_.push_back(allocate_block<float>(values));
        sines_.push_back(allocate_block<float>(values));
        buffer_bytes_ += values * 8;
    }
    int64_t widest_head = 16;
    for (const pio_layer &layer : program_.layers) widest_head = layer.width > widest_head ? layer.width : widest_head;
    for (int i = 0; i < options.threads; ++i) {
        scratch_.push_back(allocate_block<float>(attention_scratch_floats(widest_head)));
        buffer_bytes_ += attention_scratch_floats(widest_head) * 4;
    }
    pool_ = std::make_unique<Pool>(options.threads);
}

Engine::~Engine() {
    if (getpid() != process_) pool_.release();  // its threads are the parent's, and cannot be joined here
}

// A fork copies the engine but not its threads. Unless it happened in the middle of a step, everything that the engine
// remembers is whole, and new threads are all that the child needs.
Engine::Entry::Entry(Engine &engine) : engine_(engine) {
    const int process = getpid();
    if (engine.busy_.exchange(true, std::memory_order_acquire)) {
        if (process != engine.process_)
            fail(PIO_E_FORKED, "this process was forked while the engine was computing; make a new engine");
        fail(PIO_E_BUSY, "another thread is inside this engine");
    }
    if (process == engine.process_) return;
    try {
        std::unique_ptr<Pool> fresh = std::make_unique<Pool>(engine.pool_->threads());
        engine.pool_.release();
        engine.pool_ = std::move(fresh);
        engine.process_ = process;
    } catch (...) {
        engine.busy_.store(false, std::memory_order_release);
        throw;
    }
}

void Engine::allocate(int32_t slots, int32_t context, int64_t cache_bytes) {
    if (cache_bytes < 0) fail(PIO_E_ARGUMENT, "a cache of %lld bytes cannot be had", (long long)cache_bytes);
    if (slots < 1 || slots > 65536 || context < 1) fail(PIO_E_ARGUMENT, "%d slots of %d tokens cannot be had", slots, context);
    cache_.allocate(slots, context, cache_bytes);
}

void Engine::free_slot(int32_t slot) {
    if (slot < 0 || slot >= cache_.slots()) fail(PIO_E_CONTEXT, "slot %d is none of %d", slot, cache_.slots());
    cache_.forget(slot);
}

void Engine::check_block(int32_t slot, int64_t start, int64_t end, const void *block, int64_t n_bytes) const {
    if (slot < 0 || slot >= cache_.slots()) fail(PIO_E_CONTEXT, "slot %d is none of %d", slot, cache_.slots());
    if (start < 0 || start >= end || end > cache_.context())
        fail(PIO_E_CONTEXT, "there are no positions from %lld to below %lld in a context of %d tokens", (long long)start,
             (long long)end, cache_.context());
    const int64_t needed = (end - start) * cache_.token_bytes();
    if (!block || n_bytes != needed)
        fail(PIO_E_ARGUMENT, "a block of %lld tokens takes %lld bytes and not %lld", (long long)(end - start), (long long)needed,
             (long long)n_bytes);
}

bool Engine::save(int32_t slot, int64_t start, int64_t end, void *block, int64_t n_bytes) const {
    check_block(slot, start, end, block, n_bytes);
    if (end > cache_.length(slot))
        fail(PIO_E_CONTEXT, "slot %d holds %lld tokens, and not %lld", slot, (long long)cache_.length(slot), (long long)end);
    if (!cache_.remembers(slot, start)) return false;
    cache_.save(slot, start, end, (char *)block);
    return true;
}

void Engine::restore(int32_t slot, int64_t start, int64_t end, const void *block, int64_t n_bytes) {
    check_block(slot, start, end, block, n_bytes);
    if (start > cache_.length(slot))
        fail(PIO_E_CONTEXT, "slot %d holds %lld tokens, so position %lld leaves a gap", slot, (long long)cache_.length(slot),
             (long long)start);
    if (!cache_.can_rewind(slot, start))
        fail(PIO_E_CONTEXT, "slot %d cannot go back to position %lld: its sliding window has moved on", slot, (long long)start);
    reserve_cache({{slot, 0, end - start, start}});
    cache_.restore(slot, start, end, (const char *)block);
}

int64_t Engine::read_buffer(int32_t buffer, float *out, int64_t out_values) const {
    if (buffer < 0 || (size_t)buffer >= buffers_.size()) fail(PIO_E_ARGUMENT, "buffer %d is none of %zu", buffer, buffers_.size());
    const Buffer &source = buffers_[(size_t)buffer];
    if (last_rows_ && (!out || out_values < last_rows_ * source.width))
        fail(PIO_E_ARGUMENT, "the buffer holds %lld values", (long long)(last_rows_ * source.width));
    for (int64_t row = 0; row < last_rows_; ++row)
        memcpy(out + row * source.width, source.row(row, 0), (size_t)source.width * sizeof(float));
    return last_rows_;
}

pio_engine_stats Engine::stats() const {
    pio_engine_stats stats = {};
    for (const pio_operation &op : program_.operations) {
        const bool is_product = op.kind == PIO_LINEAR || op.kind == PIO_LOGITS;
        if (!is_product && op.kind != PIO_EMBED) continue;
        const pio_weight &weight = program_.weight(op);
        const int64_t block = block_bytes(program_.layout(op), weight.columns);
        stats.weight_bytes += is_product ? blocks_of(weight.rows) * block : block / kBlockRows;
    }
    stats.buffer_bytes = buffer_bytes_;
    stats.cache_bytes = cache_.n_bytes();
    stats.steps = steps_;
    stats.tokens = tokens_;
    stats.threads = pool_->threads();
    stats.isa = kernels_.isa;
    return stats;
}

}  // namespace pio
