//! The kinds of text that `bench` measures: built-in prompts, and files of a person's own.

use std::path::{Path, PathBuf};

use crate::error::{Kind, Problem};

/// Built-in prompts by name. The last is off every model's domain, and measured only where it is asked for.
const BUILT_IN: [(&str, &str); 7] = [
    ("code", include_str!("../../assets/bench/code.txt")),
    ("prose", include_str!("../../assets/bench/prose.txt")),
    ("maths", include_str!("../../assets/bench/maths.txt")),
    ("translation", include_str!("../../assets/bench/translation.txt")),
    ("extraction", include_str!("../../assets/bench/extraction.txt")),
    ("chat", include_str!("../../assets/bench/chat.txt")),
    ("noise", include_str!("../../assets/bench/noise.txt")),
];

/// How many of them are measured where nothing is chosen.
const USUAL: usize = 6;

/// Bytes of a prompt file that are read at most.
const LONGEST_FILE: u64 = 16 << 20;

/// A prompt, and the kind of text that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    /// Its name in tables.
    pub kind: String,
    /// What the model is asked.
    pub text: String,
}

/// The prompts that were chosen, in the order they were named; the usual ones where none was.
///
/// # Errors
/// An unknown kind, or a file that cannot be read.
pub fn chosen(kinds: &[String], files: &[PathBuf]) -> Result<Vec<Prompt>, Problem> {
    let built_in = |index: usize| {
        let (kind, text) = BUILT_IN[index];
        Prompt { kind: kind.to_owned(), text: text.trim_end().to_owned() }
    };
    let mut prompts: Vec<Prompt> = Vec::new();
    if kinds.is_empty() && files.is_empty() {
        prompts.extend((0..USUAL).map(built_in));
    }
    for kind in kinds {
        match BUILT_IN.iter().position(|(name, _)| name == kind) {
            Some(index) => prompts.push(built_in(index)),
            None if kind == "all" => prompts.extend((0..BUILT_IN.len()).map(built_in)),
            None => {
                let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
                let message = format!("--kinds {kind}: there is no such kind of text");
                let help =
                    format!("the kinds are {}, or all; --prompt-file takes your own", names.join(", "));
                return Err(Problem::new(Kind::Usage, message, help));
            }
        }
    }
    for file in files {
        prompts.push(Prompt { kind: name_of(file), text: read(file)? });
    }
    let mut named = Vec::new();
    for prompt in &mut prompts {
        // Two files of the same name, or a kind given twice, must not fall together in the tables.
        let count = named.iter().filter(|kind| **kind == prompt.kind).count();
        named.push(prompt.kind.clone());
        if count > 0 {
            prompt.kind = format!("{} ({})", prompt.kind, count + 1);
        }
    }
    Ok(prompts)
}

fn name_of(file: &Path) -> String {
    let stem = file.file_stem().map_or_else(|| "file".into(), |stem| stem.to_string_lossy());
    // It stands in tables, on terminals.
    stem.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn read(file: &Path) -> Result<String, Problem> {
    let failed = |reason: String| {
        let message = format!("reading the prompt file {} failed: {reason}", file.display());
        Problem::new(Kind::Usage, message, "give a text file in UTF-8")
    };
    let metadata = std::fs::metadata(file).map_err(|error| failed(error.to_string()))?;
    if !metadata.is_file() {
        return Err(failed("it is not a regular file".to_owned()));
    }
    if metadata.len() > LONGEST_FILE {
        return Err(failed(format!("expected a file of at most {LONGEST_FILE} bytes")));
    }
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.to_string()))?;
    if text.trim().is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_kinds_are_six_and_all_are_seven() {
        let names = |kinds: &[&str]| {
            let kinds: Vec<String> = kinds.iter().map(|kind| (*kind).to_owned()).collect();
            chosen(&kinds, &[])
                .map(|prompts| prompts.into_iter().map(|prompt| prompt.kind).collect::<Vec<_>>())
        };
        let usual = names(&[]).unwrap();
        assert_eq!(usual, ["code", "prose", "maths", "translation", "extraction", "chat"]);
        assert_eq!(names(&["all"]).unwrap().last().unwrap(), "noise");
        assert_eq!(names(&["chat", "chat"]).unwrap(), ["chat", "chat (2)"]);
        let problem = names(&["poetry"]).unwrap_err();
        assert!(problem.message.contains("poetry") && problem.help.unwrap().contains("prose"));
    }
}
