//! What a model's name says: `gemma-4-26B-A4B-it` is of the family gemma, version 4, of the size 26B-A4B, and made for
//! instructions. The guesses are those of gguf-py/gguf/metadata.py (`get_model_id_components`, b11434), so that a file
//! made of a folder equals the reference converter's.

use std::collections::BTreeSet;

/// Parts of a model's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NameParts {
    /// As a title.
    pub name: Option<String>,
    /// Who made it.
    pub organization: Option<String>,
    /// The family.
    pub basename: Option<String>,
    /// What it was made for.
    pub finetune: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// How large it is.
    pub size_label: Option<String>,
}

/// What a part of a name can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Basename,
    Size,
    Finetune,
    Version,
    Type,
}

/// A part of a name.
struct Part {
    text: String,
    roles: BTreeSet<Role>,
}

impl NameParts {
    /// Reads a name, with or without who made it: `google/gemma-4-E2B-it`. `weights` is the model's size, which tells a
    /// size in the name from a length of context.
    pub(super) fn read(id: &str, weights: u64) -> NameParts {
        if id.is_empty() {
            return NameParts::default();
        }
        if id.contains(' ') {
            return NameParts { name: Some(title(id)), ..NameParts::default() };
        }
        let (organization, whole) = match id.split_once('/') {
            Some((organization, whole)) => (Some(organization), whole),
            None => (None, id),
        };
        let organization = organization.filter(|text| !text.starts_with('.'));
        let mut parts: Vec<Part> = whole
            .split('-')
            .filter(|text| !text.is_empty())
            .enumerate()
            .map(|(at, text)| Part::read(text, at == 0, weights))
            .collect();
        drop_size_words(&mut parts);
        find_basename(&mut parts);
        let joined = |role: Role| {
            let mut texts: Vec<&str> = Vec::new();
            for part in parts.iter().filter(|part| part.roles.contains(&role)) {
                let is_elsewhere = role == Role::Version && part.roles.contains(&Role::Basename);
                let is_there = role == Role::Size && texts.contains(&part.text.as_str());
                if !is_elsewhere && !is_there {
                    texts.push(&part.text);
                }
            }
            (!texts.is_empty()).then(|| texts.join("-"))
        };
        let found = NameParts {
            name: Some(title(whole)),
            organization: organization.map(title),
            basename: joined(Role::Basename),
            finetune: joined(Role::Finetune),
            version: joined(Role::Version),
            size_label: joined(Role::Size),
        };
        // Of a single word nothing can be said.
        let is_vague = found.size_label.is_none() && found.finetune.is_none() && found.version.is_none();
        NameParts { basename: found.basename.filter(|_| !is_vague), ..found }
    }

    /// Fills in what is missing.
    pub(super) fn or(self, other: NameParts) -> NameParts {
        NameParts {
            name: self.name.or(other.name),
            organization: self.organization.or(other.organization),
            basename: self.basename.or(other.basename),
            finetune: self.finetune.or(other.finetune),
            version: self.version.or(other.version),
            size_label: self.size_label.or(other.size_label),
        }
    }
}

impl Part {
    fn read(text: &str, is_first: bool, weights: u64) -> Part {
        let small = text.to_lowercase();
        let one = |role| BTreeSet::from([role]);
        if is_version(&small) {
            return Part { text: text.to_owned(), roles: one(Role::Version) };
        }
        if is_type(&small) {
            return Part { text: text.to_uppercase(), roles: one(Role::Type) };
        }
        if !is_first && is_size(&small) {
            let (text, role) = sized(text, weights);
            return Part { text, roles: one(role) };
        }
        let is_known = ["chat", "instruct", "vision", "lora"].contains(&small.as_str());
        let roles = if is_known && !is_first { one(Role::Finetune) } else { BTreeSet::new() };
        Part { text: text.to_owned(), roles }
    }
}

/// `(v|iter)?\d+([.]\d+)*`
fn is_version(text: &str) -> bool {
    let rest = text.strip_prefix("iter").or_else(|| text.strip_prefix('v')).unwrap_or(text);
    rest.split('.').all(is_digits)
}

