// Drives the kernels through their C interface alone, without Python: for sanitizers that a Python process does not carry, and for
// CPUs that only an emulator has here. Compares every instruction set with plain C++, then starts, uses and stops engines from several
// threads. Prints a line for each part; the exit code is the number of faults, 1 at most.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include "../csrc/pio_native.h"

namespace {

std::atomic<int> faults{0};

void check(bool holds, const char *what, const char *detail = "") {
    if (holds) return;
    ++faults;
    fprintf(stderr, "FAULT: %s %s (last error: %s)\n", what, detail, pio_last_error());
}

struct Bytes {
    explicit Bytes(size_t n) : size(n) {
        if (posix_memalign((void **)&data, PIO_ALIGNMENT, n + PIO_ALIGNMENT)) abort();
        memset(data, 0, n);
    }
    Bytes(Bytes &&other) noexcept : data(other.data), size(other.size) { other.data = nullptr; }
    Bytes(const Bytes &) = delete;
    ~Bytes() { free(data); }
    uint8_t *data = nullptr;
    size_t size;
};

struct Source {
    int32_t number;
    const char *name;
    int64_t block_values, block_bytes, first_scale, second_scale;  // second: -1 for none
};
const Source kSources[] = {
    {PIO_SOURCE_Q4_0, "Q4_0", 32, 18, 0, -1},    {PIO_SOURCE_Q4_1, "Q4_1", 32, 20, 0, 2},   {PIO_SOURCE_Q5_0, "Q5_0", 32, 22, 0, -1},
    {PIO_SOURCE_Q5_1, "Q5_1", 32, 24, 0, 2},     {PIO_SOURCE_Q8_0, "Q8_0", 32, 34, 0, -1},  {PIO_SOURCE_Q4_K, "Q4_K", 256, 144, 0, 2},
    {PIO_SOURCE_Q5_K, "Q5_K", 256, 176, 0, 2},   {PIO_SOURCE_Q6_K, "Q6_K", 256, 210, 208, -1}, {PIO_SOURCE_F16, "F16", 1, 2, 0, -1},
    {PIO_SOURCE_BF16, "BF16", 1, 2, 0, -1},      {PIO_SOURCE_F32, "F32", 1, 4, 0, -1},
};

struct Weight {
    Bytes memory;
    pio_weight view;
};

// Random integers with scales of about 0.01.
Weight random_weight(const Source &source, int64_t rows, int64_t columns, uint32_t seed) {
    std::mt19937 chance(seed);
    std::uniform_real_distribution<float> spread(-1, 1);
    const int64_t blocks = rows * columns / source.block_values;
    std::vector<uint8_t> stored((size_t)(blocks * source.block_bytes));
    for (uint8_t &byte : stored) byte = (uint8_t)chance();
    for (int64_t b = 0; b < blocks; ++b) {
        uint8_t *block = stored.data() + b * source.block_bytes;
        const uint16_t half = (uint16_t)(0x2000 | (chance() & 0x83ff)), bfloat = (uint16_t)(0x3c00 | (chance() & 0x80ff));
        const float value = spread(chance);
        if (source.number == PIO_SOURCE_F32) memcpy(block, &value, 4);
        else memcpy(block + source.first_scale, source.number == PIO_SOURCE_BF16 ? &bfloat : &half, 2);
        if (source.second_scale >= 0) memcpy(block + source.second_scale, &half, 2);
    }
    int32_t format = 0;
    int64_t n_bytes = 0;
    check(!pio_format_of(source.number, &format) && !pio_weight_bytes(format, rows, columns, &n_bytes), "sizes of", source.name);
    Weight weight{Bytes((size_t)n_bytes), {}};
    weight.view = {format, 0, rows, columns, weight.memory.data, n_bytes};
    check(!pio_pack(source.number, stored.data(), (int64_t)stored.size(), rows, columns, format, weight.memory.data, n_bytes, rows, 0),
          "packing", source.name);
    return weight;
}

std::vector<float> random_floats(size_t n, uint32_t seed) {
    std::mt19937 chance(seed);
    std::normal_distribution<float> normal;
    std::vector<float> x(n);
    for (float &value : x) value = normal(chance);
    return x;
}

// Greatest difference over greatest magnitude; infinite where one is no number.
float difference(const std::vector<float> &a, const std::vector<float> &b) {
    float worst = 0, top = 1e-30f;
    for (size_t i = 0; i < a.size(); ++i) {
        if (!isfinite(a[i]) || !isfinite(b[i])) return INFINITY;
        worst = fmaxf(worst, fabsf(a[i] - b[i]));
        top = fmaxf(top, fabsf(b[i]));
    }
    return worst / top;
}

std::vector<int32_t> instruction_sets() {
    std::vector<int32_t> found;
    for (int32_t isa = PIO_ISA_PLAIN; isa <= PIO_ISA_NEON; ++isa) {
        int32_t resolved;
        if (!pio_resolve_isa(isa, &resolved)) found.push_back(isa);
    }
    return found;
}

void compare_products(int32_t isa) {
    const int64_t rows = 41, columns = 512;
    for (const Source &source : kSources) {
        const Weight weight = random_weight(source, rows, columns, 1);
        std::vector<float> whole;
        for (int64_t tokens : {33, 1, 2, 3, 7, 8, 9}) {
            const std::vector<float> x = random_floats((size_t)(33 * columns), 2);
            std::vector<float> ours((size_t)(tokens * rows)), plain(ours.size());
            check(!pio_product(isa, &weight.view, x.data(), tokens, ours.data(), (int64_t)ours.size()), "product of", source.name);
            check(!pio_product(PIO_ISA_PLAIN, &weight.view, x.data(), tokens, plain.data(), (int64_t)plain.size()), "product of",
                  source.name);
            check(difference(ours, plain) < 1e-5f, "products differ:", source.name);
            if (tokens == 33) whole = ours;
            check(!memcmp(whole.data(), ours.data(), ours.size() * 4), "a token's bits depend on others:", source.name);
        }
    }
    const std::vector<float> x = random_floats(64 * 5, 3);
    std::vector<int8_t> q[2];
    std::vector<float> scales[2];
    std::vector<int32_t> sums[2];
    for (int i = 0; i < 2; ++i) {
        q[i].resize(320), scales[i].resize(10), sums[i].resize(10);
        check(!pio_quantize(i ? PIO_ISA_PLAIN : isa, x.data(), 5, 64, q[i].data(), scales[i].data(), sums[i].data()), "quantizing");
    }
    check(q[0] == q[1] && scales[0] == scales[1] && sums[0] == sums[1], "activations are quantized otherwise");
}

// A decoder of two layers, one of them sliding, with every kind of operation.
class Decoder {
public:
    static constexpr int32_t kWidth = 64, kHeads = 3, kHead = 32, kHidden = 96, kRows = 70;

