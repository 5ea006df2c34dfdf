// See hook.h. Rests on ggml's private ABI (traits.h): the exact version is pinned, the sizes below are asserted, and the
// self-test in src/llama/kernels.rs compares the result with llama.cpp's own.

#include "hook.h"

#if defined(__x86_64__) || defined(_M_X64) || defined(__aarch64__) || defined(_M_ARM64)
#define SLIPSTREAM_PROCESSOR_WITH_KERNELS
#endif

#if defined(SLIPSTREAM_DYNAMIC_BACKENDS) || !defined(SLIPSTREAM_PROCESSOR_WITH_KERNELS)

void    slipstream_pool_barrier(void *) {}
void    slipstream_pool_reset(void *) {}
int32_t slipstream_pool_next(void *) {
    return INT32_MAX;
}
bool slipstream_kernels_install(slipstream_matmul_takes, slipstream_matmul_kernel, slipstream_matmul_work) {
    return false;
}
void slipstream_kernels_enable(bool) {}
bool slipstream_kernels_interleaves(uint32_t, uint32_t, uint32_t) {
    return false;
}
uint64_t slipstream_kernels_taken(void) {
    return 0;
}
bool slipstream_kernels_try(const slipstream_trial *, float *) {
    return false;
}

#else

#include "exact.h"
#include "ggml-backend-impl.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "ggml.h"
#include "tiled/tiled.h"
#include "traits.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace {

static_assert(sizeof(ggml_compute_params) == 40, "ggml_compute_params has changed");

std::atomic<slipstream_matmul_takes>  takes{ nullptr };
std::atomic<slipstream_matmul_kernel> kernel{ nullptr };
std::atomic<slipstream_matmul_work>   work{ nullptr };
std::atomic<bool>                     enabled{ false };
std::atomic<uint64_t>                 taken{ 0 };

bool is_repacked(const ggml_tensor * weights) {
    return std::strcmp(ggml_backend_buft_name(weights->buffer->buft), "CPU_REPACK") == 0;
}

struct interleaving {
    uint32_t rows;
    uint32_t columns;
};

// How llama.cpp repacks weights: what ggml_repack_get_optimal_repack_type (repack.cpp), which no header declares, chooses. The
// features are those ggml was compiled for on ARM. Zeros where it is not known.
interleaving repacking(ggml_type type, int64_t rows) {
    if (ggml_cpu_has_avx2()) {
        return { 8, 8 };
    }
    if (type != GGML_TYPE_Q4_0) {
        return { 0, 0 };
    }
    if (ggml_cpu_has_sve() && ggml_cpu_has_matmul_int8() && ggml_cpu_get_sve_cnt() == 32 && rows % 8 == 0) {
        return { 8, 8 };
    }
    if (ggml_cpu_has_neon() && ggml_cpu_has_matmul_int8()) {
        return { 4, 8 };
    }
    if (ggml_cpu_has_neon() && ggml_cpu_has_dotprod()) {
        return { 4, 4 };
    }
    return { 0, 0 };
}

interleaving interleaved(const ggml_tensor * weights) {
    return is_repacked(weights) ? repacking(weights->type, weights->ne[1]) : interleaving{ 1, 0 };
}

// Weights where kernels can read them: repacked, or plain in memory of the processor.
bool is_readable(const ggml_tensor * weights) {
    if (!weights->buffer || weights->view_src || !ggml_is_contiguous(weights)) {
        return false;  // A view would start inside an interleaved group.
    }
    if (is_repacked(weights)) {
        const uint32_t rows = interleaved(weights).rows;
        return weights->extra && rows > 0 && weights->ne[1] % rows == 0;
    }
    return ggml_backend_buffer_is_host(weights->buffer) &&
           ggml_backend_buffer_get_usage(weights->buffer) == GGML_BACKEND_BUFFER_USAGE_WEIGHTS;
}

bool is_product(const ggml_tensor * op) {
    return op->op == GGML_OP_MUL_MAT || op->op == GGML_OP_MUL_MAT_ID;
}

bool is_ours(const ggml_tensor * op) {
    if (!is_product(op)) {
        return false;
    }
    const ggml_tensor * weights     = op->src[0];
    const ggml_tensor * activations = op->src[1];
    // Empty where no row of a micro-batch is asked for.
    if (ggml_is_empty(op) || activations->type != GGML_TYPE_F32 || op->type != GGML_TYPE_F32 || weights->ne[3] != 1 ||
        activations->ne[3] != 1 || activations->nb[0] != sizeof(float) || op->nb[0] != sizeof(float)) {
        return false;
    }
    if (op->op == GGML_OP_MUL_MAT ? weights->ne[2] != 1 || activations->ne[2] != 1 : op->src[2]->type != GGML_TYPE_I32) {
        return false;
    }
    const interleaving order = is_readable(weights) ? interleaved(weights) : interleaving{ 0, 0 };
    return order.rows > 0 && takes.load(std::memory_order_relaxed)(weights->type, order.rows, order.columns);
}

