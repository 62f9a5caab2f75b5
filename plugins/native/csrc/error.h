// Failures inside are exceptions; the C interface turns them into a code and a line of text.
#pragma once
#include <stdint.h>

#include <string>

namespace pio {

struct Failure {
    int32_t code;
    std::string text;
};

[[noreturn]] void fail(int32_t code, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Keeps a failure's text for pio_last_error and returns its code.
int32_t remember(const Failure &failure);

// Runs `body` and returns PIO_OK, or remembers what it threw.
template <class Body> int32_t guarded(Body body);

}  // namespace pio

#include <new>
#include <system_error>

#include "pio_native.h"

namespace pio {

template <class Body> int32_t guarded(Body body) {
    try {
        body();
        return PIO_OK;
    } catch (const Failure &failure) {
        return remember(failure);
    } catch (const std::bad_alloc &) {
        return remember({PIO_E_MEMORY, "out of memory"});
    } catch (const std::system_error &error) {
        return remember({PIO_E_THREADS, std::string("the system refused a thread: ") + error.what()});
    } catch (...) {  // what a container throws for a size beyond all memory
        return remember({PIO_E_MEMORY, "no memory"});
    }
}

}  // namespace pio
