//! The front matter of README.md: license, tags, languages, and what the model was made of, as the reference converter takes
//! them (gguf-py/gguf/metadata.py, b11434).
//!
//! It is YAML. Only its plain lines are read (`key: text`, and lists of texts below a key): an entry of any other form is left
//! out, and so are those that stand in place of the names that the folder's name says (`model_name` and the like).

use super::keys::Keys;
use super::naming::NameParts;
use crate::gguf::{Array, Value};

/// Keys with their texts, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct ModelCard(Vec<(String, Vec<String>)>);

impl ModelCard {
    /// Reads the front matter.
    pub(super) fn read(readme: &str) -> ModelCard {
        let mut lines = readme.lines();
        if lines.next() != Some("---") {
            return ModelCard::default();
        }
        let mut entries: Vec<(String, Option<Vec<String>>)> = Vec::new();
        for line in lines.take_while(|line| *line != "---") {
            let is_key = line.starts_with(|c: char| c.is_ascii_alphabetic());
            match (line.split_once(':').filter(|_| is_key), entries.last_mut()) {
                (Some((key, "")), _) => entries.push((key.to_owned(), Some(Vec::new()))),
                (Some((key, text)), _) => {
                    let text = text.strip_prefix(' ').and_then(plain).map(|text| vec![text]);
                    entries.push((key.to_owned(), text));
                }
                (None, Some((_, texts))) if !line.trim().is_empty() => {
                    let item = line.trim_start().strip_prefix("- ").map(|item| match item {
                        // As the reference quotes it.
                        "no" => Some(item.to_owned()),
                        _ => plain(item),
                    });
                    *texts = texts.take().zip(item.flatten()).map(|(mut texts, item)| {
                        texts.push(item);
                        texts
                    });
                }
                _ => {}
            }
        }
        let known = entries.into_iter().filter_map(|(key, texts)| Some((key, texts?)));
        ModelCard(known.filter(|entry| !entry.1.is_empty()).collect())
    }

    fn texts(&self, key: &str) -> Option<&[String]> {
        self.0.iter().find(|entry| entry.0 == key).map(|entry| entry.1.as_slice())
    }

    /// Adds what it says; `weights` is the model's size, which the names of other models are read with.
    pub(super) fn add(&self, keys: &mut Keys, weights: u64) {
        for (name, key) in [
            ("license", "general.license"),
            ("license_name", "general.license.name"),
            ("license_link", "general.license.link"),
        ] {
            keys.set_text(key, &self.texts(name).unwrap_or_default().join(","));
        }
        for (names, prefix) in [
            (["base_model", "base_models", "base_model_sources"], "general.base_model"),
            (["datasets", "dataset", "dataset_sources"], "general.dataset"),
        ] {
            let Some(all) = names.iter().find_map(|name| self.texts(name)) else { continue };
            // Below the length of a README.
            keys.set(format!("{prefix}.count"), Value::U32(all.len() as u32));
            for (number, id) in all.iter().enumerate() {
                add_other(keys, &format!("{prefix}.{number}"), id, weights);
            }
        }
        for (names, key) in
            [(["tags", "pipeline_tag"], "general.tags"), (["languages", "language"], "general.languages")]
        {
            let all: Vec<&str> =
                names.iter().filter_map(|name| self.texts(name)).flatten().map(String::as_str).collect();
            if !all.is_empty() {
                keys.set(key, Value::Array(Array::of_texts(all)));
            }
        }
    }
}