slipstream_matmul describe(const ggml_tensor * op) {
    const ggml_tensor * weights     = op->src[0];
    const ggml_tensor * activations = op->src[1];
    slipstream_matmul   product     = {};
    product.weights_type            = weights->type;
    const interleaving order        = interleaved(weights);
    product.interleaved_rows        = order.rows;
    product.interleaved_columns     = order.columns;
    product.weights                 = weights->data;
    product.activations             = static_cast<const char *>(activations->data);
    product.output                  = static_cast<char *>(op->data);
    product.columns                 = weights->ne[0];
    product.rows                    = weights->ne[1];
    product.experts                 = weights->ne[2];
    product.expert_stride           = weights->nb[2];
    product.slots                   = activations->ne[1];
    product.tokens                  = activations->ne[2];
    product.slot_stride             = activations->nb[1];
    product.token_stride            = activations->nb[2];
    product.output_slot_stride      = op->nb[1];
    product.output_token_stride     = op->nb[2];
    if (op->op == GGML_OP_MUL_MAT_ID) {
        const ggml_tensor * choice  = op->src[2];
        product.choice              = static_cast<const char *>(choice->data);
        product.chosen              = choice->ne[0];
        product.choice_stride       = choice->nb[0];
        product.choice_token_stride = choice->nb[1];
    } else {
        product.chosen = product.slots;
    }
    return product;
}

// What ggml_graph_plan reserves for a product of plain weights.
size_t plain_work_size(int n_threads, const ggml_tensor * op) {
    const ggml_tensor * activations = op->src[1];
    const ggml_type     wanted      = ggml_get_type_traits_cpu(op->src[0]->type)->vec_dot_type;
    const size_t        line        = 64;
    size_t              size        = 0;
    if (wanted != activations->type) {
        size = ggml_row_size(wanted, ggml_nelements(activations)) + sizeof(int64_t);
    }
    if (op->op == GGML_OP_MUL_MAT_ID) {
        const size_t experts = op->src[0]->ne[2];
        // Per expert a count, a list of pairs of row numbers, and a counter of its own cache line.
        size += (experts + 2) * sizeof(int64_t) + experts * ggml_nelements(op->src[2]) * 2 * sizeof(int32_t) +
                (experts + 1) * line;
    }
    return GGML_PAD(size, line) + ggml_tiled_wdata_size(n_threads, const_cast<ggml_tensor *>(op));
}

class small_batch_traits : public ggml::cpu::tensor_traits {
  public:
    bool work_size(int n_threads, const ggml_tensor * op, size_t & size) override {
        slipstream_matmul product = describe(op);
        product.threads           = n_threads;
        // Our answer replaces llama.cpp's, which still has to fit in case the kernel leaves the product to it.
        size_t theirs = 0;
        if (is_repacked(op->src[0])) {
            auto * owner = static_cast<ggml::cpu::extra_buffer_type *>(op->src[0]->buffer->buft->context);
            if (auto * traits = owner->get_tensor_traits(op)) {
                traits->work_size(n_threads, op, theirs);
            }
        } else {
            theirs = plain_work_size(n_threads, op);
        }
        size = std::max<size_t>(theirs, work.load(std::memory_order_relaxed)(&product));
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        slipstream_matmul product = describe(op);
        product.thread            = params->ith;
        product.threads           = params->nth;
        product.work              = params->wdata;
        product.work_bytes        = params->wsize;
        product.pool              = params->threadpool;
        const bool done           = kernel.load(std::memory_order_relaxed)(&product);
        if (done && params->ith == 0) {
            taken.fetch_add(1, std::memory_order_relaxed);
        }
        return done;
    }
};

class small_batch_type : public ggml::cpu::extra_buffer_type {
  public:
    // Nothing is ever placed in a buffer of this type.
    bool supports_op(ggml_backend_dev_t, const ggml_tensor *) override { return false; }

    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        static small_batch_traits traits;
        if (!enabled.load(std::memory_order_relaxed)) {
            return nullptr;
        }
        if (is_ours(op)) {
            return &traits;
        }
        const bool is_known = is_product(op) && is_readable(op->src[0]);
        return slipstream_exact_traits(op, !is_known                   ? layout::unknown :
                                           is_repacked(op->src[0]) ? layout::repacked :
                                                                     layout::plain);
    }
};

const char * type_name(ggml_backend_buffer_type_t) {
    return "slipstream";
}

ggml_backend_buffer_type_t repacked_type() {
    for (ggml_backend_buffer_type_t type : ggml_backend_cpu_get_extra_buffer_types()) {
        if (std::strcmp(ggml_backend_buft_name(type), "CPU_REPACK") == 0) {
            return type;
        }
    }
    return nullptr;
}

}  // namespace

