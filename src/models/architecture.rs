//! The architectures that llama.cpp knows, and what a file of each is for.

use super::identify::Role;

/// The drafter llama.cpp loads for a Gemma 4 target.
pub(super) const MTP_DRAFTER: &str = "gemma4-assistant";

/// The target such a drafter was made for.
pub(super) const MTP_TARGET: &str = "gemma4";

/// Gemma 4 drafters written for other programs, which llama.cpp cannot load.
pub(super) const FOREIGN_DRAFTERS: [(&str, &str); 2] =
    [("gemma4_assistant", "AtomicChat"), ("gemma4_mtp", "ik_llama.cpp")];

/// Known to llama.cpp, but nothing that writes text token by token from a prompt.
const NOT_TEXT: [(&str, &str); 18] = [
    ("clip", "a vision or audio projector"),
    ("bert", "an embedding model"),
    ("modern-bert", "an embedding model"),
    ("nomic-bert", "an embedding model"),
    ("nomic-bert-moe", "an embedding model"),
    ("neo-bert", "an embedding model"),
    ("jina-bert-v2", "an embedding model"),
    ("jina-bert-v3", "an embedding model"),
    ("eurobert", "an embedding model"),
    ("gemma-embedding", "an embedding model"),
    ("llama-embed", "an embedding model"),
    ("t5encoder", "a text encoder"),
    ("wavtokenizer-dec", "an audio decoder"),
    ("qwen3tts", "a speech model"),
    ("pockettts", "a speech model"),
    ("eagle3", "a drafter of the Eagle 3 kind, which slipstream does not run"),
    ("dflash", "a drafter of the DFlash kind, which slipstream does not run"),
    ("t5", "an encoder-decoder model, which slipstream does not run"),
];

/// The other names of `LLM_ARCH_NAMES` in llama-arch.cpp (llama.cpp b11434): they write text.
#[rustfmt::skip]
const TEXT: [&str; 135] = [
    "llama", "llama4", "deci", "falcon", "grok", "gpt2", "gptj", "gptneox", "mpt", "baichuan",
    "starcoder", "refact", "bloom", "stablelm", "qwen", "qwen2", "qwen2moe", "qwen2vl", "qwen3",
    "qwen3moe", "qwen3next", "qwen3vl", "qwen3vlmoe", "qwen35", "qwen35moe", "clef", "qwen4exp", "phi2",
    "phi3", "phimoe", "plamo", "plamo2", "plamo3", "codeshell", "orion", "internlm2", "minicpm",
    "minicpm3", "gemma", "gemma2", "gemma3", "gemma3n", "gemma4", "starcoder2", "mamba", "mamba2",
    "maple", "jamba", "falcon-h1", "xverse", "command-r", "cohere2", "cohere2moe", "dbrx", "olmo",
    "olmo2", "olmoe", "muse-glimmer", "openelm", "arctic", "deepseek", "deepseek2", "deepseek2-ocr",
    "deepseek32", "deepseek4", "chatglm", "glm4", "glm4moe", "glm-dsa", "bitnet", "jais", "jais2",
    "nemotron", "nemotron_h", "nemotron_h_moe", "exaone", "exaone4", "exaone-moe", "rwkv6", "rwkv6qwen2",
    "rwkv7", "arwkv7", "granite", "granitemoe", "granitehybrid", "graniteswitch", "granite_swa",
    "chameleon", "plm", "bailingmoe", "bailingmoe2", "bailingmoe3", "dots1", "dots3note", "arcee",
    "afmoe", "laguna", "ernie4_5", "ernie4_5-moe", "hunyuan-moe", "hunyuan-dense", "hunyuan_vl", "hy_v3",
    "hy_v4", "smollm3", "gpt-oss", "lfm2", "lfm2moe", "dream", "smallthinker", "llada", "llada-moe",
    "seed_oss", "grovemoe", "apertus", "minimax-01", "hrm_text", "minimax-m2", "minimax-m3", "cogvlm",
    "rnd1", "pangu-embedded", "mistral3", "mistral4", "paddleocr", "mimo2", "step35", "spark2_5",
    "maincoder", "kimi-linear", "kimi-k3", "glm5-next", "talkie", "mellum", "nanbeige",
];

/// Whether this build's llama.cpp has a loader for the architecture.
#[must_use]
pub fn is_known_architecture(architecture: &str) -> bool {
    is_text(architecture)
        || architecture == MTP_DRAFTER
        || NOT_TEXT.iter().any(|(name, _)| *name == architecture)
}

fn is_text(architecture: &str) -> bool {
    TEXT.contains(&architecture)
}

/// What a file of this architecture is, where it is something a chat cannot be held with.
#[must_use]
pub fn purpose(architecture: &str) -> Option<&'static str> {
    if architecture == MTP_DRAFTER {
        return Some("an MTP drafter for Gemma 4");
    }
    NOT_TEXT.iter().find(|(name, _)| *name == architecture).map(|(_, purpose)| *purpose)
}

/// The program a drafter was made for, where that is another one.
pub(super) fn foreign_program(architecture: &str) -> Option<&'static str> {
    FOREIGN_DRAFTERS.iter().find(|(name, _)| *name == architecture).map(|(_, program)| *program)
}

/// What a file of this architecture can be used as.
pub(super) fn role(architecture: &str) -> Role {
    match architecture {
        MTP_DRAFTER => Role::Drafter,
        _ if foreign_program(architecture).is_some() => Role::ForeignDrafter,
        _ if is_text(architecture) => Role::Target,
        _ => Role::Other,
    }
}
