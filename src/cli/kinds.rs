//! Kinds of text that a benchmark goes through: built-in prompts, and a person's own.

use std::path::PathBuf;

use crate::error::{Kind, Problem};

/// A prompt, and what kind of text it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// The kind's name.
    pub kind: String,
    /// The text.
    pub text: String,
}

const BUILT_IN: &[(&str, &str)] = &[
    ("code", include_str!("../../assets/bench/code.txt")),
    ("prose", include_str!("../../assets/bench/prose.txt")),
    ("maths", include_str!("../../assets/bench/maths.txt")),
    ("translation", include_str!("../../assets/bench/translation.txt")),
    ("extraction", include_str!("../../assets/bench/extraction.txt")),
    ("chat", include_str!("../../assets/bench/chat.txt")),
    ("noise", include_str!("../../assets/bench/noise.txt")),
];

/// The prompts asked for: built-in kinds by name (all but noise where neither kinds nor files are named), then files.
///
/// # Errors
/// An unknown kind, or a file that cannot be read.
pub fn chosen(kinds: &[String], files: &[PathBuf]) -> Result<Vec<Prompt>, Problem> {
    let all = kinds.iter().any(|kind| kind == "all");
    let default = kinds.is_empty() && files.is_empty();
    if let Some(unknown) =
        kinds.iter().find(|kind| *kind != "all" && !BUILT_IN.iter().any(|(name, _)| name == kind))
    {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        let message = format!("--kinds {unknown}: expected some of {}, or all", names.join(", "));
        return Err(Problem::new(Kind::Usage, message, "give a prompt of your own with --prompt-file FILE"));
    }
    let wanted = |name: &str| all || kinds.iter().any(|kind| kind == name) || default && name != "noise";
    let built_in = BUILT_IN.iter().filter(|(name, _)| wanted(name));
    let mut prompts: Vec<Prompt> = built_in
        .map(|(name, text)| Prompt { kind: (*name).to_owned(), text: text.trim_end().to_owned() })
        .collect();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let message = format!("reading the prompt {} failed: {error}", file.display());
            Problem::new(Kind::File, message, "give a text file in UTF-8")
        })?;
        let kind = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        prompts.push(Prompt { kind, text: text.trim_end().to_owned() });
    }
    Ok(prompts)
}
