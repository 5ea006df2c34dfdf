//! Special tokens and the chat template: `SpecialVocab` of gguf-py/gguf/vocab.py (b11434), and which tokens the
//! tokenizers of transformers 5 call special.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::config::Config;
use super::keys::Keys;
use super::post_processor::Template;
use super::tokenizer::TokenizerFiles;
use super::tokenizer_error::TokenizerError;
use crate::gguf::{Array, Value};

/// The roles of special tokens in the order in which they are written: as in `bos_token` of tokenizer_config.json, and as
/// in `tokenizer.ggml.bos_token_id` of a GGUF, whose misspelling is the format's.
const ROLES: [(&str, &str); 9] = [
    ("bos", "bos"),
    ("eos", "eos"),
    ("unk", "unknown"),
    ("sep", "seperator"),
    ("pad", "padding"),
    ("cls", "cls"),
    ("mask", "mask"),
    ("eot", "eot"),
    ("eom", "eom"),
];

/// Of these, those that are always written; the others only where a template of the tokenizer gives a reason.
const ALWAYS: usize = 7;

/// Roles for which a GGUF says whether the token is added to a prompt.
const ADDED: [&str; 3] = ["bos", "eos", "sep"];

/// What the class `GemmaTokenizer` of transformers takes for special where tokenizer_config.json does not say.
const DEFAULTS: [(&str, &str); 5] = [
    ("bos_token", "<bos>"),
    ("eos_token", "<eos>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];

/// The texts of all tokens that are special.
pub(super) fn special_texts(config: &Map<String, Json>, special_map: &Map<String, Json>) -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    // The older file counts only where the newer has no table of its own.
    let older = Some(special_map).filter(|_| !config.contains_key("added_tokens_decoder"));
    for part in older.into_iter().chain([config]) {
        for (key, value) in part {
            let is_list = key == "extra_special_tokens" || key == "additional_special_tokens";
            match value {
                Json::Array(items) if is_list => texts.extend(items.iter().filter_map(text_of)),
                Json::Object(items) if is_list => texts.extend(items.values().filter_map(text_of)),
                one if key.ends_with("_token") => texts.extend(text_of(one)),
                _ => {}
            }
        }
    }
    let class = config.get("tokenizer_class").and_then(Json::as_str).unwrap_or_default();
    if class.starts_with("GemmaTokenizer") {
        let is_said = |key: &str| config.contains_key(key) || special_map.contains_key(key);
        texts.extend(DEFAULTS.iter().filter(|default| !is_said(default.0)).map(|default| default.1));
    }
    texts.into_iter().map(str::to_owned).collect()
}

/// A token's text: itself, or the `content` of an object.
fn text_of(value: &Json) -> Option<&str> {
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// Adds the numbers of special tokens, which of them are added to a prompt, the chat template, and the normalizer.
pub(super) fn add_special(
    keys: &mut Keys,
    mut files: TokenizerFiles,
    config: &Config,
    tokens: u64,
) -> Result<(), TokenizerError> {
    let has_config = !files.config.is_empty();
    for (role, other) in [("bos_token", "cls_token"), ("eos_token", "sep_token")] {
        let other = files.config.get(other).filter(|other| !other.is_null()).cloned();
        if let Some(other) = other.filter(|_| files.config.get(role).is_none_or(Json::is_null)) {
            files.config.insert(role.to_owned(), other);
        }
    }
    let mut added = Template::read(&files.tokenizer.post_processor, &mut files.config);
    let roles = |template: &Template| {
        let more = usize::from(template.has_end_of_turn);
        ROLES[..ALWAYS + more].iter()
    };
    let mut ids: Vec<(&str, u64)> = Vec::new();
    for &(role, _) in roles(&added).filter(|_| has_config) {
        if let Some(whether) = files.config.get(&format!("add_{role}_token")).and_then(Json::as_bool) {
            added.set_if_new(role, whether);
        }
        let text = files.config.get(&format!("{role}_token")).and_then(text_of);
        let token = files.tokenizer.added_tokens.iter().find(|token| Some(token.content.as_str()) == text);
        ids.extend(token.map(|token| (role, u64::from(token.id))));
    }
    for &(role, _) in roles(&added) {
        let id = config.token_ids.get(&format!("{role}_token_id")).copied().flatten();
        let is_new = !ids.iter().any(|each| each.0 == role);
        ids.extend(id.filter(|_| is_new).map(|id| (role, id)));
    }
    for (role, id) in ids {
        let name = ROLES.iter().find(|each| each.0 == role).map_or(role, |each| each.1);
        if id >= tokens {
            return Err(TokenizerError::NoSuchId { role: role.to_owned(), id, tokens });
        }
        // Below the vocabulary's length.
        keys.set(format!("tokenizer.ggml.{name}_token_id"), Value::U32(id as u32));
    }
    for (role, whether) in added.whether.iter().filter(|each| ADDED.contains(&each.0)) {
        keys.set(format!("tokenizer.ggml.add_{role}_token"), Value::Bool(*whether));
    }
    if has_config {
        add_template(keys, &files);
    }
    add_normalizer(keys, &files.tokenizer.normalizer);
    Ok(())
}

/// The chat template: that of tokenizer_config.json counts before the file's. Of several with names, `default` is the one.
fn add_template(keys: &mut Keys, files: &TokenizerFiles) {
    match files.config.get("chat_template") {
        Some(Json::String(text)) => keys.set_text("tokenizer.chat_template", text),
        Some(Json::Array(named)) => {
            let text = |entry: &Json, key| entry.get(key).and_then(Json::as_str).map(str::to_owned);
            let named =
                named.iter().filter_map(|entry| Some((text(entry, "name")?, text(entry, "template")?)));
            let (default, named): (Vec<_>, Vec<_>) = named.partition(|entry| entry.0 == "default");
            let is_plain = |c: char| c.is_ascii_alphanumeric();
            let mut names: Vec<String> = Vec::new();
            for (name, template) in named.into_iter().filter(|entry| !entry.0.is_empty()) {
                let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
                keys.set_text(&format!("tokenizer.chat_template.{name}"), &template);
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            if !names.is_empty() {
                let names = Array::of_texts(names.iter().map(String::as_str));
                keys.set("tokenizer.chat_templates", Value::Array(names));
            }
            if let Some((_, default)) = default.last() {
                keys.set_text("tokenizer.chat_template", default);
            }
        }
        None => keys.set_text("tokenizer.chat_template", files.template.as_deref().unwrap_or("")),
        Some(_) => {}
    }
}

fn add_normalizer(keys: &mut Keys, normalizer: &Json) {
    let parts = normalizer.get("normalizers").and_then(Json::as_array);
    let parts = parts.map_or(std::slice::from_ref(normalizer), Vec::as_slice);
    for (kind, key) in [("Lowercase", "lowercase"), ("StripAccents", "strip_accents")] {
        if parts.iter().any(|part| part.get("type").and_then(Json::as_str) == Some(kind)) {
            keys.set(format!("tokenizer.ggml.normalizer.{key}"), Value::Bool(true));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Json) -> Map<String, Json> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn special_tokens_are_named_in_several_ways() {
        let config = object(json!({
            "bos_token": {"content": "<bos>"}, "soc_token": "<|channel>", "mask_token": null, "add_bos_token": true,
            "extra_special_tokens": ["<|video|>", {"content": "<x>"}], "tokenizer_class": "GemmaTokenizer",
            "model_max_length": 1,
        }));
        let older = object(json!({"cls_token": "<cls>", "pad_token": "<nothing>"}));
        let texts = special_texts(&config, &older);
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        // `<pad>` and `<mask>` are said to be others.
        assert_eq!(
            texts,
            ["<bos>", "<cls>", "<eos>", "<nothing>", "<unk>", "<x>", "<|channel>", "<|video|>"]
        );
        let with_table = object(json!({"added_tokens_decoder": {}, "bos_token": "<bos>"}));
        assert_eq!(special_texts(&with_table, &older).len(), 1);
        let named = object(json!({"extra_special_tokens": {"image_token": "<image>"}}));
        assert_eq!(special_texts(&named, &Map::new()).len(), 1);
    }
}
