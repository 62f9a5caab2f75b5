/* The C interface of inference-pio's native CPU path.
 *
 * Everything a caller needs is here; nothing else of this folder is an interface. Rules that hold for every function:
 *
 *  - It returns PIO_OK (0) or a positive pio_code. After an error pio_last_error() holds one English line about it, kept
 *    per thread until the next failing call of that thread. No exception and no signal crosses this boundary.
 *  - Sizes and pointers are checked on entry, once a call. Data behind a pointer is trusted to be as long as stated.
 *  - All structs hold fixed-width fields in an order without padding on 64-bit platforms, so that ctypes can mirror them.
 *  - Counts of rows, columns and bytes are int64_t; indices into a program's tables are int32_t, and -1 is "none".
 *
 * Letters: M tokens in a step, K columns of a weight (input width), N rows of a weight (output width), C head width,
 * F width of a gated layer, V vocabulary, R rows whose logits are wanted.
 */
#ifndef PIO_NATIVE_H
#define PIO_NATIVE_H

#include <stdint.h>

#if defined(_WIN32)
#define PIO_API __declspec(dllexport)
#else
#define PIO_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Raised by one with every change of a struct, an enum value, a function or the packed layouts. The packed layouts are
 * the same for every ISA, so a file of packed weights is keyed by its source and this number alone. */
#define PIO_ABI_VERSION 2

typedef enum pio_code {
    PIO_OK = 0,
    PIO_E_ARGUMENT = 1,    /* a size, an index or a pointer is wrong */
    PIO_E_UNSUPPORTED = 2, /* a combination that no kernel computes: the caller falls back to another executor */
    PIO_E_MEMORY = 3,      /* an allocation failed */
    PIO_E_CPU = 4,         /* the requested ISA does not exist or this CPU lacks it */
    PIO_E_CONTEXT = 5,     /* a position outside the context, a gap in a sequence, a slot outside the slots */
    PIO_E_BUSY = 6,        /* another thread is inside this engine */
    PIO_E_FORKED = 7,      /* the engine was made before this process was forked: its threads are not here */
    PIO_E_THREADS = 8      /* the system refused to start a thread */
} pio_code;

PIO_API int32_t pio_abi_version(void);
PIO_API const char *pio_last_error(void);

/* ---- Instruction sets -------------------------------------------------------------------------------------------- */

typedef enum pio_isa {
    PIO_ISA_AUTO = 0, /* $INFERENCE_PIO_NATIVE_ISA where set, else the best that this CPU has */
    PIO_ISA_PLAIN = 1,
    PIO_ISA_AVX2 = 2,       /* and FMA, F16C */
    PIO_ISA_AVX512 = 3,     /* F, BW, DQ, VL */
    PIO_ISA_AVX512VNNI = 4, /* and VNNI */
    PIO_ISA_NEON = 5        /* ARMv8.2 with dotprod and fp16 */
} pio_isa;

/* Turn AUTO into what it stands for, and check any other. PIO_E_CPU with the reason when it cannot be had here. */
PIO_API int32_t pio_resolve_isa(int32_t isa, int32_t *resolved);
/* "avx512vnni", the spelling that $INFERENCE_PIO_NATIVE_ISA takes; "unknown" for a number that is none. */
PIO_API const char *pio_isa_name(int32_t isa);

/* ---- Weights ----------------------------------------------------------------------------------------------------- */

/* How a weight [N, K] lies in memory. Rows stand in blocks of PIO_BLOCK_ROWS (the last one filled up with zeros), columns in
 * groups of PIO_GROUP. Names: W + bits of the stored unsigned integer q + kind of scale:
 *   S   value = scale * (q - 2^(bits-1)), scale f16 per group            (W8_S: int8, no offset)
 *   SM  value = scale * q + min, both f16 per group
 *   K   value = (d * sc) * q - (dmin * m); d, dmin f16 per 256, sc, m one byte per group of 32  (Q4_K, Q5_K)
 *       W6_K: value = (d * sc) * (q - 32); sc int8 per 16                                       (Q6_K)
 * Bytes per weight: W4_S 0.5625, W4_SM 0.625, W4_K 0.578, W5_S 0.6875, W5_SM 0.75, W5_K 0.703, W6_K 0.82, W8_S 1.0625. */
