// The engine's functions of the C interface.
#include "engine.h"
#include "error.h"

struct pio_engine {
    pio::Engine engine;
};

namespace {

// Runs `body(engine)` inside the engine, alone.
template <class Body> int32_t inside(pio_engine *engine, Body body) {
    return pio::guarded([&] {
        if (!engine) pio::fail(PIO_E_ARGUMENT, "engine is null");
        const pio::Engine::Entry entry(engine->engine);
        body(engine->engine);
    });
}

}  // namespace

extern "C" {

int32_t pio_engine_create(const pio_program *program, const pio_engine_options *options, pio_engine **engine) {
    return pio::guarded([&] {
        if (!program || !options || !engine) pio::fail(PIO_E_ARGUMENT, "program, options or engine is null");
        *engine = nullptr;
        *engine = new pio_engine{{*program, *options}};
    });
}

void pio_engine_destroy(pio_engine *engine) { delete engine; }

int32_t pio_engine_allocate(pio_engine *engine, int32_t slots, int32_t context, int64_t cache_bytes) {
    return inside(engine, [&](pio::Engine &e) { e.allocate(slots, context, cache_bytes); });
}

int32_t pio_engine_step(pio_engine *engine, const pio_batch *batch, float *logits, int64_t logit_values) {
    return inside(engine, [&](pio::Engine &e) {
        if (!batch) pio::fail(PIO_E_ARGUMENT, "batch is null");
        e.step(*batch, logits, logit_values);
    });
}

int32_t pio_engine_free_slot(pio_engine *engine, int32_t slot) {
    return inside(engine, [&](pio::Engine &e) { e.free_slot(slot); });
}

int32_t pio_engine_save(pio_engine *engine, int32_t slot, int64_t start, int64_t end, void *block, int64_t n_bytes,
                        int32_t *is_saved) {
    return inside(engine, [&](pio::Engine &e) {
        if (!is_saved) pio::fail(PIO_E_ARGUMENT, "is_saved is null");
        *is_saved = e.save(slot, start, end, block, n_bytes);
    });
}

int32_t pio_engine_restore(pio_engine *engine, int32_t slot, int64_t start, int64_t end, const void *block, int64_t n_bytes) {
    return inside(engine, [&](pio::Engine &e) { e.restore(slot, start, end, block, n_bytes); });
}

int32_t pio_engine_read_buffer(pio_engine *engine, int32_t buffer, float *out, int64_t out_values, int64_t *rows) {
    return inside(engine, [&](pio::Engine &e) {
        if (!rows) pio::fail(PIO_E_ARGUMENT, "rows is null");
        *rows = e.read_buffer(buffer, out, out_values);
    });
}

int32_t pio_engine_get_stats(pio_engine *engine, pio_engine_stats *stats) {
    return inside(engine, [&](pio::Engine &e) {
        if (!stats) pio::fail(PIO_E_ARGUMENT, "stats is null");
        *stats = e.stats();
    });
}
}
