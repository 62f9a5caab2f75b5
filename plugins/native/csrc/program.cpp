#include "program.h"

#include <math.h>

#include "error.h"
#include "kernels.h"
#include "packing.h"

namespace pio {

namespace {

constexpr int64_t kMostItems = 1 << 20, kMostWidth = 1 << 24;

const char *kind_name(int32_t kind) {
    static const char *const names[] = {"",      "EMBED", "RMS_NORM", "LINEAR", "ROPE",  "ATTENTION",
                                        "GATED", "ADD",   "SCALE",    "COPY",   "LOGITS"};
    return kind >= PIO_EMBED && kind <= PIO_LOGITS ? names[kind] : "unknown";
}

// Checks one operation; every failure says which it is.
class OperationCheck {
public:
    OperationCheck(const Program &program, size_t index) : program_(program), index_(index), op_(program.operations[index]) {}

    void run() const {
        switch (op_.kind) {
            case PIO_EMBED:
                finite(op_.scale, "scale");
                output(weight().columns);
                return;
            case PIO_RMS_NORM:
                positive(op_.heads, "heads");
                positive(op_.width, "width");
                require(op_.epsilon >= 0 && isfinite(op_.epsilon), "epsilon must be a number, 0 or more");
                require(vector_length() == op_.width, "the vector must have `width` values");
                input((int64_t)op_.heads * op_.width);
                output((int64_t)op_.heads * op_.width);
                return;
            case PIO_LINEAR:
                product();
                output(weight().rows);
                require(op_.in != op_.out, "a product cannot be in place");
                return;
            case PIO_ROPE: rope(); return;
            case PIO_ATTENTION: attention(); return;
            case PIO_GATED:
                require(op_.mode == PIO_SILU || op_.mode == PIO_GELU_TANH, "mode is no activation");
                positive(op_.width, "width");
                input((int64_t)2 * op_.width);
                output(op_.width);
                return;
            case PIO_ADD:
            case PIO_COPY:
                finite(op_.scale, "scale");
                positive(op_.width, "width");
                input(op_.width);
                output(op_.width);
                return;
            case PIO_SCALE:
                finite(op_.scale, "scale");
                positive(op_.width, "width");
                output(op_.width);
                return;
            case PIO_LOGITS:
                require(index_ + 1 == program_.operations.size(), "it must be the last operation");
                finite(op_.scale, "scale");
                cap();
                product();
                return;
            default: require(false, "there is no such kind");
        }
    }

private:
    [[noreturn]] void refuse(const char *why) const {
        fail(PIO_E_ARGUMENT, "operation %zu (%s): %s", index_, kind_name(op_.kind), why);
    }
    void require(bool holds, const char *why) const {
        if (!holds) refuse(why);
    }
    void finite(float x, const char *name) const {
        if (!isfinite(x)) fail(PIO_E_ARGUMENT, "operation %zu (%s): %s is not finite", index_, kind_name(op_.kind), name);
    }
    void positive(int32_t x, const char *name) const {
        if (x < 1) fail(PIO_E_ARGUMENT, "operation %zu (%s): %s must be 1 or more", index_, kind_name(op_.kind), name);
    }
    void columns(int32_t buffer, int32_t first, int64_t width, const char *which) const {
        if (buffer < 0 || (size_t)buffer >= program_.buffer_widths.size())
            fail(PIO_E_ARGUMENT, "operation %zu (%s): %s names no buffer", index_, kind_name(op_.kind), which);
        if (first < 0 || width > program_.buffer_widths[(size_t)buffer] - first)
            fail(PIO_E_ARGUMENT, "operation %zu (%s): %s covers columns %d to %lld of a buffer of %lld", index_,
                 kind_name(op_.kind), which, first, (long long)(first + width),
                 (long long)program_.buffer_widths[(size_t)buffer]);
    }
    void input(int64_t width) const { columns(op_.in, op_.in_column, width, "in"); }
    void output(int64_t width) const { columns(op_.out, op_.out_column, width, "out"); }
    const pio_weight &weight() const {
        require(op_.weight >= 0 && (size_t)op_.weight < program_.weights.size(), "weight names none");
        return program_.weight(op_);
    }
    int64_t vector_length() const {
        require(op_.vector >= 0 && (size_t)op_.vector < program_.vectors.size(), "vector names none");
        return (int64_t)program_.vectors[(size_t)op_.vector].size();
    }
    void cap() const { require(op_.softcap >= 0 && isfinite(op_.softcap), "softcap must be a number, 0 or more"); }
    void product() const {
        input(weight().columns);
        if (op_.vector != -1) require(vector_length() == weight().rows, "the bias must have a value per row of the weight");
    }
    void rope() const {
        positive(op_.heads, "heads");
        positive(op_.width, "width");
        require(op_.mode == PIO_PAIR_HALVES || op_.mode == PIO_PAIR_INTERLEAVED, "mode is no pairing");
        require(op_.table >= 0 && (size_t)op_.table < program_.tables.size(), "table names none");
        require((int64_t)program_.tables[(size_t)op_.table].size() * 2 <= op_.width, "the table has more than C / 2 frequencies");
        output((int64_t)op_.heads * op_.width);
    }
    void attention() const {
        require(op_.layer >= 0 && (size_t)op_.layer < program_.layers.size(), "layer names none");
        for (size_t other = 0; other < index_; ++other)
            require(program_.operations[other].kind != PIO_ATTENTION || program_.operations[other].layer != op_.layer,
                    "two operations cannot share a layer's cache");
        const pio_layer &layer = program_.layers[(size_t)op_.layer];
        positive(op_.heads, "heads");
        require(op_.heads % layer.kv_heads == 0, "heads must be a multiple of the layer's kv_heads");
        finite(op_.scale, "scale");
        cap();
        require(op_.in != op_.out, "attention cannot be in place");
        input((int64_t)op_.heads * layer.width);
        columns(op_.in, op_.key_column, (int64_t)layer.kv_heads * layer.width, "keys");
        columns(op_.in, op_.value_column, (int64_t)layer.kv_heads * layer.width, "values");
        output((int64_t)op_.heads * layer.width);
    }

