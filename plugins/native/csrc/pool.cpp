#include "pool.h"

namespace pio {

namespace {
// Within a step the others need microseconds, unless one has lost its core. Between two steps the caller samples and detokenizes.
constexpr std::chrono::microseconds kBarrierPatience{200}, kIdlePatience{300};
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
    stopping_ = true;
    job_.set(job_.value() + 1);
    for (std::thread &helper : helpers_) helper.join();
    helpers_.clear();
}

void Pool::run(Phases &phases) {
    phases_ = &phases;
    tasks_ = phases.between();
    if (tasks_ < 0) return;
    next_task_.store(0, std::memory_order_relaxed);
    helpers_left_.store(threads_ - 1, std::memory_order_relaxed);
    const uint32_t ended = working_.value();
    job_.set(job_.value() + 1);
    work(0);
    // A helper may still be on its way out of the last barrier; the next run must not begin before.
    if (threads_ > 1) working_.wait_while(ended, kBarrierPatience);
}

void Pool::serve(int thread) {
    uint32_t seen = 0;
    for (;;) {
        job_.wait_while(seen, kIdlePatience);
        seen = job_.value();
        if (stopping_) return;
        work(thread);
        if (helpers_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) working_.set(working_.value() + 1);
    }
}

void Pool::work(int thread) {
    while (tasks_ >= 0) {
        for (;;) {
            const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
            if (task >= tasks_) break;
            phases_->run_task(task, thread);
        }
        arrive();
    }
}

void Pool::arrive() {
    const uint32_t round = round_.value();
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < threads_) {
        round_.wait_while(round, kBarrierPatience);
        return;
    }
    arrived_.store(0, std::memory_order_relaxed);
    next_task_.store(0, std::memory_order_relaxed);
    tasks_ = phases_->between();
    round_.set(round + 1);
}

}  // namespace pio