    Decoder() {
        const Source &embedding = kSources[4], &matrix = kSources[1];
        add_weight(random_weight(embedding, kRows, kWidth, 4));
        norm_ = std::vector<float>((size_t)kWidth, 1.5f);
        head_norm_ = std::vector<float>((size_t)kHead, 0.5f);
        for (int i = 0; i < kHead / 2; ++i) frequencies_.push_back(powf(1000, (float)-i / 16));
        operation(PIO_EMBED, -1, kX).weight = 0;
        for (int32_t layer = 0; layer < 2; ++layer) {
            norm(kX, kNormed, kWidth, 1, 0);
            product(kNormed, kQkv, matrix, 5 * kHead, kWidth);
            norm(kQkv, kQkv, kHead, kHeads, 1);
            pio_operation &rope = operation(PIO_ROPE, -1, kQkv);
            rope.heads = kHeads + 1, rope.width = kHead, rope.table = 0, rope.mode = layer;
            pio_operation &attention = operation(PIO_ATTENTION, kQkv, kAttended);
            attention.heads = kHeads, attention.key_column = kHeads * kHead, attention.value_column = (kHeads + 1) * kHead;
            attention.layer = layer, attention.scale = 0.2f, attention.softcap = layer ? 20.0f : 0.0f;
            product(kAttended, kNormed, kSources[2], kWidth, kHeads * kHead);
            operation(PIO_ADD, kNormed, kX).width = kWidth;
            product(kX, kUp, matrix, 2 * kHidden, kWidth);
            pio_operation &gate = operation(PIO_GATED, kUp, kGated);
            gate.width = kHidden, gate.mode = layer;
            product(kGated, kNormed, kSources[8], kWidth, kHidden);
            operation(PIO_ADD, kNormed, kX).width = kWidth;
        }
        operation(PIO_SCALE, -1, kX).width = kWidth;
        operation(PIO_COPY, kX, kNormed).width = kWidth;
        pio_operation &logits = operation(PIO_LOGITS, kNormed, -1);
        logits.weight = 0, logits.softcap = 30;
    }

    pio_engine *engine(int32_t isa, int32_t threads) const {
        static const int32_t widths[] = {kWidth, kWidth, 5 * kHead, kHeads * kHead, 2 * kHidden, kHidden};
        const pio_layer layers[] = {{1, kHead, 20, 0}, {1, kHead, 0, 0}};
        const pio_vector vectors[] = {{norm_.data(), kWidth}, {head_norm_.data(), kHead}};
        const pio_vector table = {frequencies_.data(), (int64_t)frequencies_.size()};
        std::vector<pio_weight> views;
        for (const Weight &weight : weights_) views.push_back(weight.view);
        const pio_program program = {widths, operations_.data(), views.data(), vectors, &table, layers, 6,
                                     (int32_t)operations_.size(), (int32_t)views.size(), 2, 1, 2};
        const pio_engine_options options = {isa, threads, PIO_CACHE_F16, 64};
        pio_engine *engine = nullptr;
        check(!pio_engine_create(&program, &options, &engine) && !pio_engine_allocate(engine, 3, 700, 0), "an engine");
        return engine;
    }

private:
    enum { kX, kNormed, kQkv, kAttended, kUp, kGated };