    const Program &program_;
    size_t index_;
    const pio_operation &op_;
};

template <class T> void check_count(const T *items, int32_t count, const char *name) {
    if (count < 0 || count > kMostItems || (count && !items))
        fail(PIO_E_ARGUMENT, "%s: %d of them, or a null pointer", name, count);
}

std::vector<float> copy_vector(const pio_vector &given, const char *name) {
    if (!given.data || given.length < 1 || given.length > kMostWidth)
        fail(PIO_E_ARGUMENT, "%s is empty, null or too long", name);
    return {given.data, given.data + given.length};
}

void check_layer(const pio_layer &layer) {
    if (layer.kv_heads < 1 || layer.kv_heads > 65536 || layer.window < 0)
        fail(PIO_E_ARGUMENT, "a layer needs 1 to 65536 kv_heads and a window of 0 or more");
    if (layer.width < 16 || layer.width > kMaxHeadWidth || layer.width % 16)
        fail(PIO_E_UNSUPPORTED, "head width %d is no multiple of 16 from 16 to %lld", layer.width, (long long)kMaxHeadWidth);
}

}  // namespace

int64_t Program::logits_width() const {
    return !operations.empty() && operations.back().kind == PIO_LOGITS ? weight(operations.back()).rows : 0;
}

int64_t Program::vocabulary() const {
    int64_t smallest = INT64_MAX;
    for (const pio_operation &op : operations)
        if (op.kind == PIO_EMBED && weight(op).rows < smallest) smallest = weight(op).rows;
    return smallest;
}

Program build_program(const pio_program &given) {
    check_count(given.buffer_widths, given.n_buffers, "buffers");
    check_count(given.operations, given.n_operations, "operations");
    check_count(given.weights, given.n_weights, "weights");
    check_count(given.vectors, given.n_vectors, "vectors");
    check_count(given.tables, given.n_tables, "tables");
    check_count(given.layers, given.n_layers, "layers");
    Program program;
    for (int32_t i = 0; i < given.n_buffers; ++i) {
        if (given.buffer_widths[i] < 1 || given.buffer_widths[i] > kMostWidth)
            fail(PIO_E_ARGUMENT, "buffer %d has a width of %d", i, given.buffer_widths[i]);
        program.buffer_widths.push_back(given.buffer_widths[i]);
    }
    for (int32_t i = 0; i < given.n_weights; ++i) {
        program.layouts.push_back(check_weight(given.weights[i]));
        program.weights.push_back(given.weights[i]);
    }
    for (int32_t i = 0; i < given.n_vectors; ++i) program.vectors.push_back(copy_vector(given.vectors[i], "a vector"));
    for (int32_t i = 0; i < given.n_tables; ++i) program.tables.push_back(copy_vector(given.tables[i], "a rotary table"));
    for (int32_t i = 0; i < given.n_layers; ++i) {
        check_layer(given.layers[i]);
        program.layers.push_back(given.layers[i]);
    }
    program.operations.assign(given.operations, given.operations + given.n_operations);
    for (size_t i = 0; i < program.operations.size(); ++i) OperationCheck(program, i).run();
    return program;
}

}  // namespace pio