typedef enum pio_format {
    PIO_F32 = 0,
    PIO_F16 = 1,
    PIO_BF16 = 2,
    PIO_W4_S = 10,  /* Q4_0 */
    PIO_W4_SM = 11, /* Q4_1 */
    PIO_W4_K = 12,  /* Q4_K */
    PIO_W5_S = 20,  /* Q5_0 */
    PIO_W5_SM = 21, /* Q5_1 */
    PIO_W5_K = 22,  /* Q5_K */
    PIO_W6_K = 30,  /* Q6_K */
    PIO_W8_S = 40   /* Q8_0 */
} pio_format;

/* What a checkpoint stores; the numbers are GGUF's. */
typedef enum pio_source {
    PIO_SOURCE_F32 = 0,
    PIO_SOURCE_F16 = 1,
    PIO_SOURCE_Q4_0 = 2,
    PIO_SOURCE_Q4_1 = 3,
    PIO_SOURCE_Q5_0 = 6,
    PIO_SOURCE_Q5_1 = 7,
    PIO_SOURCE_Q8_0 = 8,
    PIO_SOURCE_Q4_K = 12,
    PIO_SOURCE_Q5_K = 13,
    PIO_SOURCE_Q6_K = 14,
    PIO_SOURCE_BF16 = 30
} pio_source;

#define PIO_BLOCK_ROWS 16
#define PIO_GROUP 32
#define PIO_MOST_THREADS 256
#define PIO_PAGE_TOKENS 256 /* of a sequence, whose keys and values a layer's cache takes memory for at once */
#define PIO_ALIGNMENT 64 /* bytes; of packed weights in memory. A file keeps it by placing each weight at a multiple. */

/* A packed weight; `data` is borrowed and must outlive every engine that was given it (it may be a mapped file). */
typedef struct pio_weight {
    int32_t format;  /* pio_format */
    int32_t padding; /* 0 */
    int64_t rows;    /* N */
    int64_t columns; /* K */
    const void *data;
    int64_t n_bytes; /* at least pio_weight_bytes(); PIO_ALIGNMENT-aligned data */
} pio_weight;

/* The format that holds a source's values exactly in the fewest bytes. */
PIO_API int32_t pio_format_of(int32_t source, int32_t *format);
/* PIO_E_UNSUPPORTED where the format cannot hold so many columns (a multiple of 32; of 256 for K kinds; any for F*). */
PIO_API int32_t pio_weight_bytes(int32_t format, int64_t rows, int64_t columns, int64_t *n_bytes);

/* Pack rows of a checkpoint's tensor into rows [first_row, first_row + rows) of a weight of `total_rows` rows.
 *
 * `source` rows lie one after another as the checkpoint has them, `source_bytes` in all. Zero `target` before the first call
 * (filling rows, and what no call writes, must be 0). Calls on different rows may run at once, so several threads may share
 * one weight, and stacked tensors (query, key, value) become one weight. Allowed pairs: pio_format_of(source), exact; any
 * of F32, F16, BF16 into W8_S or W4_SM, which rounds: measure the loss with pio_unpack. */
PIO_API int32_t pio_pack(int32_t source, const void *source_data, int64_t source_bytes, int64_t rows, int64_t columns,
                         int32_t format, void *target, int64_t target_bytes, int64_t total_rows, int64_t first_row);

/* Values of rows [first_row, first_row + rows), float32 [rows, K]: bit for bit what dequantizing the source gives. */
PIO_API int32_t pio_unpack(const pio_weight *weight, int64_t first_row, int64_t rows, float *out, int64_t out_values);

/* ---- Single kernels, on the calling thread (for tests and measurements) -------------------------------------------- */

/* Quantize x [M, K], K a multiple of 32, to int8 in groups of 32: scale = max |x| / 127, q = x / scale rounded to nearest even.
 * `scales` float32 [M, K/32], `sums` int32 [M, K/32] (of q, for minimums). Groups with max |x| < 1e-30 become zeros;
 * a group with an infinity or a NaN gets the scale NaN, so that every product with it is NaN. */
PIO_API int32_t pio_quantize(int32_t isa, const float *x, int64_t tokens, int64_t columns, int8_t *q, float *scales,
                             int32_t *sums);

/* out [M, N] = x [M, K] times the transposed weight. Quantized formats quantize x first; F* compute in float32. Row t of the
 * result depends on row t of x alone, to the bit, whatever M is. */
PIO_API int32_t pio_product(int32_t isa, const pio_weight *weight, const float *x, int64_t tokens, float *out,
                            int64_t out_values);

