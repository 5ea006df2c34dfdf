// Runs the pocket pair in llama.cpp for measurement. One program, four commands:
//   pocket_run encode TARGET                      texts on stdin, separated by NUL -> one line of token ids each
//   pocket_run chat   TARGET DRAFTER N MAX        prompts (token ids, one a line) on stdin -> JSON lines
//   pocket_run speed  TARGET DRAFTER              seconds per batch width, and per draft step, as JSON
//   pocket_run rows   TARGET DRAFTER STEPS        one line of token ids on stdin -> float32 on stdout: the target's
//                                                 logits of every token, then STEPS rows of draft logits at the last one
#include "llama-ext.h"
#include "llama.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

using tokens = std::vector<llama_token>;

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] static void fail(const char * what) {
    fprintf(stderr, "pocket_run: %s\n", what);
    exit(1);
}

static llama_model * load(const char * path) {
    llama_model * model = llama_model_load_from_file(path, llama_model_default_params());
    return model ? model : (fail(path), nullptr);
}

struct pair_run {
    llama_model * target;
    llama_model * drafter;
    llama_context * ctx;
    llama_context * draft_ctx;
    llama_batch_ext * batch;
    llama_batch_ext * draft_batch;
    int n_vocab, n_embd;

    pair_run(const char * target_path, const char * drafter_path) : target(load(target_path)), drafter(load(drafter_path)) {
        llama_context_params p = llama_context_default_params();
        p.n_ctx = 2048, p.n_batch = 2048, p.n_ubatch = 512, p.n_threads = p.n_threads_batch = 2;
        p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
        ctx = llama_init_from_model(target, p);
        // The drafter reads the target's cache through ctx_other; created before the first prefill, since creating it
        // clears that cache.
        p.n_batch = p.n_ubatch = 64, p.ctx_type = LLAMA_CONTEXT_TYPE_MTP, p.ctx_other = ctx;
        draft_ctx = llama_init_from_model(drafter, p);
        if (!ctx || !draft_ctx) fail("no context");
        llama_set_embeddings_nextn(ctx, true, true);
        llama_set_embeddings_nextn(draft_ctx, true, true);
        batch = llama_batch_ext_init(ctx);
        draft_batch = llama_batch_ext_init(draft_ctx);
        n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(target));
        n_embd = llama_model_n_embd(target);
    }

    void decode(const tokens & ids, int from, bool every_row) {
        llama_batch_ext_clear(batch);
        for (size_t i = 0; i < ids.size(); ++i) {
            const llama_pos pos = from + (int) i;
            const int row = llama_batch_ext_add_token(batch, 0, ids[i]);
            llama_batch_ext_set_pos(batch, row, &pos);
            llama_batch_ext_set_output_logits(batch, row, every_row || i + 1 == ids.size());
        }
        if (llama_process(ctx, LLAMA_PROCESS_TYPE_DECODE, batch) != 0) fail("decode");
    }

    // One draft step at position pos; h is replaced by the drafter's own row. Returns the logits.
    const float * draft(llama_token id, std::vector<float> & h, llama_pos pos) {
        llama_batch_ext_clear(draft_batch);
        const int row = llama_batch_ext_add_token(draft_batch, 0, id);
        llama_batch_ext_set_pos(draft_batch, row, &pos);
        llama_batch_ext_set_output_logits(draft_batch, row, true);
        llama_batch_ext_set_embd_token(draft_batch, row, { h.data(), 1, (size_t) n_embd });
        if (llama_process(draft_ctx, LLAMA_PROCESS_TYPE_DECODE, draft_batch) != 0) fail("draft");
        const float * next = llama_get_embeddings_nextn_ith(draft_ctx, 0);
        h.assign(next, next + n_embd);
        return llama_get_logits_ith(draft_ctx, 0);
    }

    std::vector<float> row_of(int i) {
        const float * h = llama_get_embeddings_nextn_ith(ctx, i);
        return std::vector<float>(h, h + n_embd);
    }
    llama_token best(const float * logits) const { return std::max_element(logits, logits + n_vocab) - logits; }
    void forget(llama_pos from) { llama_memory_seq_rm(llama_get_memory(ctx), 0, from, -1); }
};

static tokens read_ids(const std::string & line) {
    std::istringstream in(line);
    tokens ids;
    for (int id; in >> id;) ids.push_back(id);
    return ids;
}

static void print_list(const char * name, const std::vector<int> & values, const char * after) {
    printf("\"%s\": [", name);
    for (size_t i = 0; i < values.size(); ++i) printf("%s%d", i ? ", " : "", values[i]);
    printf("]%s", after);
}