/// `i?q\d(_\w)*|b?fp?(16|32)`
fn is_type(text: &str) -> bool {
    let quantized = text.strip_prefix('i').unwrap_or(text).strip_prefix('q');
    let is_quantized = quantized.is_some_and(|rest| {
        let chars: Vec<char> = rest.chars().collect();
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        chars.first().is_some_and(char::is_ascii_digit)
            && (chars.len() - 1).is_multiple_of(2)
            && chars[1..].chunks_exact(2).all(|pair| pair[0] == '_' && is_word(pair[1]))
    });
    let float = text.strip_prefix('b').unwrap_or(text).strip_prefix('f');
    let is_float = float.is_some_and(|rest| ["16", "32"].contains(&rest.strip_prefix('p').unwrap_or(rest)));
    is_quantized || is_float
}

/// `(([A]|\d+[x])?\d+([._]\d+)?[KMBT][\d]?|small|mini|medium|large|x?xl)`
fn is_size(text: &str) -> bool {
    if ["small", "mini", "medium", "large", "xl", "xxl"].contains(&text) {
        return true;
    }
    let unit = text.strip_suffix(|c: char| c.is_ascii_digit()).unwrap_or(text);
    let is_number = |text: &str| {
        let text = match text.split_once('x') {
            Some((experts, rest)) if is_digits(experts) => rest,
            _ => text.strip_prefix('a').unwrap_or(text),
        };
        match text.split_once(['.', '_']) {
            Some((whole, fraction)) => is_digits(whole) && is_digits(fraction),
            None => is_digits(text),
        }
    };
    unit.strip_suffix(['k', 'm', 'b', 't']).is_some_and(is_number)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A size as it is written, or a length of context where the model has quite another size.
fn sized(text: &str, weights: u64) -> (String, Role) {
    // A size is ASCII.
    let mut chars: Vec<char> = text.replace('_', ".").chars().collect();
    // 7b1 is 7.1b.
    if let [.., unit, digit] = chars[..]
        && digit.is_ascii_digit()
    {
        let whole = chars.len() - 2;
        chars.truncate(whole);
        chars.extend(['.', digit, unit]);
    }
    if let [.., before, unit] = &mut chars[..]
        && before.is_ascii_digit()
        && "kmbt".contains(*unit)
    {
        *unit = unit.to_ascii_uppercase();
    }
    let Some(unit) = chars.pop() else { return (String::new(), Role::Size) };
    let number: String = chars.into_iter().collect();
    let power = ['K', 'M', 'B', 'T'].iter().position(|each| *each == unit).map_or(-1, |at| at as i32 + 1);
    let is_other = number.parse::<f64>().is_ok_and(|number| {
        let label = number * 1000_f64.powi(power);
        (label - weights as f64).abs() > (u128::from(weights) * 7 / 8) as f64
    });
    if is_other && weights > 0 {
        return (format!("{number}{}", unit.to_ascii_lowercase()), Role::Finetune);
    }
    (format!("{number}{unit}"), Role::Size)
}

/// A size in words counts only where there is none in digits.
fn drop_size_words(parts: &mut [Part]) {
    let has_digits = |part: &Part| part.text.contains(|c: char| c.is_ascii_digit());
    if parts.iter().any(|part| part.roles.contains(&Role::Size) && has_digits(part)) {
        for part in parts.iter_mut().filter(|part| part.text.chars().all(char::is_alphabetic)) {
            part.roles.remove(&Role::Size);
        }
    }
}

/// Words at the start, with versions among them, are the family; other words are what it was made for.
fn find_basename(parts: &mut [Part]) {
    let mut is_start = true;
    for part in parts.iter_mut() {
        let is_word = part.roles.is_empty() && part.text.starts_with(char::is_alphabetic);
        if is_start && (is_word || part.roles.contains(&Role::Version)) {
            part.roles.insert(Role::Basename);
            continue;
        }
        is_start = false;
        if part.roles.is_empty() {
            part.roles.insert(Role::Finetune);
        }
    }
    for part in parts.iter_mut().rev() {
        if part.roles.len() < 2 || !part.roles.remove(&Role::Basename) {
            break;
        }
    }
}

/// A name as a title: words at hyphens, small ones with a capital.
fn title(name: &str) -> String {
    let words = name.split(|c: char| c == '-' || c.is_whitespace()).filter(|word| !word.is_empty());
    let words: Vec<String> =
        words.map(|word| if is_word(word) { capital(word) } else { word.to_owned() }).collect();
    words.join(" ")
}

/// Small letters, and neither a number nor a version.
fn is_word(word: &str) -> bool {
    let is_small = word.chars().any(char::is_lowercase) && !word.chars().any(char::is_uppercase);
    let is_version = word.strip_prefix('v').is_some_and(|rest| rest.split('.').all(is_digits));
    is_small && !word.starts_with(|c: char| c.is_ascii_digit()) && !is_version
}

/// A capital wherever letters begin, as Python's `title`.
fn capital(word: &str) -> String {
    let mut before = false;
    let upper = |c: char| {
        let is_first = !std::mem::replace(&mut before, c.is_alphabetic());
        if is_first { c.to_uppercase().collect::<String>() } else { c.to_string() }
    };
    word.chars().map(upper).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Name, weights, then title, organization, family, purpose, version, size: as gguf-py of b11434 gives them.
    #[rustfmt::skip]
    #[test]
    fn names_as_the_reference_reads_them() {
        for (id, weights, expected) in [
            ("gemma-4-26B-A4B-it", 25_233_142_046, ["Gemma 4 26B A4B It", "", "gemma-4", "it", "", "26B-A4B"]),
            ("gemma-4-E2B-it", 5_100_000_000, ["Gemma 4 E2B It", "", "", "", "", ""]),
            ("google/gemma-4-31B-it-assistant", 419_700_000, ["Gemma 4 31B It Assistant", "Google", "gemma-4", "31b-it-assistant", "", ""]),
            ("gemma-4-26B-A4B-it-qat-q4_0-unquantized", 25_233_142_046, ["Gemma 4 26B A4B It Qat Q4_0 Unquantized", "", "gemma-4", "it-qat-unquantized", "", "26B-A4B"]),
            ("gemma-4-12b-it", 11_900_000_000, ["Gemma 4 12b It", "", "gemma-4", "it", "", "12B"]),
            ("my-model", 1000, ["My Model", "", "", "", "", ""]),
            ("model", 1000, ["Model", "", "", "", "", ""]),
            ("v2", 1000, ["v2", "", "", "", "v2", ""]),
            ("a model of mine", 1000, ["A Model Of Mine", "", "", "", "", ""]),
            ("mixture_older", 70_000, ["Mixture_Older", "", "", "", "", ""]),
            ("bloom-7b1-chat", 7_100_000_000, ["Bloom 7b1 Chat", "", "bloom", "chat", "", "7.1B"]),
            ("Llama-3-8B-128k-instruct", 8_000_000_000, ["Llama 3 8B 128k Instruct", "", "Llama-3", "128k-instruct", "", "8B"]),
            ("x-8x7B-v0.1", 46_000_000_000, ["X 8x7B v0.1", "", "x", "", "v0.1", "8x7B"]),
            ("x--large-7B", 7_000_000_000, ["X Large 7B", "", "x-large", "", "", "7B"]),
            ("gemma-large-it", 7_000_000_000, ["Gemma Large It", "", "gemma", "it", "", "large"]),
            ("4-gemma", 1000, ["4 Gemma", "", "", "", "", ""]),
            ("gemma-4", 1000, ["Gemma 4", "", "gemma", "", "4", ""]),
            ("gemma-bf16-1.5", 1000, ["Gemma Bf16 1.5", "", "gemma", "", "1.5", ""]),
            ("./gemma-3-1b", 1_000_000_000, ["Gemma 3 1b", "", "gemma-3", "", "", "1B"]),
            ("iter2-gemma-v1.2.3-IQ4_X", 1000, ["Iter2 Gemma v1.2.3 IQ4_X", "", "", "", "", ""]),
            ("gemma-1_5B-XL", 1_500_000_000, ["Gemma 1_5B XL", "", "gemma", "XL", "", "1.5B"]),
            ("tmp.Ab12-x", 5, ["tmp.Ab12 X", "", "", "", "", ""]),
            ("gemma-4-26b-a4b", 0, ["Gemma 4 26b A4B", "", "gemma-4", "", "", "26B-a4B"]),
            ("1-2-3", 9, ["1 2 3", "", "", "", "1-2-3", ""]),
            ("q8-q8_0_K", 9, ["Q8 q8_0_K", "", "", "", "", ""]),
        ] {
            let found = NameParts::read(id, weights);
            let found = [
                found.name,
                found.organization,
                found.basename,
                found.finetune,
                found.version,
                found.size_label,
            ];
            let found = found.map(Option::unwrap_or_default);
            assert_eq!(found.each_ref().map(String::as_str), expected, "{id}");
        }
    }
}