    pio_operation &operation(int32_t kind, int32_t in, int32_t out) {
        pio_operation op = {};
        op.kind = kind, op.in = in, op.out = out, op.weight = op.vector = op.table = op.layer = -1, op.scale = 1;
        operations_.push_back(op);
        return operations_.back();
    }
    void norm(int32_t in, int32_t out, int32_t width, int32_t heads, int32_t vector) {
        pio_operation &op = operation(PIO_RMS_NORM, in, out);
        op.width = width, op.heads = heads, op.vector = vector, op.epsilon = 1e-5f;
    }
    void product(int32_t in, int32_t out, const Source &source, int64_t rows, int64_t columns) {
        add_weight(random_weight(source, rows, columns, (uint32_t)weights_.size()));
        operation(PIO_LINEAR, in, out).weight = (int32_t)weights_.size() - 1;
    }
    void add_weight(Weight weight) { weights_.push_back(std::move(weight)); }

    std::vector<pio_operation> operations_;
    std::vector<Weight> weights_;
    std::vector<float> norm_, head_norm_, frequencies_;
};

// Logits of `tokens` tokens of slot 0 from its start, in pieces.
std::vector<float> run(pio_engine *engine, int64_t tokens, int64_t piece) {
    std::vector<float> logits((size_t)(tokens * Decoder::kRows));
    check(!pio_engine_free_slot(engine, 0), "freeing a slot");
    for (int64_t first = 0; first < tokens; first += piece) {
        const int64_t n = tokens - first < piece ? tokens - first : piece;
        std::vector<int64_t> ids, slots((size_t)n), positions, rows;
        for (int64_t i = 0; i < n; ++i) ids.push_back((first + i) * 7 % Decoder::kRows), positions.push_back(first + i), rows.push_back(i);
        const pio_batch batch = {ids.data(), slots.data(), positions.data(), rows.data(), n, n};
        check(!pio_engine_step(engine, &batch, logits.data() + first * Decoder::kRows, n * Decoder::kRows), "a step");
    }
    return logits;
}

void compare_decoders(const Decoder &decoder, int32_t isa) {
    pio_engine *ours = decoder.engine(isa, 2), *plain = decoder.engine(PIO_ISA_PLAIN, 1);
    const std::vector<float> whole = run(ours, 300, 300);
    check(difference(whole, run(plain, 300, 300)) < 2e-2f, "decoders differ");
    for (int64_t piece : {1, 17}) check(run(ours, 300, piece) == whole, "a prompt's bits depend on how it was cut");
    pio_engine_destroy(ours);
    pio_engine_destroy(plain);
}

void start_and_stop(const Decoder &decoder) {
    pio_engine *single = decoder.engine(PIO_ISA_AUTO, 1);
    const std::vector<float> expected = run(single, 20, 20), decoded = run(single, 20, 1);
    pio_engine_destroy(single);
    check(expected == decoded, "prefill and decode differ");
    auto work = [&] {
        for (int cycle = 0; cycle < 50; ++cycle) {
            pio_engine *engine = decoder.engine(PIO_ISA_AUTO, 1 + cycle % 4);
            if (cycle % 3) check(run(engine, 20, cycle % 5 ? 20 : 1) == expected, "threads change bits");
            pio_engine_destroy(engine);
        }
    };
    std::thread first(work), second(work);
    first.join();
    second.join();
}

void share_an_engine(const Decoder &decoder) {
    pio_engine *engine = decoder.engine(PIO_ISA_AUTO, 3);
    std::atomic<bool> done{false};
    std::thread other([&] {
        while (!done) {
            pio_engine_stats stats;
            const int32_t code = pio_engine_get_stats(engine, &stats);
            check(code == PIO_OK || code == PIO_E_BUSY, "a second caller");
            std::this_thread::sleep_for(std::chrono::microseconds(20));  // or the steps would be the ones refused, always
        }
    });
    for (int done_steps = 0; done_steps < 300;) {
        const int64_t token = 1, slot = 0, position = 0, row = 0;
        const pio_batch batch = {&token, &slot, &position, &row, 1, 1};
        float logits[Decoder::kRows];
        const int32_t code = pio_engine_step(engine, &batch, logits, Decoder::kRows);
        check(code == PIO_OK || code == PIO_E_BUSY, "a step beside a second caller");
        done_steps += code != PIO_E_BUSY;
    }
    done = true;
    other.join();
    pio_engine_destroy(engine);
}

}  // namespace

int main() {
    const Decoder decoder;
    for (int32_t isa : instruction_sets()) {
        if (isa != PIO_ISA_PLAIN) compare_products(isa);
        compare_decoders(decoder, isa);
        printf("%s: compared with plain\n", pio_isa_name(isa));
    }
    start_and_stop(decoder);
    printf("engines: started and stopped\n");
    share_an_engine(decoder);
    printf("an engine: shared\n");
    return faults ? 1 : 0;
}
