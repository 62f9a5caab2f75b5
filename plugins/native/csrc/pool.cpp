#include "pool.h"

namespace pio {

namespace {
// Others finish a phase within microseconds, unless one has lost its core; between two steps the caller samples and detokenizes.
constexpr std::chrono::microseconds kPatience{1000};
}  // namespace

Pool::Pool(int threads) : threads_(threads) {
    try {
        for (int i = 1; i < threads_; ++i) helpers_.emplace_back([this, i] { serve(i); });
    } catch (...) {
        stop();
        throw;
    }
}

Pool::~Pool() { stop(); }

void Pool::stop() {
    is_stopping_.store(true, std::memory_order_release);
    news_.set(news_.value() + 1);
    for (std::thread &helper : helpers_) helper.join();
    helpers_.clear();
}

void Pool::run(Phases &phases) {
    phases_ = &phases;
    is_over_.store(false, std::memory_order_relaxed);
    begin_phase();
    for (;;) {
        const uint32_t seen = news_.value();
        if (is_over_.load(std::memory_order_acquire)) return;
        work(0);
        news_.wait_while(seen, kPatience);
    }
}

void Pool::serve(int thread) {
    for (;;) {
        const uint32_t seen = news_.value();
        if (is_stopping_.load(std::memory_order_acquire)) return;
        work(thread);
        news_.wait_while(seen, kPatience);
    }
}

void Pool::work(int thread) {
    int64_t done = 0;
    for (;;) {
        int64_t left = undrawn_.load(std::memory_order_acquire);
        while (left > 0 && !undrawn_.compare_exchange_weak(left, left - 1, std::memory_order_acquire)) {
        }
        if (left > 0) {
            // The phase cannot end before this task is counted below, so all that it reads stays as it is. That `left` may have been
            // read in an earlier phase does no harm: the exchange found the number that it is now.
            phases_->run_task(tasks_ - left, thread);
            ++done;
        } else {
            if (!done) return;
            if (unfinished_.fetch_sub(done, std::memory_order_acq_rel) == done) begin_phase();
            done = 0;
        }
    }
}

void Pool::begin_phase() {
    do tasks_ = phases_->between();
    while (!tasks_);
    if (tasks_ > 0) {
        unfinished_.store(tasks_, std::memory_order_relaxed);
        undrawn_.store(tasks_, std::memory_order_release);
    } else {
        is_over_.store(true, std::memory_order_release);
    }
    news_.set(news_.value() + 1);
}

}  // namespace pio
