// See exact.h. Two ops depend on the width of the batch (found by measuring, tests/it/exact_decode.rs):
//
// * Products. For one row llama.cpp multiplies with `vec_dot`; for more with tiles (llamafile/sgemm.cpp, tiled/tiled.cpp),
//   which add in another order. Here every row gets `vec_dot`, and the weights are still read once.
//   Weights that llama.cpp has repacked are multiplied row by row: its kernels for four rows (Q4_K, Q2_K) add in another
//   order than those for one.
// * Attention: attention.cpp.

#include "exact.h"

#if !defined(SLIPSTREAM_DYNAMIC_BACKENDS) && (defined(__x86_64__) || defined(_M_X64))

#    include "ggml-backend-impl.h"
#    include "ggml-cpu-impl.h"
#    include "ggml-cpu.h"
#    include "ggml.h"

#    include <algorithm>
#    include <cstring>

namespace {

const size_t LINE = 64;

size_t padded(size_t bytes) {
    return GGML_PAD(bytes, LINE);
}

// Rows of weights that a thread takes at once.
const int64_t STRIP = 16;

// A product as a list of rows for each of its matrices; one matrix without a choice is one expert.
struct rows_of_experts {
    const ggml_tensor *          weights;
    const ggml_tensor *          activations;
    const ggml_tensor *          choice;
    const ggml_type_traits_cpu * traits;
    int64_t                      experts, slots, tokens, chosen;
    // Of the work memory: rows of activations in the type that `vec_dot` wants; where each expert's entries start; the
    // experts that have any, their number first; entries (choice, token) sorted by expert.
    size_t row, starts, active, entries, end;

    explicit rows_of_experts(const ggml_tensor * op) :
        weights(op->src[0]),
        activations(op->src[1]),
        choice(op->op == GGML_OP_MUL_MAT_ID ? op->src[2] : nullptr),
        traits(ggml_get_type_traits_cpu(weights->type)) {
        experts = weights->ne[2];
        slots   = activations->ne[1];
        tokens  = activations->ne[2];
        chosen  = choice ? choice->ne[0] : slots;
        row     = is_converted() ? padded(ggml_row_size(traits->vec_dot_type, weights->ne[0])) : 0;
        starts  = row * slots * tokens;
        active  = starts + sizeof(int32_t) * (experts + 1);
        entries = active + sizeof(int32_t) * (experts + 1);
        end     = entries + 2 * sizeof(int32_t) * chosen * tokens;
    }

    bool is_converted() const { return traits->vec_dot_type != GGML_TYPE_F32; }

    int32_t expert(int64_t at, int64_t token) const {
        if (!choice) {
            return 0;
        }
        const char * place = static_cast<const char *>(choice->data) + token * choice->nb[1] + at * choice->nb[0];
        return *reinterpret_cast<const int32_t *>(place);
    }

    const char * given(int64_t slot, int64_t token) const {
        return static_cast<const char *>(activations->data) + token * activations->nb[2] + slot * activations->nb[1];
    }

    void convert(char * work, int thread, int threads) const {
        const ggml_from_float_t from_float = ggml_get_type_traits_cpu(traits->vec_dot_type)->from_float;
        for (int64_t number = thread; number < slots * tokens; number += threads) {
            const char * from = given(number % slots, number / slots);
            from_float(reinterpret_cast<const float *>(from), work + number * row, weights->ne[0]);
        }
    }

    void sort(char * work) const {
        auto * start = reinterpret_cast<int32_t *>(work + starts);
        auto * some  = reinterpret_cast<int32_t *>(work + active);
        auto * entry = reinterpret_cast<int32_t *>(work + entries);
        std::memset(start, 0, entries - starts);
        const auto every = [&](auto && see) {
            for (int64_t token = 0; token < tokens; token++) {
                for (int64_t at = 0; at < chosen; at++) {
                    see(expert(at, token), int32_t(at), int32_t(token));
                }
            }
        };
        every([&](int32_t number, int32_t, int32_t) { start[number + 1]++; });
        for (int32_t number = 0; number < experts; number++) {
            if (start[number + 1] > 0) {
                some[++some[0]] = number;
            }
            start[number + 1] += start[number];
        }
        // Filling moves each start to the next one's place.
        every([&](int32_t number, int32_t at, int32_t token) {
            const int32_t place  = start[number]++;
            entry[2 * place]     = at;
            entry[2 * place + 1] = token;
        });
        std::copy_backward(start, start + experts, start + experts + 1);
        start[0] = 0;
    }

