// A batch, checked and cut into pieces.
#include "engine.h"
#include "error.h"

namespace pio {

std::vector<Span> Engine::check_batch(const pio_batch &batch, int64_t logit_values) const {
    if (batch.n_tokens < 1 || !batch.tokens || !batch.slots || !batch.positions)
        fail(PIO_E_ARGUMENT, "a batch needs at least one token, and its arrays");
    if (batch.n_logit_rows < 0 || batch.n_logit_rows > batch.n_tokens || (batch.n_logit_rows && !batch.logit_rows))
        fail(PIO_E_ARGUMENT, "%lld rows of logits of %lld tokens cannot be had", (long long)batch.n_logit_rows,
             (long long)batch.n_tokens);
    for (int64_t i = 0; i < batch.n_logit_rows; ++i)
        if (batch.logit_rows[i] >= batch.n_tokens || batch.logit_rows[i] < (i ? batch.logit_rows[i - 1] + 1 : 0))
            fail(PIO_E_ARGUMENT, "logit_rows must ascend and lie below %lld", (long long)batch.n_tokens);
    if (logit_values < batch.n_logit_rows * program_.logits_width())
        fail(PIO_E_ARGUMENT, "the logits take %lld values", (long long)(batch.n_logit_rows * program_.logits_width()));
    const int64_t vocabulary = program_.vocabulary();
    std::vector<Span> spans;
    std::vector<bool> seen((size_t)cache_.slots());
    for (int64_t row = 0; row < batch.n_tokens; ++row) {
        const int64_t slot = batch.slots[row], position = batch.positions[row];
        if (batch.tokens[row] < 0 || batch.tokens[row] >= vocabulary)
            fail(PIO_E_ARGUMENT, "token %lld lies outside the vocabulary of %lld", (long long)batch.tokens[row],
                 (long long)vocabulary);
        if (slot < 0 || slot >= cache_.slots())
            fail(PIO_E_CONTEXT, "slot %lld is none of %d", (long long)slot, cache_.slots());
        if (position < 0 || position >= cache_.context())
            fail(PIO_E_CONTEXT, "position %lld lies outside the context of %d tokens", (long long)position, cache_.context());
        if (!spans.empty() && spans.back().slot == slot) {
            Span &span = spans.back();
            if (position != span.first_position + span.tokens)
                fail(PIO_E_CONTEXT, "positions of slot %lld do not rise by one", (long long)slot);
            ++span.tokens;
            continue;
        }
        if (seen[(size_t)slot]) fail(PIO_E_ARGUMENT, "tokens of slot %lld do not stand together", (long long)slot);
        seen[(size_t)slot] = true;
        if (position > cache_.length(slot))
            fail(PIO_E_CONTEXT, "slot %lld holds %lld tokens, so position %lld leaves a gap", (long long)slot,
                 (long long)cache_.length(slot), (long long)position);
        if (!cache_.can_rewind(slot, position))
            fail(PIO_E_CONTEXT, "slot %lld cannot go back to position %lld: its sliding window has moved on", (long long)slot,
                 (long long)position);
        spans.push_back({slot, row, 1, position});
    }
    return spans;
}

void Engine::step(const pio_batch &batch, float *logits, int64_t logit_values) {
    if (!logits && batch.n_logit_rows && program_.logits_width()) fail(PIO_E_ARGUMENT, "logits is null");
    const std::vector<Span> spans = check_batch(batch, logit_values);
    reserve_cache(spans);
    // All that may fail comes before the first piece: a step is computed whole or not at all.
    for (int64_t first = 0; first < batch.n_tokens; first += max_tokens_) cut_piece(batch, first, spans);
    for (int64_t first = 0; first < batch.n_tokens; first += max_tokens_) {
        if (batch.n_tokens > max_tokens_) cut_piece(batch, first, spans);
        run_piece(logits);
    }
    ++steps_;
    tokens_ += batch.n_tokens;
}

void Engine::reserve_cache(const std::vector<Span> &spans) {
    try {
        for (const Span &span : spans) cache_.reserve(span.slot, span.first_position + span.tokens);
    } catch (...) {
        for (const Span &span : spans) cache_.give_back(span.slot);
        throw;
    }
}

void Engine::cut_piece(const pio_batch &batch, int64_t first, const std::vector<Span> &spans) {
    const int64_t left = batch.n_tokens - first, rows = left < max_tokens_ ? left : max_tokens_;
    piece_.tokens = batch.tokens + first;
    piece_.positions = batch.positions + first;
    piece_.slots = batch.slots + first;
    piece_.rows = rows;
    piece_.spans.clear();
    piece_.logit_rows.clear();
    for (const Span &span : spans) {
        const int64_t begin = span.first_row > first ? span.first_row : first;
        const int64_t end = span.first_row + span.tokens < first + rows ? span.first_row + span.tokens : first + rows;
        if (begin >= end) continue;
        piece_.spans.push_back({span.slot, begin - first, end - begin, span.first_position + begin - span.first_row});
    }
    for (int64_t i = 0; i < batch.n_logit_rows; ++i)
        if (batch.logit_rows[i] >= first && batch.logit_rows[i] < first + rows)
            piece_.logit_rows.push_back(batch.logit_rows[i] - first);
    reserve_attention();
}

void Engine::run_piece(float *&logits) {
    piece_.logits = logits;
    phase_ = 0;
    pool_->run(*this);
    last_rows_ = piece_.rows;
    for (const Span &span : piece_.spans) cache_.set_length(span.slot, span.first_position + span.tokens);
    if (logits) logits += (int64_t)piece_.logit_rows.size() * program_.logits_width();
}

}  // namespace pio