/* ---- Programs ---------------------------------------------------------------------------------------------------- */

/* A program is a flat list of operations on float32 buffers [M, width of the buffer]; every operation names buffers by index and
 * ranges of their columns by a first column and a width. Operations run in order. `out` may equal `in` where noted. */
typedef enum pio_operation_kind {
    /* out[:, out_column : +K] = scale * row `token` of `weight` (any format; K = weight columns). */
    PIO_EMBED = 1,
    /* For each of `heads` pieces of `width` columns from in_column / out_column on: x / sqrt(mean(x^2) + epsilon) * vector.
     * heads = 1 for a whole row; heads = H with width = C for query or key heads. In place allowed. */
    PIO_RMS_NORM = 2,
    /* out[:, out_column : +N] = in[:, in_column : +K] W^T (+ vector, of N values, unless -1). Not in place. */
    PIO_LINEAR = 3,
    /* In place on `out` from out_column on: `heads` heads of `width` = C columns, rotated by position * frequency of `table`, which
     * holds P <= C/2 frequencies: the first 2P columns of a head turn, the rest stay. mode: pio_pairing. */
    PIO_ROPE = 4,
    /* Append key and value of every token to the cache of `layer`, then attend. Query heads from in_column, keys from key_column,
     * values from value_column of buffer `in` (`heads` query heads; kv heads, C and window are the layer's). out gets
     * `heads` * C columns. scores = scale * q k, then softcap * tanh(scores / softcap) unless softcap is 0. Not in place. */
    PIO_ATTENTION = 5,
    /* out[:, out_column : +F] = act(in[:, in_column : +F]) * in[:, in_column + F : +F], F = width. mode: pio_activation. */
    PIO_GATED = 6,
    /* out[:, out_column : +width] += scale * in[:, in_column : +width]. */
    PIO_ADD = 7,
    /* out[:, out_column : +width] *= scale. */
    PIO_SCALE = 8,
    /* out[:, out_column : +width] = in[:, in_column : +width]. */
    PIO_COPY = 9,
    /* logits [R, N] = scale * in[logit_rows, in_column : +K] W^T (+ vector), then softcap * tanh(. / softcap) unless 0. At most one, the
     * last operation; without it a step writes no logits. */
    PIO_LOGITS = 10
} pio_operation_kind;

typedef enum pio_pairing {
    PIO_PAIR_HALVES = 0,     /* element i with i + P (GPT-NeoX, and GGUF files made for it) */
    PIO_PAIR_INTERLEAVED = 1 /* element 2i with 2i + 1 */
} pio_pairing;

typedef enum pio_activation { PIO_SILU = 0, PIO_GELU_TANH = 1 } pio_activation;

/* One operation; fields that a kind does not name are ignored, but indices among them should be -1 and numbers 0. */
typedef struct pio_operation {
    int32_t kind;
    int32_t in, in_column;
    int32_t out, out_column;
    int32_t width;
    int32_t heads;
    int32_t key_column, value_column;
    int32_t weight; /* index into weights */
    int32_t vector; /* index into vectors */
    int32_t table;  /* index into tables */
    int32_t layer;  /* index into layers */
    int32_t mode;
    float scale;
    float softcap;
    float epsilon;
    int32_t padding; /* 0 */
} pio_operation;     /* 72 bytes */

typedef struct pio_vector { /* float32 values, copied: norm weights, biases, rotary frequencies */
    const float *data;
    int64_t length;
} pio_vector;

typedef struct pio_layer { /* what one layer caches */
    int32_t kv_heads;
    int32_t width;  /* C, a multiple of 16, 16 to 512 */
    int32_t window; /* tokens a query sees, itself included; 0: all */
    int32_t padding;
} pio_layer;

typedef struct pio_program {
    const int32_t *buffer_widths; /* columns of each buffer */
    const pio_operation *operations;
    const pio_weight *weights; /* the structs are copied, their data is borrowed */
    const pio_vector *vectors;
    const pio_vector *tables; /* angular frequencies, radians a position: angle = float32(position) * frequency */
    const pio_layer *layers;
    int32_t n_buffers, n_operations, n_weights, n_vectors, n_tables, n_layers;
} pio_program;

/* ---- Engine ------------------------------------------------------------------------------------------------------ */

typedef struct pio_engine pio_engine;

