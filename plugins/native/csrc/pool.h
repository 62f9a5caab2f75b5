// Threads that run the phases of a step together.
#pragma once
#include <atomic>
#include <thread>
#include <vector>

#include "signal.h"

namespace pio {

// A step as a sequence of phases, each of so many tasks that may run in any order on any thread.
class Phases {
public:
    virtual ~Phases() = default;
    // Runs on one thread when all tasks of the phase before are done: does what one thread does alone, and returns the number of tasks
    // of the next phase, or -1 when there is none.
    virtual int64_t between() = 0;
    virtual void run_task(int64_t task, int thread) = 0;
};

// Nobody waits for a thread, only for tasks that a thread has begun: one that comes late, because another process has its core,
// finds nothing to do, and costs nothing.
class Pool {
public:
    // Throws std::system_error where the system refuses a thread; none is left behind then.
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool &) = delete;
    Pool &operator=(const Pool &) = delete;

    // Runs all phases, the caller's thread among them; returns when they are done. One call at a time.
    void run(Phases &phases);

    int threads() const { return threads_; }

private:
    // Runs tasks until none is left to draw. Whoever finishes the last one of a phase begins the next.
    void work(int thread);
    void begin_phase();
    void serve(int thread);
    void stop();

    const int threads_;
    // Written between two phases, when no task is under way; read by those who hold a task.
    Phases *phases_ = nullptr;
    int64_t tasks_ = 0;
    alignas(64) std::atomic<int64_t> undrawn_{0};     // tasks of this phase that nobody has begun
    alignas(64) std::atomic<int64_t> unfinished_{0};  // tasks of this phase whose results are not there
    std::atomic<bool> is_over_{true}, is_stopping_{false};
    Signal news_;  // one more at each phase, at the end of a run and at the end of all
    std::vector<std::thread> helpers_;
};

}  // namespace pio