/// Another model, or a dataset: an address, or `organization/name` on Hugging Face.
fn add_other(keys: &mut Keys, prefix: &str, id: &str, weights: u64) {
    let is_address = ["http://", "https://", "ssh://"].iter().any(|start| id.starts_with(start));
    let on_hub =
        id.strip_prefix("https://huggingface.co/").or_else(|| id.strip_prefix("http://huggingface.co/"));
    let is_pair = |id: &&str| id.split('/').count() == 2 && !id.starts_with('/') && !id.ends_with('/');
    let named = if is_address { on_hub.filter(is_pair) } else { Some(id) };
    if let Some(named) = named {
        let parts = NameParts::read(named, weights);
        keys.set_text(&format!("{prefix}.name"), &parts.name.unwrap_or_default());
        keys.set_text(&format!("{prefix}.version"), &parts.version.unwrap_or_default());
        keys.set_text(&format!("{prefix}.organization"), &parts.organization.clone().unwrap_or_default());
        if !is_address && parts.organization.is_some() {
            keys.set_text(&format!("{prefix}.repo_url"), &format!("https://huggingface.co/{named}"));
        }
    }
    if is_address {
        keys.set_text(&format!("{prefix}.repo_url"), id);
    }
}

/// A text that YAML reads as what stands there.
fn plain(text: &str) -> Option<String> {
    let text = text.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = text.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return (!inner.contains([quote, '\\'])).then(|| inner.to_owned());
        }
    }
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.contains(" #")
        && !text.contains(": ")
        && !text.ends_with(':');
    // Numbers, dates, truth values and nothing are no texts.
    let is_word = text.contains(|c: char| c.is_ascii_alphabetic()) && text.parse::<f64>().is_err();
    let other = ["yes", "no", "true", "false", "on", "off", "null", "y", "n"];
    (is_plain && is_word && !other.contains(&text.to_lowercase().as_str())).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(readme: &str) -> Vec<(String, Value)> {
        let mut keys = Keys::default();
        ModelCard::read(readme).add(&mut keys, 25_000_000_000);
        keys.into_entries()
    }

    fn text(key: &str, text: &str) -> (String, Value) {
        (key.to_owned(), Value::String(text.to_owned()))
    }

    fn texts(key: &str, texts: &[&str]) -> (String, Value) {
        (key.to_owned(), Value::Array(Array::of_texts(texts.iter().copied())))
    }

    #[test]
    fn plain_entries_are_taken_in_the_references_order() {
        let readme = "---\nlibrary_name: transformers\nlicense: apache-2.0\npipeline_tag: image-text-to-text\n\
            license_link: https://x.y/z\ntags:\n- gemma\n  - 'it'\nlanguage:\n- en\n- no\n\
            base_model: google/gemma-4-26B-A4B\n---\nlicense_name: not this\n";
        let expected = [
            text("general.license", "apache-2.0"),
            text("general.license.link", "https://x.y/z"),
            ("general.base_model.count".to_owned(), Value::U32(1)),
            text("general.base_model.0.name", "Gemma 4 26B A4B"),
            text("general.base_model.0.organization", "Google"),
            text("general.base_model.0.repo_url", "https://huggingface.co/google/gemma-4-26B-A4B"),
            texts("general.tags", &["gemma", "it", "image-text-to-text"]),
            texts("general.languages", &["en", "no"]),
        ];
        assert_eq!(added(readme), expected);
    }

    #[test]
    fn other_forms_are_left_out() {
        assert_eq!(added("license: x\n"), []);
        for entry in [
            "license: [a, b]",
            "license: yes",
            "license: 1.0",
            "license: a # remark",
            "license: |\n  text",
            "license:\n- a: b",
            "license: a\n  b",
            "license: \"a\\n\"",
            "license:",
        ] {
            assert_eq!(added(&format!("---\n{entry}\n---\n")), [], "{entry}");
        }
        let readme = "---\ndatasets:\n- https://huggingface.co/a/b-v2\n- https://x.y/z\n---\n";
        let expected = [
            ("general.dataset.count".to_owned(), Value::U32(2)),
            text("general.dataset.0.name", "B v2"),
            text("general.dataset.0.version", "v2"),
            text("general.dataset.0.organization", "A"),
            text("general.dataset.0.repo_url", "https://huggingface.co/a/b-v2"),
            text("general.dataset.1.repo_url", "https://x.y/z"),
        ];
        assert_eq!(added(readme), expected);
    }
}