typedef enum pio_cache_type { PIO_CACHE_F16 = 0, PIO_CACHE_F32 = 1 } pio_cache_type;

typedef struct pio_engine_options {
    int32_t isa;        /* pio_isa */
    int32_t threads;    /* 1 to PIO_MOST_THREADS, the caller's among them */
    int32_t cache_type; /* pio_cache_type */
    int32_t max_tokens; /* 1 to 8192: longer batches are computed in pieces of so many tokens; bounds the buffers. 512 is good. */
} pio_engine_options;

/* Check a program whole, copy it, start threads. PIO_E_ARGUMENT names the operation that is wrong. */
PIO_API int32_t pio_engine_create(const pio_program *program, const pio_engine_options *options, pio_engine **engine);
/* Ends threads, frees memory; NULL is allowed. Must not run beside another call on the same engine. */
PIO_API void pio_engine_destroy(pio_engine *engine);

/* Make room for `slots` sequences of up to `context` tokens. Forgets every sequence. Takes cache memory, `cache_bytes` at most in
 * all (0: as much as the system gives; a step that needs more is refused with PIO_E_MEMORY), only as sequences grow, in
 * pages of PIO_PAGE_TOKENS; sliding layers keep a ring of window + max_tokens tokens (rounded up to pages). */
PIO_API int32_t pio_engine_allocate(pio_engine *engine, int32_t slots, int32_t context, int64_t cache_bytes);

typedef struct pio_batch {
    const int64_t *tokens;     /* [M], each below the rows of the weights that EMBED reads */
    const int64_t *slots;      /* [M]; tokens of a slot stand together */
    const int64_t *positions;  /* [M]; rising by one within a slot. The first is at most the slot's length: less rewinds it. */
    const int64_t *logit_rows; /* [R], ascending rows of the batch */
    int64_t n_tokens;
    int64_t n_logit_rows;
} pio_batch;

/* Compute a batch and extend its sequences. `logits` [R, V] float32 is written whole; logit_values = R * V at least.
 * Nothing is changed when the batch is refused. A sliding layer can be rewound by at most max_tokens tokens less than a page
 * may hide (PIO_E_CONTEXT beyond). Interrupting is not possible: a step of max_tokens tokens is the longest wait. */
PIO_API int32_t pio_engine_step(pio_engine *engine, const pio_batch *batch, float *logits, int64_t logit_values);

/* Forget a sequence; its pages are kept for others. */
PIO_API int32_t pio_engine_free_slot(pio_engine *engine, int32_t slot);

/* Copy the keys and values of positions [start, end) of a slot into `block`, n_bytes = (end - start) times what a token takes in
 * all layers: 2 * kv_heads * C elements of the cache's type each. `is_saved` gets 0, and nothing is written, when the ring of a
 * sliding layer has overwritten one of them. A block holds, by layer and by key head, keys and then values of all its tokens:
 * values [tokens][C], keys [C][places] for each run of places within the same 16 of a sequence. So it means something only at
 * the same positions, to an engine of the same layers and cache type. */
PIO_API int32_t pio_engine_save(pio_engine *engine, int32_t slot, int64_t start, int64_t end, void *block, int64_t n_bytes,
                                int32_t *is_saved);
/* Copy a block back, into any slot that holds `start` tokens (or more, and is then rewound as by a step). Its length is `end`
 * afterwards. Nothing is changed when the block is refused, or no memory is left for it (PIO_E_MEMORY). */
PIO_API int32_t pio_engine_restore(pio_engine *engine, int32_t slot, int64_t start, int64_t end, const void *block,
                                   int64_t n_bytes);

/* Copy a buffer of the last step's last piece, float32 [rows, width] (for tests); `rows` gets the number of tokens of it. */
PIO_API int32_t pio_engine_read_buffer(pio_engine *engine, int32_t buffer, float *out, int64_t out_values, int64_t *rows);

typedef struct pio_engine_stats {
    int64_t weight_bytes;  /* bytes of weights that one token of decode reads (an embedding row counts as a row) */
    int64_t buffer_bytes;  /* buffers and scratch */
    int64_t cache_bytes;   /* pages in use and kept */
    int64_t steps;         /* calls of step that succeeded */
    int64_t tokens;        /* computed by them */
    int32_t threads;
    int32_t isa;           /* resolved */
} pio_engine_stats;

PIO_API int32_t pio_engine_get_stats(pio_engine *engine, pio_engine_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
