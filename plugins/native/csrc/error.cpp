#include "error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

namespace pio {

namespace {
// Plain bytes: a thread-local std::string would need a destructor at thread exit, and may throw when assigned.
thread_local char last_error[512];
}  // namespace

void fail(int32_t code, const char *format, ...) {
    char text[sizeof last_error];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    throw Failure{code, text};
}

int32_t remember(const Failure &failure) {
    snprintf(last_error, sizeof last_error, "%s", failure.text.c_str());
    return failure.code;
}

}  // namespace pio

extern "C" {

int32_t pio_abi_version(void) { return PIO_ABI_VERSION; }

const char *pio_last_error(void) { return pio::last_error; }
}