    void multiply(const ggml_tensor * op, const char * work, ggml_threadpool * pool) const {
        const auto *  start  = reinterpret_cast<const int32_t *>(work + starts);
        const auto *  some   = reinterpret_cast<const int32_t *>(work + active);
        const auto *  entry  = reinterpret_cast<const int32_t *>(work + entries);
        const int64_t strips = (weights->ne[1] + STRIP - 1) / STRIP;
        for (int64_t job; (job = ggml_threadpool_chunk_add(pool, 1)) < some[0] * strips;) {
            const int32_t number = some[1 + job / strips];
            const int64_t first  = job % strips * STRIP;
            const int64_t last   = std::min(first + STRIP, weights->ne[1]);
            for (int64_t line = first; line < last; line++) {
                const char * weight =
                    static_cast<const char *>(weights->data) + number * weights->nb[2] + line * weights->nb[1];
                for (int32_t each = start[number]; each < start[number + 1]; each++) {
                    const int64_t at = entry[2 * each], token = entry[2 * each + 1], slot = at % slots;
                    const char *  with = is_converted() ? work + (token * slots + slot) * row : given(slot, token);
                    char *        to = static_cast<char *>(op->data) + token * op->nb[2] + at * op->nb[1];
                    traits->vec_dot(int(weights->ne[0]), reinterpret_cast<float *>(to) + line, 0, weight, 0, with, 0, 1);
                }
            }
        }
    }
};

class exact_product : public ggml::cpu::tensor_traits {
  public:
    bool work_size(int, const ggml_tensor * op, size_t & size) override {
        size = rows_of_experts(op).end;
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        const rows_of_experts rows(op);
        char *                work = static_cast<char *>(params->wdata);
        GGML_ASSERT(params->wsize >= rows.end);
        if (rows.is_converted()) {
            rows.convert(work, params->ith, params->nth);
        }
        if (params->ith == 0) {
            rows.sort(work);
            ggml_threadpool_chunk_set(params->threadpool, 0);
        }
        ggml_barrier(params->threadpool);
        rows.multiply(op, work, params->threadpool);
        return true;
    }
};

ggml::cpu::tensor_traits * own_traits(const ggml_tensor * op) {
    auto * type = static_cast<ggml::cpu::extra_buffer_type *>(op->src[0]->buffer->buft->context);
    return type->get_tensor_traits(op);
}

class exact_repacked : public ggml::cpu::tensor_traits {
  public:
    bool work_size(int n_threads, const ggml_tensor * op, size_t & size) override {
        auto * theirs = own_traits(op);
        return theirs && theirs->work_size(n_threads, op, size);
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        ggml_tensor activations = *op->src[1], product = *op;
        activations.ne[1] = product.ne[1] = 1;
        product.src[1]                    = &activations;
        auto * theirs                     = own_traits(&product);
        for (int64_t row = 0; theirs && row < op->ne[1]; row++) {
            if (row > 0) {
                // The work memory is still read.
                ggml_barrier(params->threadpool);
                activations.data = static_cast<char *>(activations.data) + activations.nb[1];
                product.data     = static_cast<char *>(product.data) + product.nb[1];
            }
            theirs->compute_forward(params, &product);
        }
        return theirs != nullptr;
    }
};

// A product of a small batch, as far as its shape goes.
bool is_small(const ggml_tensor * op) {
    const ggml_tensor *weights = op->src[0], *activations = op->src[1];
    if (activations->type != GGML_TYPE_F32 || op->type != GGML_TYPE_F32 || weights->ne[3] != 1 ||
        activations->ne[3] != 1 || activations->nb[0] != sizeof(float) || op->nb[0] != sizeof(float)) {
        return false;
    }
    if (op->op == GGML_OP_MUL_MAT) {
        const int64_t batch = activations->ne[1];
        return weights->ne[2] == 1 && activations->ne[2] == 1 && batch > 1 && batch <= LARGEST_BATCH &&
               ggml_get_op_params_i32(op, 1) != GGML_HINT_SRC0_IS_HADAMARD;
    }
    const int64_t tokens = activations->ne[2];
    return op->src[2]->type == GGML_TYPE_I32 && tokens > 1 && tokens <= LARGEST_BATCH;
}

bool has_dot(ggml_type type) {
    const auto * traits = ggml_get_type_traits_cpu(type);
    return traits->vec_dot &&
           (traits->vec_dot_type == GGML_TYPE_F32 || ggml_get_type_traits_cpu(traits->vec_dot_type)->from_float);
}

}  // namespace

ggml::cpu::tensor_traits * slipstream_exact_traits(const ggml_tensor * op, layout weights) {
    static exact_product   product;
    static exact_repacked  repacked;
    switch (op->op) {
        case GGML_OP_MUL_MAT:
        case GGML_OP_MUL_MAT_ID:
            if (weights == layout::unknown || !is_small(op)) {
                return nullptr;
            }
            if (weights == layout::plain) {
                return has_dot(op->src[0]->type) ? &product : nullptr;
            }
            // Experts' rows are multiplied one by one in any case.
            return op->op == GGML_OP_MUL_MAT ? &repacked : nullptr;
        case GGML_OP_FLASH_ATTN_EXT:
            return slipstream_attention_traits(op);
        default:
            return nullptr;
    }
}

#else

// Not tried on ARM: products that have no kernel of ours, and attention, stay llama.cpp's there.
bool slipstream_exact_prepare() {
    return true;
}

ggml::cpu::tensor_traits * slipstream_exact_traits(const ggml_tensor *, layout) {
    return nullptr;
}

#endif
