// See shim.h. Built against the headers of the llama.cpp that llama-cpp-sys-2 compiles, and linked with
// that one copy: nothing of ggml or llama.cpp is compiled here.

#include "shim.h"

#include "chat.h"
#include "llama-batch.h"
#include "llama-ext.h"
#include "llama-kv-cache-iswa.h"
#include "llama.h"
#include "log.h"

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

struct slipstream_templates {
    common_chat_templates_ptr inner;
};

struct slipstream_rendered {
    common_chat_params        params;
    common_chat_parser_params parser;
    std::string               thinking_end;
    common_chat_msg           parsed;
};

namespace {

// malloc, because slipstream_string_free must not depend on which C++ runtime the caller links.
char * copy_text(const char * text) {
    const size_t size = std::strlen(text) + 1;
    char *       copy = static_cast<char *>(std::malloc(size));
    if (copy) {
        std::memcpy(copy, text, size);
    }
    return copy;
}

template <typename Body> slipstream_status guarded(char ** error, Body body) {
    try {
        return body();
    } catch (const std::exception & exception) {
        if (error) {
            *error = copy_text(exception.what());
        }
    } catch (...) {
        if (error) {
            *error = copy_text("an exception of unknown type");
        }
    }
    return SLIPSTREAM_EXCEPTION;
}

}  // namespace

void slipstream_string_free(char * text) {
    std::free(text);
}

