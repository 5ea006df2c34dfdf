// See exact.h. Attention of a few queries over 512 cells or more: llama.cpp cuts a single query's cells into as many chunks
// as there are threads, and does not cut several queries' cells. Here they are cut at every 512th cell, for one query as for
// seventeen, whatever the threads and however far the cache is filled. Every chunk is computed by llama.cpp's own function.
//
// Below 512 cells llama.cpp treats each query alone, as it always does with a quantized cache: nothing need be done.

#include "exact.h"

#if !defined(SLIPSTREAM_DYNAMIC_BACKENDS) && (defined(__x86_64__) || defined(_M_X64))

#    include "ggml-cpu-impl.h"
#    include "ggml-cpu.h"
#    include "ggml.h"
#    include "ops.h"

#    include <algorithm>
#    include <cmath>
#    include <cstring>

namespace {

size_t padded(size_t bytes) {
    return GGML_PAD(bytes, 64);
}

// Cells of a chunk: the fewest of which llama.cpp tells the largest score and the sum, which putting chunks together takes.
const int64_t CHUNK = 512;

// Of one thread: with this pool llama.cpp's own function computes a chunk without waiting for anybody.
ggml_threadpool * alone = nullptr;

// One attention op, cut into chunks of cells for each query and some heads that share keys.
struct chunked_attention {
    const ggml_tensor *op, *queries, *keys, *values, *mask;
    int64_t            heads, count, chunks, shared;
    // Floats: of llama.cpp's own work for one thread; of a chunk's result for one head (largest score, sum, values).
    size_t own, part;
    // Bytes: of a thread's part of the work memory, and of all of it.
    size_t place, end;

    chunked_attention(const ggml_tensor * node, int threads) :
        op(node),
        queries(node->src[0]),
        keys(node->src[1]),
        values(node->src[2]),
        mask(node->src[3]) {
        heads  = queries->ne[2];
        count  = queries->ne[1];
        chunks = (keys->ne[1] + CHUNK - 1) / CHUNK;
        shared = heads / keys->ne[2];
        own    = keys->ne[0] + 2 * values->ne[0] + CACHE_LINE_SIZE_F32;
        part   = 2 + values->ne[0];
        place  = padded(sizeof(float) * (own + heads * (part + values->ne[0])) + sizeof(ggml_fp16_t) * CHUNK);
        end    = threads * place + sizeof(float) * count * heads * chunks * part;
    }

    float * parts(char * work, int threads, int64_t query, int64_t head) const {
        return reinterpret_cast<float *>(work + threads * place) + (query * heads + head) * chunks * part;
    }

    // Computes a chunk for some heads of a query, and leaves the results among the parts.
    void chunk(ggml_compute_params * params, int64_t query, int64_t head, int64_t some, int64_t number) const {
        char *       work  = static_cast<char *>(params->wdata);
        auto *       mine  = reinterpret_cast<float *>(work + params->ith * place);
        float *      found = mine + own;
        float *      waste = found + heads * part;
        auto *       seen  = reinterpret_cast<ggml_fp16_t *>(waste + heads * values->ne[0]);
        const size_t first = number * CHUNK;
        // Behind the last cell nothing is seen, so that every chunk is whole.
        const ggml_fp16_t hidden = 0xFC00;
        const size_t      known  = std::min<size_t>(CHUNK, keys->ne[1] - first);
        std::memcpy(seen, static_cast<const char *>(mask->data) + query * mask->nb[1] + first * sizeof(hidden),
                    known * sizeof(hidden));
        std::fill(seen + known, seen + CHUNK, hidden);
        // Without a way out, so that the compiler takes many at once.
        ggml_fp16_t any = 0;
        for (size_t cell = 0; cell < known; cell++) {
            any |= seen[cell] ^ hidden;
        }
        const bool is_empty = any == 0;
        if (!is_empty) {
            ggml_tensor q = *queries, k = *keys, v = *values, m = *mask, result = *op;
            q.ne[1] = 1;
            q.ne[2] = some;
            q.data  = static_cast<char *>(q.data) + query * q.nb[1] + head * q.nb[2];
            k.ne[1] = v.ne[1] = CHUNK;
            k.ne[2] = v.ne[2] = std::max<int64_t>(1, some / shared);
            k.data  = static_cast<char *>(k.data) + first * k.nb[1] + head / shared * k.nb[2];
            v.data  = static_cast<char *>(v.data) + first * v.nb[1] + head / shared * v.nb[2];
            m.ne[0] = CHUNK;
            m.ne[1] = 1;
            m.data  = seen;
            result.ne[1] = some;
            result.ne[2] = 1;
            result.data  = waste;
            result.src[0] = &q;
            result.src[1] = &k;
            result.src[2] = &v;
            result.src[3] = &m;
            const ggml_compute_params single = { 0, 1, place, mine, alone, false };
            ggml_compute_forward_flash_attn_ext(&single, &result);
        }
        for (int64_t each = 0; each < some; each++) {
            float * to = parts(work, params->nth, query, head + each) + number * part;
            if (is_empty) {
                to[1] = 0.0f;
            } else {
                std::memcpy(to, found + each * part, part * sizeof(float));
            }
        }
    }

