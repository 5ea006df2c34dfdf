//! The vocabulary, as the reference converter writes it (`Gemma4Model.set_vocab` of conversion/gemma.py and
//! `LlamaHfVocab` of gguf-py/gguf/vocab.py, b11434). Needs no tokenizer: a GGUF holds the vocabulary's texts, their kinds
//! and the merges, all of which stand in tokenizer.json.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value as Json};

use super::config::Config;
use super::keys::Keys;
use super::special::{add_special, special_texts};
use super::tokenizer_error::TokenizerError;
use super::tokenizer_json::{AddedToken, TokenizerJson};
use crate::gguf::{Array, Value};

/// The score of every token: there are merges instead.
const SCORE: f32 = -1000.0;

/// Tokens at most; Gemma 4 has 262,144.
const MAX_TOKENS: usize = 1 << 22;

/// Special tokens that are shown all the same, so that the parser of replies sees them.
const VISIBLE: [&str; 7] = [
    "<|channel>",
    "<channel|>",
    "<|tool_call>",
    "<tool_call|>",
    "<|tool_response>",
    "<tool_response|>",
    "<|\"|>",
];

/// `llama_token_type` of llama.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal = 1,
    Control = 3,
    UserDefined = 4,
    Byte = 6,
}

/// The files that describe a tokenizer.
pub(super) struct TokenizerFiles {
    /// tokenizer.json.
    pub tokenizer: TokenizerJson,
    /// tokenizer_config.json; empty where there is none.
    pub config: Map<String, Json>,
    /// special_tokens_map.json of older checkpoints; empty where there is none.
    pub special_map: Map<String, Json>,
    /// chat_template.jinja, or what chat_template.json holds.
    pub template: Option<String>,
}

/// Adds the vocabulary's keys; returns the number of tokens.
pub(super) fn add_vocabulary(
    keys: &mut Keys,
    mut files: TokenizerFiles,
    config: &Config,
) -> Result<u64, TokenizerError> {
    check_model(&files.tokenizer)?;
    let vocab = std::mem::take(&mut files.tokenizer.model.vocab.0);
    let (texts, base) = texts(&vocab, &files.tokenizer.added_tokens)?;
    drop(vocab);
    let special = special_texts(&files.config, &files.special_map);
    check_there(&texts, &special)?;
    let types: Vec<i32> =
        texts.iter().enumerate().map(|(id, text)| kind(text, id < base, &special) as i32).collect();
    keys.set("tokenizer.ggml.model", Value::String("gemma4".to_owned()));
    let tokens = Array::of_texts(texts.iter().map(String::as_str));
    keys.set("tokenizer.ggml.tokens", Value::Array(tokens));
    keys.set("tokenizer.ggml.scores", Value::Array(Array::of_f32s(&vec![SCORE; texts.len()])));
    keys.set("tokenizer.ggml.token_type", Value::Array(Array::of_i32s(&types)));
    let merges = std::mem::take(&mut files.tokenizer.model.merges);
    if !merges.is_empty() {
        let merges = Array::of_texts(merges.iter().map(|merge| merge.0.as_str()));
        keys.set("tokenizer.ggml.merges", Value::Array(merges));
    }
    add_special(keys, files, config, texts.len() as u64)?;
    keys.set("tokenizer.ggml.add_space_prefix", Value::Bool(false));
    keys.set("tokenizer.ggml.add_bos_token", Value::Bool(true));
    Ok(texts.len() as u64)
}

/// The form that llama.cpp's `gemma4` vocabulary stands for.
fn check_model(tokenizer: &TokenizerJson) -> Result<(), TokenizerError> {
    let kind = tokenizer.model.kind.as_deref();
    if kind != Some("BPE") || !tokenizer.model.byte_fallback {
        let found = kind.unwrap_or("(none)").to_owned();
        return Err(TokenizerError::Model { found, byte_fallback: tokenizer.model.byte_fallback });
    }
    match tokenizer.decoder.get("type").and_then(Json::as_str) {
        Some("Sequence") => Ok(()),
        found => Err(TokenizerError::Decoder { found: found.unwrap_or("(none)").to_owned() }),
    }
}

