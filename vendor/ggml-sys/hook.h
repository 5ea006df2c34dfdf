/* Taking over matrix products of small batches: a buffer type of ours in front of ggml's registry of extra buffer
 * types, which is asked about every op. It owns no memory; the weights stay where llama.cpp put them. */
#ifndef SLIPSTREAM_HOOK_H
#define SLIPSTREAM_HOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One thread's part of one product. Strides are bytes. */
typedef struct slipstream_matmul {
    uint32_t     weights_type;        /* ggml_type */
    uint32_t     interleaved_rows;    /* rows of weights in a group, as llama.cpp repacks them; 1: plain rows */
    uint32_t     interleaved_columns; /* columns of a row side by side in a group; 0: plain rows */
    const void * weights;
    const char * activations; /* float */
    const char * choice;      /* int32_t, the experts of each token; NULL: one matrix for all */
    char *       output;      /* float */
    uint64_t     columns;
    uint64_t     rows; /* of one matrix */
    uint64_t     experts;
    uint64_t     expert_stride;
    uint64_t     slots; /* rows of activations of a token, or the batch where there is one matrix */
    uint64_t     tokens;
    uint64_t     slot_stride;
    uint64_t     token_stride;
    uint64_t     chosen; /* experts of a token */
    uint64_t     choice_stride;
    uint64_t     choice_token_stride;
    uint64_t     output_slot_stride;
    uint64_t     output_token_stride;
    int32_t      thread;
    int32_t      threads;
    void *       work;
    uint64_t     work_bytes;
    void *       pool;
} slipstream_matmul;

/* Whether there is a kernel for such weights. */
typedef bool (*slipstream_matmul_takes)(uint32_t weights_type, uint32_t interleaved_rows, uint32_t interleaved_columns);
/* Returns false to leave the product to llama.cpp; all threads must answer alike, before any barrier. */
typedef bool (*slipstream_matmul_kernel)(const slipstream_matmul * product);
/* Bytes of work memory that the kernel needs for this product; pointers in it are not to be followed. */
typedef uint64_t (*slipstream_matmul_work)(const slipstream_matmul * product);

/* Of the threads that share a product: wait for all; set the common counter; take its next value. */
void    slipstream_pool_barrier(void * pool);
void    slipstream_pool_reset(void * pool);
int32_t slipstream_pool_next(void * pool);

/* Once per process, before any decode. False where this build cannot (CPU code in libraries of its own, or neither x86-64 nor ARM). */
bool slipstream_kernels_install(slipstream_matmul_takes takes, slipstream_matmul_kernel kernel,
                                slipstream_matmul_work work);
/* Must not be called during a decode: all threads must decide alike. Off at first. */
void slipstream_kernels_enable(bool enabled);
/* Whether llama.cpp interleaves a type's rows like this on this processor. */
bool slipstream_kernels_interleaves(uint32_t weights_type, uint32_t rows, uint32_t columns);
/* How many products were taken over since the start. */
uint64_t slipstream_kernels_taken(void);

/* A product on its own, through ggml's scheduler of threads. */
typedef struct slipstream_trial {
    uint32_t        weights_type; /* ggml_type */
    bool            repacked;     /* weights in the repacked buffer type, or in a plain one */
    const void *    weights; /* plain rows: experts x rows x columns */
    const float *   activations;
    const int32_t * choice; /* tokens x chosen, or NULL */
    uint64_t        weights_bytes;
    int64_t         columns;
    int64_t         rows;
    int64_t         experts;
    int64_t         slots;
    int64_t         tokens;
    int64_t         chosen;
    int32_t         threads;
} slipstream_trial;

/* False where ggml cannot (no repacked buffer type, no memory). */
bool slipstream_kernels_try(const slipstream_trial * trial, float * output);

#ifdef __cplusplus
}
#endif

#endif