slipstream_status slipstream_silence_common_log(void) {
    return guarded(nullptr, [&] {
        common_log_set_verbosity_thold(-1);
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_decode(llama_context * context, llama_batch_ext * batch, int32_t * code, char ** error) {
    *code  = -1;
    *error = nullptr;
    if (!context || !batch) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(error, [&] {
        *code = llama_process(context, LLAMA_PROCESS_TYPE_DECODE, batch);
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_set_hidden_rows(llama_context * context, bool enabled) {
    if (!context) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(nullptr, [&] {
        llama_set_embeddings_nextn(context, enabled, /*masked=*/true);
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_hidden_row(llama_context * context, int32_t batch_index, const float ** row) {
    *row = nullptr;
    if (!context || batch_index < 0) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(nullptr, [&] {
        *row = llama_get_embeddings_nextn_ith(context, batch_index);
        return *row ? SLIPSTREAM_OK : SLIPSTREAM_MISSING;
    });
}

slipstream_status slipstream_set_head_offset(llama_context * context, int32_t offset) {
    if (!context || offset < 0) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(nullptr, [&] {
        llama_set_nextn_layer_offset(context, offset);
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_other_context(llama_context * context, llama_context ** other) {
    *other = nullptr;
    if (!context) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(nullptr, [&] {
        *other = llama_get_ctx_other(context);
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_straight_batch(llama_context * context, uint32_t most, uint32_t * count) {
    *count = most;
    return guarded(nullptr, [&] {
        auto * cache = dynamic_cast<llama_kv_cache_iswa *>(llama_get_memory(context));
        if (!cache) {
            return SLIPSTREAM_OK;
        }
        llama_seq_id sequence = 0;
        llama_ubatch batch    = {};
        batch.n_tokens        = 1;
        batch.n_seqs_unq      = 1;
        batch.seq_id_unq      = &sequence;
        const auto first = cache->get_swa()->find_slot(batch, false);
        batch.n_tokens   = most;
        const auto all   = cache->get_swa()->find_slot(batch, false);
        *count           = 1;
        if (!first.empty() && !all.empty()) {
            const auto & cells = all.idxs[0];
            while (*count < most && cells[*count] == first.idxs[0][0] + *count) {
                (*count)++;
            }
        }
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_memory_use(const llama_context * context, slipstream_memory * memory) {
    *memory = {};
    if (!context) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(nullptr, [&] {
        for (const auto & entry : llama_get_memory_breakdown(context)) {
            memory->model_bytes += entry.second.model;
            memory->cache_bytes += entry.second.context;
            memory->compute_bytes += entry.second.compute;
        }
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_templates_create(const llama_model * model, const char * override_template,
                                              slipstream_templates ** templates, char ** error) {
    *templates = nullptr;
    *error     = nullptr;
    if (!model) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(error, [&] {
        auto inner = common_chat_templates_init(model, override_template ? override_template : "");
        *templates = new slipstream_templates{ std::move(inner) };
        return SLIPSTREAM_OK;
    });
}

void slipstream_templates_free(slipstream_templates * templates) {
    delete templates;
}

slipstream_status slipstream_templates_explicit(const slipstream_templates * templates, bool * is_explicit) {
    *is_explicit = false;
    if (!templates) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(nullptr, [&] {
        *is_explicit = common_chat_templates_was_explicit(templates->inner.get());
        return SLIPSTREAM_OK;
    });
}

slipstream_status slipstream_render(const slipstream_templates * templates, const slipstream_message * messages,
                                    size_t count, bool thinking, slipstream_rendered ** rendered, char ** error) {
    *rendered = nullptr;
    *error    = nullptr;
    if (!templates || (count > 0 && !messages)) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(error, [&] {
        common_chat_templates_inputs inputs;
        inputs.enable_thinking  = thinking;
        inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
        for (size_t i = 0; i < count; ++i) {
            common_chat_msg message;
            message.role    = messages[i].role;
            message.content = messages[i].content;
            inputs.messages.push_back(std::move(message));
        }
        auto result    = std::make_unique<slipstream_rendered>();
        result->params = common_chat_templates_apply(templates->inner.get(), inputs);
        result->parser = common_chat_parser_params(result->params);
        result->parser.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
        result->parser.parse_tool_calls = false;
        if (!result->params.parser.empty()) {
            result->parser.parser.load(result->params.parser);
        }
        if (!result->params.thinking_end_tags.empty()) {
            result->thinking_end = result->params.thinking_end_tags.front();
        }
        *rendered = result.release();
        return SLIPSTREAM_OK;
    });
}

void slipstream_rendered_free(slipstream_rendered * rendered) {
    delete rendered;
}

slipstream_status slipstream_rendered_text(const slipstream_rendered * rendered, slipstream_part part,
                                           const char ** text, size_t * length) {
    *text   = nullptr;
    *length = 0;
    if (!rendered) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    const std::string * source = nullptr;
    switch (part) {
        case SLIPSTREAM_PROMPT:            source = &rendered->params.prompt; break;
        case SLIPSTREAM_GENERATION_PROMPT: source = &rendered->params.generation_prompt; break;
        case SLIPSTREAM_THINKING_START:    source = &rendered->params.thinking_start_tag; break;
        case SLIPSTREAM_THINKING_END:      source = &rendered->thinking_end; break;
    }
    if (!source) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    *text   = source->data();
    *length = source->size();
    return SLIPSTREAM_OK;
}

slipstream_status slipstream_rendered_stop(const slipstream_rendered * rendered, size_t index, const char ** text,
                                           size_t * length) {
    *text   = nullptr;
    *length = 0;
    if (!rendered) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    const auto & stops = rendered->params.additional_stops;
    if (index >= stops.size()) {
        return SLIPSTREAM_MISSING;
    }
    *text   = stops[index].data();
    *length = stops[index].size();
    return SLIPSTREAM_OK;
}

slipstream_status slipstream_parse(slipstream_rendered * rendered, const char * text, size_t length,
                                   const char ** reasoning, size_t * reasoning_length, const char ** answer,
                                   size_t * answer_length, char ** error) {
    *reasoning        = nullptr;
    *reasoning_length = 0;
    *answer           = nullptr;
    *answer_length    = 0;
    *error            = nullptr;
    if (!rendered || !text) {
        return SLIPSTREAM_BAD_ARGUMENT;
    }
    return guarded(error, [&] {
        // Partial: a reply may have been cut off by a limit or a person, anywhere.
        rendered->parsed  = common_chat_parse(std::string(text, length), /*is_partial=*/true, rendered->parser);
        *reasoning        = rendered->parsed.reasoning_content.data();
        *reasoning_length = rendered->parsed.reasoning_content.size();
        *answer           = rendered->parsed.content.data();
        *answer_length    = rendered->parsed.content.size();
        return SLIPSTREAM_OK;
    });
}
