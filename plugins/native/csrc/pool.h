// Threads that run the phases of a step together.
#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "signal.h"

namespace pio {

// One phase: tasks [0, count) in any order on any thread; what must come between phases runs on one thread, in `between`.
class Phases {
public:
    virtual ~Phases() = default;
    // Runs on one thread while the others wait: does what one thread does alone, and returns the number of tasks of the next phase, or -1
    // when there is none.
    virtual int64_t between() = 0;
    virtual void run_task(int64_t task, int thread) = 0;
};

class Pool {
public:
    // Throws std::system_error where the system refuses a thread; none is left behind then.
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // Runs all phases on all threads, the caller's among them; returns when they are done. One call at a time.
    void run(Phases &phases);

    int threads() const { return threads_; }

private:
    // The last thread to arrive runs phases_->between() and lets the others go: a phase costs one barrier, and work of one thread
    // between two phases none.
    void arrive();
    void work(int thread);
    void serve(int thread);
    void stop();

    const int threads_;
    Phases *phases_ = nullptr;
    int64_t tasks_ = 0;
    alignas(64) std::atomic<int64_t> next_task_{0};
    alignas(64) std::atomic<int> arrived_{0};
    Signal round_;    // one more at each barrier
    Signal job_;      // one more at each run, and at the end
    Signal working_;  // helpers that are inside the current run, counted down to 0
    std::atomic<int> helpers_left_{0};
    bool stopping_ = false;
    std::vector<std::thread> helpers_;
};

}  // namespace pio