    // Puts a head's chunks together, as llama.cpp does with its own.
    void unite(char * work, int threads, int64_t query, int64_t head) const {
        const float * from   = parts(work, threads, query, head);
        float *       to     = reinterpret_cast<float *>(static_cast<char *>(op->data) + (query * heads + head) * op->nb[1]);
        const int64_t width  = values->ne[0];
        float         most   = -INFINITY, sum = 0.0f;
        std::fill(to, to + width, 0.0f);
        for (int64_t number = 0; number < chunks; number++, from += part) {
            if (from[1] == 0.0f) {
                continue;
            }
            if (sum == 0.0f) {
                most = from[0];
                sum  = from[1];
                std::memcpy(to, from + 2, width * sizeof(float));
                continue;
            }
            const float now = std::max(most, from[0]), before = std::exp(most - now), here = std::exp(from[0] - now);
            for (int64_t each = 0; each < width; each++) {
                to[each] = to[each] * before + from[2 + each] * here;
            }
            sum  = sum * before + from[1] * here;
            most = now;
        }
        const float factor = sum == 0.0f ? 0.0f : 1.0f / sum;
        for (int64_t each = 0; each < width; each++) {
            to[each] *= factor;
        }
    }
};

class exact_attention : public ggml::cpu::tensor_traits {
  public:
    bool work_size(int n_threads, const ggml_tensor * op, size_t & size) override {
        size = chunked_attention(op, n_threads).end;
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        const chunked_attention attention(op, params->nth);
        GGML_ASSERT(params->wsize >= attention.end);
        if (params->ith == 0) {
            ggml_threadpool_chunk_set(params->threadpool, 0);
        }
        ggml_barrier(params->threadpool);
        // Heads that share keys stay together, all heads for a single query; unless threads would have nothing to do.
        int64_t       some   = attention.count == 1 ? attention.heads : attention.shared;
        const int64_t needed = params->nth == 1 ? 1 : 4 * params->nth;
        auto          jobs   = [&] { return attention.chunks * attention.count * attention.heads / some; };
        if (jobs() < needed) {
            some = attention.shared;
        }
        while (some % 2 == 0 && jobs() < needed) {
            some /= 2;
        }
        for (int64_t job; (job = ggml_threadpool_chunk_add(params->threadpool, 1)) < jobs();) {
            // The queries of a chunk follow each other: its keys and values are then in the cache.
            const int64_t query = job % attention.count, rest = job / attention.count;
            const int64_t groups = attention.heads / some;
            const int64_t number = rest / groups % attention.chunks;
            attention.chunk(params, query, rest % groups * some, some, number);
        }
        ggml_barrier(params->threadpool);
        for (int64_t row = params->ith; row < attention.count * attention.heads; row += params->nth) {
            attention.unite(static_cast<char *>(params->wdata), params->nth, row / attention.heads, row % attention.heads);
        }
        return true;
    }
};

bool is_attention(const ggml_tensor * op) {
    const ggml_tensor *queries = op->src[0], *keys = op->src[1], *values = op->src[2], *mask = op->src[3];
    const float max_bias = ggml_get_op_params_f32(op, 1);
    return alone && queries->ne[1] <= LARGEST_BATCH && keys->ne[1] >= CHUNK && queries->type == GGML_TYPE_F32 &&
           (keys->type == GGML_TYPE_F16 || keys->type == GGML_TYPE_F32) && keys->type == values->type &&
           queries->ne[3] == 1 && keys->ne[3] == 1 && values->ne[3] == 1 && keys->ne[2] == values->ne[2] &&
           queries->ne[2] % keys->ne[2] == 0 && mask && mask->type == GGML_TYPE_F16 && mask->ne[2] == 1 &&
           mask->ne[3] == 1 && !op->src[4] && max_bias == 0.0f;
}

}  // namespace

bool slipstream_exact_prepare() {
    if (alone) {
        return true;
    }
    ggml_threadpool_params  one     = ggml_threadpool_params_default(1);
    ggml_threadpool *       pool    = ggml_threadpool_new(&one);
    const ggml_init_params  memory  = { ggml_tensor_overhead() * 4 + ggml_graph_overhead() + 256, nullptr, false };
    ggml_context *          context = ggml_init(memory);
    // A pool knows how many threads it has once it has computed something.
    if (pool && context) {
        ggml_tensor * zero  = ggml_new_tensor_1d(context, GGML_TYPE_F32, 1);
        ggml_cgraph * graph = ggml_new_graph(context);
        *static_cast<float *>(zero->data) = 0.0f;
        ggml_build_forward_expand(graph, ggml_neg(context, zero));
        ggml_cplan plan = ggml_graph_plan(graph, 1, pool);
        if (plan.work_size == 0 && ggml_graph_compute(graph, &plan) == GGML_STATUS_SUCCESS) {
            alone = pool;
        }
    }
    ggml_free(context);
    return alone != nullptr;
}

ggml::cpu::tensor_traits * slipstream_attention_traits(const ggml_tensor * op) {
    static exact_attention attention;
    return is_attention(op) ? &attention : nullptr;
}

#endif