/// The texts by their numbers: first the vocabulary, then what was added to it. Returns also how many are of the former.
fn texts(vocab: &[(String, u32)], added: &[AddedToken]) -> Result<(Vec<String>, usize), TokenizerError> {
    if vocab.len().saturating_add(added.len()) > MAX_TOKENS {
        return Err(TokenizerError::TooMany { found: vocab.len().saturating_add(added.len()) });
    }
    let mut texts: Vec<Option<&str>> = vec![None; vocab.len()];
    let mut ids: HashMap<&str, u32> = HashMap::with_capacity(vocab.len());
    for (text, id) in vocab {
        let place = texts.get_mut(*id as usize);
        let place = place.ok_or(TokenizerError::Gap { id: *id, tokens: vocab.len() })?;
        if ids.insert(text, *id).is_some() || place.replace(text).is_some() {
            return Err(TokenizerError::Twice { text: text.clone(), id: *id });
        }
    }
    // As many numbers below the count as there are, and none twice: so all are taken.
    let base = vocab.len();
    let mut more = BTreeMap::new();
    for token in added {
        // An added token that the vocabulary has keeps its number there.
        if !ids.contains_key(token.content.as_str())
            && more.insert(token.id, token.content.as_str()).is_some()
        {
            return Err(TokenizerError::Twice { text: token.content.clone(), id: token.id });
        }
    }
    for (id, text) in more {
        if id as usize != texts.len() {
            return Err(TokenizerError::Gap { id, tokens: texts.len() });
        }
        texts.push(Some(text));
    }
    Ok((texts.into_iter().flatten().map(str::to_owned).collect(), base))
}

/// A special token that is in no vocabulary would become a new one, for which there are no weights.
fn check_there(texts: &[String], special: &BTreeSet<String>) -> Result<(), TokenizerError> {
    let texts: BTreeSet<&str> =
        texts.iter().map(String::as_str).filter(|text| special.contains(*text)).collect();
    match special.iter().find(|text| !texts.contains(text.as_str())) {
        Some(missing) => Err(TokenizerError::NoSuchToken { text: missing.clone() }),
        None => Ok(()),
    }
}

fn kind(text: &str, is_base: bool, special: &BTreeSet<String>) -> Kind {
    if VISIBLE.contains(&text) {
        return Kind::UserDefined;
    }
    if is_base && is_byte(text) {
        return Kind::Byte;
    }
    match (special.contains(text), is_base) {
        (true, _) => Kind::Control,
        (false, true) => Kind::Normal,
        (false, false) => Kind::UserDefined,
    }
}

/// Whether a token stands for one byte: `<0xHH>`.
fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, u32)]) -> Vec<(String, u32)> {
        pairs.iter().map(|&(text, id)| (text.to_owned(), id)).collect()
    }

    fn added(id: u32, content: &str) -> AddedToken {
        AddedToken { id, content: content.to_owned() }
    }

    #[test]
    fn texts_come_by_their_numbers_and_added_ones_behind_them() {
        let vocab = pairs(&[("b", 1), ("a", 0)]);
        let (found, base) = texts(&vocab, &[added(3, "d"), added(1, "b"), added(2, "c")]).expect("good");
        assert_eq!((found, base), (["a", "b", "c", "d"].map(str::to_owned).to_vec(), 2));
    }

    #[test]
    fn numbers_that_leave_gaps_or_occur_twice_are_refused() {
        let found = |vocab: &[(&str, u32)], more: &[AddedToken]| texts(&pairs(vocab), more).expect_err("bad");
        assert!(matches!(found(&[("a", 0), ("b", 2)], &[]), TokenizerError::Gap { id: 2, tokens: 2 }));
        assert!(matches!(found(&[("a", 0), ("b", 0)], &[]), TokenizerError::Twice { id: 0, .. }));
        assert!(matches!(found(&[("a", 0), ("a", 1)], &[]), TokenizerError::Twice { id: 1, .. }));
        assert!(matches!(found(&[("a", 0)], &[added(2, "c")]), TokenizerError::Gap { id: 2, tokens: 1 }));
        let twice = [added(1, "c"), added(1, "d")];
        assert!(matches!(found(&[("a", 0)], &twice), TokenizerError::Twice { id: 1, .. }));
    }

    #[test]
    fn kinds_of_tokens() {
        let special = ["<bos>", "<0x0A>", "<|tool_call>", "<new>"].map(str::to_owned).into();
        for (text, is_base, expected) in [
            ("a", true, Kind::Normal),
            ("<bos>", true, Kind::Control),
            ("<0x0A>", true, Kind::Byte),
            ("<0xfF>", true, Kind::Byte),
            ("<0x0g>", true, Kind::Normal),
            ("<|tool_call>", true, Kind::UserDefined),
            ("<new>", false, Kind::Control),
            ("<other>", false, Kind::UserDefined),
        ] {
            assert_eq!(kind(text, is_base, &special), expected, "{text}");
        }
    }
}
