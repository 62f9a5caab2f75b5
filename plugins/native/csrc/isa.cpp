#include "isa.h"

#include <stdlib.h>
#include <string.h>

#include "error.h"

#if defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace pio {

namespace {

const char *const kVariable = "INFERENCE_PIO_NATIVE_ISA";
const char *const kNames[] = {"auto", "plain", "avx2", "avx512", "avx512vnni", "neon"};
constexpr int32_t kCount = 6;
// Best last.
constexpr int32_t kOrder[] = {PIO_ISA_PLAIN, PIO_ISA_NEON, PIO_ISA_AVX2, PIO_ISA_AVX512, PIO_ISA_AVX512VNNI};

bool cpu_has(int32_t isa) {
    if (isa == PIO_ISA_PLAIN) return true;
#if defined(__x86_64__)
    __builtin_cpu_init();  // which also asks whether the system saves the wide registers
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    if (isa == PIO_ISA_AVX2) return avx2;
    if (isa == PIO_ISA_AVX512) return avx512;
    if (isa == PIO_ISA_AVX512VNNI) return avx512 && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__) && defined(__linux__)
    if (isa == PIO_ISA_NEON) {
        const unsigned long caps = getauxval(AT_HWCAP);
        return (caps & HWCAP_ASIMDDP) && (caps & HWCAP_ASIMDHP);
    }
#elif defined(__aarch64__) && defined(__APPLE__)
    if (isa == PIO_ISA_NEON) return true;  // every Apple silicon has both
#endif
    return false;
}

int32_t resolve(int32_t isa) {
    const char *asked_by = "";
    if (isa == PIO_ISA_AUTO) {
        const char *name = getenv(kVariable);
        if (name && *name) {
            asked_by = " ($INFERENCE_PIO_NATIVE_ISA)";
            isa = -1;
            for (int32_t i = 0; i < kCount; ++i)
                if (!strcmp(name, kNames[i])) isa = i;
            if (isa < 0)
                fail(PIO_E_CPU, "%s=%.40s names no instruction set; plain, avx2, avx512, avx512vnni and neon are known", kVariable,
                     name);
        }
    }
    if (isa == PIO_ISA_AUTO) {
        for (int32_t candidate : kOrder)
            if (cpu_has(candidate)) isa = candidate;
    } else if (isa < 0 || isa >= kCount) {
        fail(PIO_E_CPU, "there is no instruction set number %d", isa);
    } else if (!cpu_has(isa)) {
        fail(PIO_E_CPU, "this CPU, or the build, lacks %s%s", kNames[isa], asked_by);
    }
    return isa;
}

}  // namespace

const Kernels &kernels_of(int32_t isa) {
    switch (resolve(isa)) {
#if defined(__x86_64__)
        case PIO_ISA_AVX2: return *avx2_kernels();
        case PIO_ISA_AVX512: return *avx512_kernels();
        case PIO_ISA_AVX512VNNI: return *avx512vnni_kernels();
#elif defined(__aarch64__)
        case PIO_ISA_NEON: return *neon_kernels();
#endif
        default: return *plain_kernels();
    }
}

}  // namespace pio

extern "C" {

int32_t pio_resolve_isa(int32_t isa, int32_t *resolved) {
    return pio::guarded([&] {
        if (!resolved) pio::fail(PIO_E_ARGUMENT, "resolved is null");
        *resolved = pio::kernels_of(isa).isa;
    });
}

const char *pio_isa_name(int32_t isa) { return isa >= 0 && isa < pio::kCount ? pio::kNames[isa] : "unknown"; }
}
