// What llama.cpp computes differently for a batch than for its tokens one by one, computed alike. Asked by hook.cpp for
// what has no kernel of ours. C++ only: Rust sees hook.h.
#ifndef SLIPSTREAM_EXACT_H
#define SLIPSTREAM_EXACT_H

#include "traits.h"

#include <cstdint>

// The widest verify batch: sixteen guesses and the token before them (`LONGEST_DRAFT` in src/engine/reply.rs).
const int64_t LARGEST_BATCH = 17;

// Once, before any decode. False where there is no memory.
bool slipstream_exact_prepare();

// How the weights of a product lie.
enum class layout { unknown, plain, repacked };

// How to compute this op; null where llama.cpp's own way depends on nothing but the row.
ggml::cpu::tensor_traits * slipstream_exact_traits(const ggml_tensor * op, layout weights);

// The part of it that attention is (attention.cpp).
ggml::cpu::tensor_traits * slipstream_attention_traits(const ggml_tensor * op);

#endif
