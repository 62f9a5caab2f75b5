// A number that threads wait on: they spin briefly, then sleep, and use no CPU from then on.
#pragma once
#include <sched.h>
#include <stdint.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

namespace pio {

static inline void relax() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

class Signal {
public:
    uint32_t value() const { return value_.load(std::memory_order_acquire); }

    // Only one thread at a time sets.
    void set(uint32_t value) {
        // Sequentially consistent against wait(): either this thread sees the sleeper or the sleeper sees the value.
        value_.store(value, std::memory_order_seq_cst);
        if (sleepers_.load(std::memory_order_seq_cst) == 0) return;
        { std::lock_guard<std::mutex> lock(mutex_); }
        changed_.notify_all();
    }

    // Returns when the value is no longer `old`: watches it for a moment, then lets other threads have the core between two looks,
    // for whoever is to set the value may be waiting for this very core, and sleeps after `patience`.
    void wait_while(uint32_t old, std::chrono::microseconds patience) {
        for (int i = 0; i < kPauses; ++i) {
            if (value() != old) return;
            relax();
        }
        const auto limit = std::chrono::steady_clock::now() + patience;
        do {
            if (value() != old) return;
            sched_yield();
        } while (std::chrono::steady_clock::now() < limit);
        std::unique_lock<std::mutex> lock(mutex_);
        sleepers_.fetch_add(1, std::memory_order_seq_cst);
        while (value_.load(std::memory_order_seq_cst) == old) changed_.wait(lock);
        sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    }

private:
    static constexpr int kPauses = 400;  // some 5 microseconds

    // A cache line of its own: spinning on it must not slow its neighbours.
    alignas(64) std::atomic<uint32_t> value_{0};
    std::atomic<uint32_t> sleepers_{0};
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace pio
