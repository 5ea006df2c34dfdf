/* The C interface to the parts of llama.cpp that have C++ linkage: src/llama-ext.h (hidden rows, context
 * links, memory use) and common/chat.h (templates and the reply parser).
 *
 * Rules: every function returns a status; out-parameters are set first, to zero; no C++ exception leaves.
 * Strings handed out belong to the object they come from, except errors (slipstream_string_free). */
#ifndef SLIPSTREAM_SHIM_H
#define SLIPSTREAM_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hook.h"

#ifdef __cplusplus
extern "C" {
#endif

struct llama_model;
struct llama_context;
struct llama_batch_ext;

typedef enum slipstream_status {
    SLIPSTREAM_OK = 0,
    SLIPSTREAM_BAD_ARGUMENT = 1,
    SLIPSTREAM_EXCEPTION = 2,
    SLIPSTREAM_MISSING = 3, /* the row asked for does not exist */
} slipstream_status;

void slipstream_string_free(char * text);

/* llama.cpp's common code has a logger of its own that writes to the terminal; this turns it off. */
slipstream_status slipstream_silence_common_log(void);

/* llama_process(DECODE), with exceptions (out of memory, mostly) turned into a status.
 * code: llama_process's own return value. */
slipstream_status slipstream_decode(struct llama_context * context, struct llama_batch_ext * batch,
                                    int32_t * code, char ** error);

/* Hidden rows for the outputs of a batch only ("masked"): rows are then addressed by batch index, like logits. */
slipstream_status slipstream_set_hidden_rows(struct llama_context * context, bool enabled);

/* Row of the latest decode; valid until the next one. */
slipstream_status slipstream_hidden_row(struct llama_context * context, int32_t batch_index, const float ** row);

/* Which appended head an MTP context runs (files with several chained heads). */
slipstream_status slipstream_set_head_offset(struct llama_context * context, int32_t offset);

/* The context whose cache this one shares, NULL where none. */
slipstream_status slipstream_other_context(struct llama_context * context, struct llama_context ** other);

/* How many tokens, `most` at most, a next batch may have so that it lies in the cache as the tokens would one by one, even
 * if its last ones are removed again. Fewer only where the cells of a sliding window's ring end: behind a removed end that
 * began anew, llama.cpp would begin anew as well. At least 1. */
slipstream_status slipstream_straight_batch(struct llama_context * context, uint32_t most, uint32_t * count);

typedef struct slipstream_memory {
    uint64_t model_bytes;
    uint64_t cache_bytes;
    uint64_t compute_bytes;
} slipstream_memory;

/* What a context and its model hold, summed over devices. */
slipstream_status slipstream_memory_use(const struct llama_context * context, slipstream_memory * memory);

/* ---- chat ---- */

typedef struct slipstream_templates slipstream_templates;
typedef struct slipstream_rendered slipstream_rendered;

typedef struct slipstream_message {
    const char * role; /* "system", "user", "assistant" */
    const char * content;
} slipstream_message;

/* The model's own templates. `override_template` may be NULL. */
slipstream_status slipstream_templates_create(const struct llama_model * model, const char * override_template,
                                              slipstream_templates ** templates, char ** error);
void slipstream_templates_free(slipstream_templates * templates);
/* Whether the model file had a template at all (else a default is used). */
slipstream_status slipstream_templates_explicit(const slipstream_templates * templates, bool * is_explicit);

/* Renders messages; the result also carries the parser that fits the reply. */
slipstream_status slipstream_render(const slipstream_templates * templates, const slipstream_message * messages,
                                    size_t count, bool thinking, slipstream_rendered ** rendered, char ** error);
void slipstream_rendered_free(slipstream_rendered * rendered);

typedef enum slipstream_part {
    SLIPSTREAM_PROMPT = 0,
    SLIPSTREAM_GENERATION_PROMPT = 1,
    SLIPSTREAM_THINKING_START = 2,
    SLIPSTREAM_THINKING_END = 3,
} slipstream_part;

/* A text of `rendered`, owned by it; length in bytes (texts may hold NUL). */
slipstream_status slipstream_rendered_text(const slipstream_rendered * rendered, slipstream_part part,
                                           const char ** text, size_t * length);
/* The template's additional stop texts; MISSING past the last. */
slipstream_status slipstream_rendered_stop(const slipstream_rendered * rendered, size_t index, const char ** text,
                                           size_t * length);

/* Splits a whole reply into reasoning and answer with the model's own parser. The results belong to
 * `rendered` and are valid until the next parse. */
slipstream_status slipstream_parse(slipstream_rendered * rendered, const char * text, size_t length,
                                   const char ** reasoning, size_t * reasoning_length, const char ** answer,
                                   size_t * answer_length, char ** error);

#ifdef __cplusplus
}
#endif

#endif