// Greedy decoding with n guesses per round (0 = plain).
static void chat(pair_run & run, int n, int max_tokens) {
    const llama_vocab * vocab = llama_model_get_vocab(run.target);
    for (std::string line; std::getline(std::cin, line);) {
        const tokens prompt = read_ids(line);
        run.forget(0);
        run.decode(prompt, 0, false);
        std::vector<float> h = run.row_of((int) prompt.size() - 1);
        llama_token last = run.best(llama_get_logits_ith(run.ctx, (int) prompt.size() - 1));
        std::vector<int> out { last }, tested(n, 0), accepted(n, 0);
        int pos = (int) prompt.size(), rounds = 0;
        const double start = now();
        while (!llama_vocab_is_eog(vocab, out.back()) && (int) out.size() < max_tokens) {
            tokens ids { last };
            for (int i = 0; i < n; ++i) ids.push_back(run.best(run.draft(ids.back(), h, pos)));
            run.decode(ids, pos, true);
            int good = 0;
            for (;; ++good) {
                const llama_token own = run.best(llama_get_logits_ith(run.ctx, good));
                out.push_back(own);
                // Guesses past the end of a reply are not tested.
                if (good == n || llama_vocab_is_eog(vocab, own)) {
                    if (good < n) tested[good]++, accepted[good] += ids[good + 1] == own;
                    break;
                }
                tested[good]++;
                if (ids[good + 1] != own) break;
                accepted[good]++;
            }
            h = run.row_of(good);
            pos += good + 1, last = out.back(), rounds++;
            run.forget(pos);
        }
        printf("{\"seconds\": %.6f, \"rounds\": %d, \"ended\": %s, ", now() - start, rounds,
               llama_vocab_is_eog(vocab, out.back()) ? "true" : "false");
        print_list("tested", tested, ", "), print_list("accepted", accepted, ", "), print_list("tokens", out, "}\n");
    }
}

static double median(std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
}

static void speed(pair_run & run) {
    tokens prompt;
    for (int i = 0; i < 128; ++i) prompt.push_back(300 + (i * 7919) % (run.n_vocab - 300));
    run.decode(prompt, 0, false);
    std::vector<float> h = run.row_of(127);
    printf("{\"batch_seconds\": {");
    for (int width = 1; width <= 8; ++width) {
        std::vector<double> times;
        for (int k = 0; k < 120; ++k) {
            tokens ids;
            for (int i = 0; i < width; ++i) ids.push_back(300 + (k * 131 + i * 7919) % (run.n_vocab - 300));
            const double start = now();
            run.decode(ids, 128, true);
            run.best(llama_get_logits_ith(run.ctx, 0));
            run.forget(128);
            if (k >= 20) times.push_back(now() - start);
        }
        printf("%s\"%d\": %.7f", width > 1 ? ", " : "", width, median(times));
    }
    std::vector<double> times;
    for (int k = 0; k < 200; ++k) {
        const double start = now();
        run.best(run.draft(300 + k, h, 128));
        if (k >= 20) times.push_back(now() - start);
    }
    printf("}, \"draft_seconds\": %.7f}\n", median(times));
}

static void rows(pair_run & run, int steps) {
    std::string line;
    std::getline(std::cin, line);
    tokens ids = read_ids(line);
    const llama_token last = ids.back();
    run.decode(ids, 0, true);
    const int n = (int) ids.size();
    for (int i = 0; i < n; ++i) fwrite(llama_get_logits_ith(run.ctx, i), 4, run.n_vocab, stdout);
    std::vector<float> h = run.row_of(n - 2);
    run.forget(n - 1);
    llama_token id = last;
    for (int i = 0; i < steps; ++i) {
        const float * logits = run.draft(id, h, n - 1);
        fwrite(logits, 4, run.n_vocab, stdout);
        id = run.best(logits);
    }
}

static void encode(llama_model * model) {
    const llama_vocab * vocab = llama_model_get_vocab(model);
    for (std::string text; std::getline(std::cin, text, '\0');) {
        tokens ids(text.size() + 16);
        const int n = llama_tokenize(vocab, text.data(), text.size(), ids.data(), ids.size(), false, true);
        for (int i = 0; i < n; ++i) printf("%d ", ids[i]);
        printf("\n");
    }
}

int main(int argc, char ** argv) {
    llama_log_set([](ggml_log_level level, const char * text, void *) { if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr); }, nullptr);
    const std::string command = argc > 1 ? argv[1] : "";
    if (command == "encode" && argc == 3) return encode(load(argv[2])), 0;
    if (argc < 4) fail("see the comment at the top of pocket_run.cpp");
    pair_run run(argv[2], argv[3]);
    if (command == "chat" && argc == 6) chat(run, atoi(argv[4]), atoi(argv[5]));
    else if (command == "speed") speed(run);
    else if (command == "rows" && argc == 5) rows(run, atoi(argv[4]));
    else fail("unknown command");
}
