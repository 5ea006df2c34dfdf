//! What a tokenizer's post-processor says of the tokens around a prompt: a template of pieces, as `SpecialVocab` of
//! gguf-py/gguf/vocab.py (b11434) understands it.

use serde_json::{Map, Value as Json};

/// What a piece of a template stands for, if it is of a kind.
fn id_of<'a>(piece: Option<&'a Json>, kind: &str) -> Option<&'a str> {
    piece?.get(kind)?.get("id")?.as_str()
}

/// What a tokenizer's post-processor says of the tokens around a prompt.
#[derive(Debug, Default)]
pub(super) struct Template {
    /// Roles, and whether their token is added; in the order in which they were found.
    pub whether: Vec<(&'static str, bool)>,
    /// Whether a prompt ends in another token than the end of a text: then that is the end, and what was the end is
    /// called the end of a turn.
    pub has_end_of_turn: bool,
}

impl Template {
    fn set(&mut self, role: &'static str, whether: bool) {
        match self.whether.iter_mut().find(|each| each.0 == role) {
            Some(each) => each.1 = whether,
            None => self.whether.push((role, whether)),
        }
    }

    pub(super) fn set_if_new(&mut self, role: &'static str, whether: bool) {
        if !self.whether.iter().any(|each| each.0 == role) {
            self.whether.push((role, whether));
        }
    }

    pub(super) fn read(processor: &Json, config: &mut Map<String, Json>) -> Template {
        let parts = processor.get("processors").and_then(Json::as_array);
        let mut found = Template::default();
        for part in parts.map_or(std::slice::from_ref(processor), Vec::as_slice) {
            match part.get("type").and_then(Json::as_str) {
                Some("ByteLevel") => {
                    found.set_if_new("bos", false);
                    found.set_if_new("eos", false);
                }
                Some("TemplateProcessing") => found.read_template(part, config),
                _ => {}
            }
        }
        found
    }

    fn read_template(&mut self, part: &Json, config: &mut Map<String, Json>) {
        let pieces = |key| part.get(key).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
        let special = |piece| id_of(piece, "SpecialToken").map(str::to_owned).filter(|text| !text.is_empty());
        let role = |config: &Map<String, Json>, key: &str| {
            config.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (single, pair) = (pieces("single"), pieces("pair"));
        let (mut first, mut last) = (None, None);
        if single.len() > 1 {
            first = special(single.first());
            last = special(single.last());
        }
        if let Some(first) = &first {
            let known = [role(config, "bos_token"), role(config, "cls_token")];
            if !known.contains(&Some(first.clone())) {
                for (key, known) in ["bos_token", "cls_token"].into_iter().zip(&known) {
                    if known.is_none() && !config.is_empty() {
                        config.insert(key.to_owned(), Json::String(first.clone()));
                    }
                }
            }
            let now = [role(config, "bos_token"), role(config, "cls_token")];
            self.set("bos", config.is_empty() || now.contains(&Some(first.clone())));
        }
        if let Some(last) = &last {
            let end = role(config, "eos_token");
            if end.as_ref() != Some(last) && !config.is_empty() {
                self.has_end_of_turn = true;
                config.insert("eot_token".to_owned(), end.map_or(Json::Null, Json::String));
                config.insert("eos_token".to_owned(), Json::String(last.clone()));
            }
            self.set("eos", true);
        }
        self.read_pair(pair, first.as_deref(), last.as_deref(), config);
    }

    /// Whether something stands between the two texts of a pair.
    fn read_pair(
        &mut self,
        pair: &[Json],
        first: Option<&str>,
        last: Option<&str>,
        config: &Map<String, Json>,
    ) {
        let special = |piece| id_of(piece, "SpecialToken");
        let text_id = |piece| id_of(piece, "Sequence");
        let start = usize::from(first.is_some() && special(pair.first()) == first);
        let stop = pair.len() - usize::from(last.is_some() && special(pair.last()) == last);
        let inner = pair.get(start..stop).unwrap_or_default();
        if text_id(inner.first()) != Some("A") || text_id(inner.last()) != Some("B") || inner.len() < 3 {
            return;
        }
        let between = &inner[1..inner.len() - 1];
        let ends = ["sep_token", "eos_token"].map(|key| config.get(key).and_then(Json::as_str));
        let is_end = |piece| special(piece).is_some_and(|text| ends.contains(&Some(text)));
        let is_added =
            (is_end(between.first()) && last.is_none()) || (between.len() == 2 && is_end(between.get(1)));
        self.set("sep", is_added);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(single: &[&str], pair: &[&str], config: Json) -> (Template, Map<String, Json>) {
        let piece = |text: &&str| match *text {
            "A" | "B" => json!({"Sequence": {"id": text, "type_id": 0}}),
            _ => json!({"SpecialToken": {"id": text, "type_id": 0}}),
        };
        let pieces = |texts: &[&str]| texts.iter().map(piece).collect::<Vec<_>>();
        let mut config = config.as_object().expect("an object").clone();
        let part = json!({"type": "TemplateProcessing", "single": pieces(single), "pair": pieces(pair)});
        (Template::read(&part, &mut config), config)
    }

    #[test]
    fn templates_say_what_is_added_to_a_prompt() {
        let config = || json!({"bos_token": "<bos>", "eos_token": "<eos>"});
        // Gemma 3's: the beginning before both texts, and no separator.
        let (found, _) = template(&["<bos>", "A"], &["<bos>", "A", "<bos>", "B"], config());
        assert_eq!((found.whether, found.has_end_of_turn), (vec![("bos", true), ("sep", false)], false));
        let (found, _) = template(&["A"], &["A", "B"], config());
        assert_eq!(found.whether, []);
        let (found, _) =
            template(&["<bos>", "A", "<eos>"], &["<bos>", "A", "<eos>", "<eos>", "B", "<eos>"], config());
        assert_eq!(found.whether, [("bos", true), ("eos", true), ("sep", true)]);
        // A beginning that has no role takes the free one; where there is none, it is not the beginning.
        let (found, now) = template(&["<other>", "A"], &[], config());
        assert_eq!((found.whether, &now["cls_token"]), (vec![("bos", true)], &json!("<other>")));
        let both = json!({"bos_token": "<bos>", "cls_token": "<cls>"});
        let (found, _) = template(&["<other>", "A"], &[], both);
        assert_eq!(found.whether, [("bos", false)]);
        let (found, config) = template(&["A", "<turn|>"], &[], config());
        assert_eq!((found.whether, found.has_end_of_turn), (vec![("eos", true)], true));
        assert_eq!(config["eot_token"], "<eos>");
        assert_eq!(config["eos_token"], "<turn|>");
    }
}
