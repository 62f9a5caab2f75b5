// A number that threads wait on: they spin briefly, then sleep, and use no CPU from then on.
#pragma once
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
        // Sequentially consistent against wait_while(): either this thread sees the sleeper or the sleeper sees the value.
        value_.store(value, std::memory_order_seq_cst);
        if (!has_sleepers_.load(std::memory_order_seq_cst)) return;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            has_sleepers_.store(false, std::memory_order_relaxed);  // they are woken once, however long they take to come
        }
        changed_.notify_all();
    }

    // Returns when the value is no longer `old`. Sleeps after `patience`. It does not yield in between: on a core that another process
    // wants, too, sched_yield() gives away milliseconds, and this thread is wanted in microseconds.
    void wait_while(uint32_t old, std::chrono::microseconds patience) {
        const auto limit = std::chrono::steady_clock::now() + patience;
        do {
            for (int i = 0; i < kPauses; ++i) {
                if (value() != old) return;
                relax();
            }
        } while (std::chrono::steady_clock::now() < limit);
        std::unique_lock<std::mutex> lock(mutex_);
        for (;;) {
            has_sleepers_.store(true, std::memory_order_seq_cst);
            if (value_.load(std::memory_order_seq_cst) != old) return;
            changed_.wait(lock);
        }
    }

private:
    static constexpr int kPauses = 100;  // some microseconds

    // A cache line of its own: spinning on it must not slow its neighbours.
    alignas(64) std::atomic<uint32_t> value_{0};
    std::atomic<bool> has_sleepers_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
};

}  // namespace pio