void slipstream_pool_barrier(void * pool) {
    ggml_barrier(static_cast<ggml_threadpool *>(pool));
}

void slipstream_pool_reset(void * pool) {
    ggml_threadpool_chunk_set(static_cast<ggml_threadpool *>(pool), 0);
}

int32_t slipstream_pool_next(void * pool) {
    return ggml_threadpool_chunk_add(static_cast<ggml_threadpool *>(pool), 1);
}

bool slipstream_kernels_install(slipstream_matmul_takes new_takes, slipstream_matmul_kernel new_kernel,
                                slipstream_matmul_work new_work) {
    try {
        ggml_backend_reg_t registry = ggml_backend_cpu_reg();
        // The loader places weights in every type of its copy of the list, made at the first call: made here, without ours.
        auto loader = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
            ggml_backend_reg_get_proc_address(registry, "ggml_backend_dev_get_extra_bufts"));
        if (!loader || !repacked_type() || !slipstream_exact_prepare()) {
            return false;
        }
        ggml_backend_dev_t device = ggml_backend_reg_dev_get(registry, 0);
        loader(device);
        takes  = new_takes;
        kernel = new_kernel;
        work   = new_work;
        static small_batch_type         context;
        static ggml_backend_buffer_type type = {};
        type.iface.get_name                  = type_name;
        type.device                          = device;
        type.context                         = &context;
        auto & types                         = ggml_backend_cpu_get_extra_buffer_types();
        if (std::find(types.begin(), types.end(), &type) == types.end()) {
            types.insert(types.begin(), &type);
        }
        return true;
    } catch (...) {
        return false;
    }
}

void slipstream_kernels_enable(bool value) {
    enabled.store(value && kernel.load() != nullptr);
}

bool slipstream_kernels_interleaves(uint32_t weights_type, uint32_t rows, uint32_t columns) {
    const interleaving order = repacking(static_cast<ggml_type>(weights_type), 8);
    return order.rows == rows && order.columns == columns;
}

uint64_t slipstream_kernels_taken(void) {
    return taken.load(std::memory_order_relaxed);
}

bool slipstream_kernels_try(const slipstream_trial * trial, float * output) {
    bool                  done    = false;
    ggml_context *        context = nullptr;
    ggml_context *        holder  = nullptr;
    ggml_backend_t        backend = nullptr;
    ggml_backend_buffer_t first = nullptr, second = nullptr;
    try {
        const ggml_init_params  settings = { ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true };
        ggml_backend_buffer_type_t type  = trial->repacked ? repacked_type() : ggml_backend_cpu_buffer_type();
        context                          = ggml_init(settings);
        holder                           = ggml_init(settings);
        backend                          = ggml_backend_cpu_init();
        if (type && context && holder && backend) {
            ggml_backend_cpu_set_n_threads(backend, trial->threads);
            const auto    weights_type = static_cast<ggml_type>(trial->weights_type);
            ggml_tensor * weights =
                trial->choice ? ggml_new_tensor_3d(holder, weights_type, trial->columns, trial->rows, trial->experts) :
                                ggml_new_tensor_2d(holder, weights_type, trial->columns, trial->rows);
            ggml_tensor * activations =
                ggml_new_tensor_3d(context, GGML_TYPE_F32, trial->columns, trial->slots, trial->tokens);
            ggml_tensor * choice  = nullptr;
            ggml_tensor * product = nullptr;
            if (trial->choice) {
                choice  = ggml_new_tensor_2d(context, GGML_TYPE_I32, trial->chosen, trial->tokens);
                product = ggml_mul_mat_id(context, weights, activations, choice);
            } else {
                product = ggml_mul_mat(context, weights, activations);
            }
            first  = ggml_backend_alloc_ctx_tensors_from_buft(holder, type);
            second = ggml_backend_alloc_ctx_tensors(context, backend);
            if (first && second && ggml_nbytes(weights) == trial->weights_bytes) {
                ggml_backend_buffer_set_usage(first, GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
                ggml_backend_tensor_set(weights, trial->weights, 0, trial->weights_bytes);
                ggml_backend_tensor_set(activations, trial->activations, 0, ggml_nbytes(activations));
                if (choice) {
                    ggml_backend_tensor_set(choice, trial->choice, 0, ggml_nbytes(choice));
                }
                ggml_cgraph * graph = ggml_new_graph(context);
                ggml_build_forward_expand(graph, product);
                done = ggml_backend_graph_compute(backend, graph) == GGML_STATUS_SUCCESS;
                ggml_backend_tensor_get(product, output, 0, ggml_nbytes(product));
            }
        }
    } catch (...) {
        done = false;
    }
    ggml_backend_buffer_free(first);
    ggml_backend_buffer_free(second);
    if (backend) {
        ggml_backend_free(backend);
    }
    ggml_free(context);
    ggml_free(holder);
    return done;
}

#endif
