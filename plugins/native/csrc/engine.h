// Runs a program over batches.
#pragma once
#include <stdint.h>

#include <atomic>
#include <memory>
#include <vector>

#include "activations.h"
#include "cache.h"
#include "kernels.h"
#include "memory.h"
#include "plan.h"
#include "pool.h"

namespace pio {

// Consecutive tokens of one sequence in a piece of a batch.
struct Span {
    int64_t slot, first_row, tokens, first_position;
};

struct Buffer {
    Block<float> data;
    int64_t width, stride;
    float *row(int64_t row, int64_t column) const { return data.get() + row * stride + column; }
};

class Engine final : private Phases {
public:
    // Throws Failure, std::bad_alloc, std::system_error.
    Engine(const pio_program &program, const pio_engine_options &options);
    ~Engine();

    void allocate(int32_t slots, int32_t context, int64_t cache_bytes);
    void step(const pio_batch &batch, float *logits, int64_t logit_values);
    void free_slot(int32_t slot);
    // Returns whether a ring still had all of it.
    bool save(int32_t slot, int64_t start, int64_t end, void *block, int64_t n_bytes) const;
    void restore(int32_t slot, int64_t start, int64_t end, const void *block, int64_t n_bytes);
    int64_t read_buffer(int32_t buffer, float *out, int64_t out_values) const;
    pio_engine_stats stats() const;

    // Throws Failure when another thread is inside; see engine.cpp for what happens after a fork.
    class Entry {
    public:
        explicit Entry(Engine &engine);
        ~Entry() { engine_.busy_.store(false, std::memory_order_release); }

    private:
        Engine &engine_;
    };

private:
    // One piece of a batch: what the phases work on.
    struct Piece {
        const int64_t *tokens, *positions, *slots;
        int64_t rows;
        std::vector<int64_t> logit_rows;
        std::vector<Span> spans;
        float *logits;
    };
    // A share of an attention phase: of one key head, some tokens of a span, or one page of a single token.
    struct AttentionTask {
        Span span;
        int64_t kv_head;
        int64_t page;
        float *partial;  // of `page`; null: all pages, straight to the result
    };

    int64_t between() override;
    void run_task(int64_t task, int thread) override;

    void check_block(int32_t slot, int64_t start, int64_t end, const void *block, int64_t n_bytes) const;
    void reserve_cache(const std::vector<Span> &spans);
    std::vector<Span> check_batch(const pio_batch &batch, int64_t logit_values) const;
    void cut_piece(const pio_batch &batch, int64_t first, const std::vector<Span> &spans);
    void run_piece(float *&logits);

    int64_t task_count(const Phase &phase);
    int64_t share_rows();
    void run_rows(const Phase &phase, int64_t first, int64_t last);
    void run_row_operation(const pio_operation &op, int64_t row);
    void compute_angles(int64_t row);
    void rotate_heads(const pio_operation &op, int64_t row);
    void append(const pio_operation &op, int64_t row);
    void select_rows();

    int64_t plan_products(const Phase &phase);
    void run_products(const Phase &phase, int64_t task);
    void run_product(const pio_operation &op, int64_t first_block, int64_t last_block);

    int64_t plan_attention(const pio_operation &op);
    void plan_single(const pio_operation &op, const Span &span);
    bool is_split(const pio_operation &op, const Span &span) const;
    void fold_pages(const pio_operation &op, int64_t row);
    void reserve_attention();
    void attend(const pio_operation &op, int64_t task, int thread);

    Activations activations(int64_t columns) const { return activations_.view(piece_.rows, columns); }

    const Program program_;
    const std::vector<Phase> plan_;
    const Kernels &kernels_;
    const int64_t max_tokens_;
    std::vector<Buffer> buffers_;
    ActivationStore activations_;
    std::vector<Block<float>> cosines_, sines_;  // by table, [max_tokens][P]
    std::vector<Block<float>> scratch_;          // by thread
    Cache cache_;
    std::unique_ptr<Pool> pool_;
    int process_;

    Piece piece_ = {};
    size_t phase_ = 0;
    std::vector<AttentionTask> attention_tasks_;
    // Partial results of single tokens' attention, [row][kv head][page][group][C + 2], and where those of each row begin.
    Block<float> partials_;
    int64_t partials_room_ = 0;
    std::vector<int64_t> partials_at_;
    std::vector<bool> is_single_;  // by row: the only token of its sequence in this piece
    // A rows phase: tasks of whole units of rows.
    int64_t row_unit_ = 1, row_units_ = 0, row_tasks_ = 1;
    // A products phase: shares of the first tasks, one a thread, then smaller ones; in blocks of rows.
    int64_t blocks_ = 0, large_share_ = 0, small_share_ = 1;

    std::atomic<bool> busy_{false};
    int64_t buffer_bytes_ = 0, steps_ = 0, tokens_ = 0, last_rows_ = 0;
};

}  // namespace pio
