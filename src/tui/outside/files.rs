//! Files as parts of a question: `/read FILE` and `/glob PATTERN`.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::glob::{Glob, find};
use crate::tui::composer::Fold;
use crate::tui::text::one_line;

/// A file beyond this does not fit any context: four bytes are about a token.
const LONGEST_FILE: u64 = 1024 * 1024;
/// Files of one pattern, as llama.cpp's chat has it.
const MOST_FILES: usize = 100;
/// Bytes of all files of one pattern.
const LONGEST_ALL: usize = 2 * 1024 * 1024;
/// Names of a folder, for completion.
const MOST_NAMES: usize = 10_000;

/// Reads one file as a part of a question.
///
/// # Errors
/// Where it cannot be read, is too long, or is no text: in words, with what to do.
pub fn read(path: &str) -> Result<Fold, String> {
    let named = unquoted(path);
    let file = expanded(&named);
    let text = text_of(&file).map_err(|wrong| format!("reading {}: {wrong}", one_line(&named)))?;
    let label = format!("[{} {}]", one_line(&last_name(&file)), lines(text.lines().count()));
    Ok(Fold { label, text: quoted(&named, &text) })
}

/// Reads all files that a pattern fits; says what was left out.
///
/// # Errors
/// Where nothing fits, or too much.
pub fn read_all(pattern: &str) -> Result<(Fold, Option<String>), String> {
    let named = unquoted(pattern);
    let wrong = |text: String| format!("looking for {}: {text}", one_line(&named));
    let glob = Glob::new(&expanded(&named).to_string_lossy()).map_err(&wrong)?;
    let found = find(&glob, MOST_FILES + 1).map_err(&wrong)?;
    if found.len() > MOST_FILES {
        return Err(wrong(format!("more than {MOST_FILES} files; take a narrower pattern")));
    }
    let (mut text, mut count, mut total) = (String::new(), 0, 0);
    let mut left_out = Vec::new();
    for file in &found {
        match text_of(file) {
            Ok(content) => {
                text.push_str(&quoted(&file.to_string_lossy(), &content));
                count += 1;
                total += content.lines().count();
            }
            Err(reason) => left_out.push(format!("{} ({reason})", one_line(&file.to_string_lossy()))),
        }
        if text.len() > LONGEST_ALL {
            let most = LONGEST_ALL / 1024 / 1024;
            return Err(wrong(format!("more than {most} MB in all; take a narrower pattern")));
        }
    }
    if count == 0 {
        let reason = left_out.first().map_or("no file fits".to_string(), |first| format!("no text: {first}"));
        return Err(wrong(reason));
    }
    let label = match count {
        1 => format!("[{} 1 file, {}]", one_line(&named), lines(total)),
        _ => format!("[{} {count} files, {}]", one_line(&named), lines(total)),
    };
    let note = (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", ")));
    Ok((Fold { label, text }, note))
}

/// The names in a folder, sorted, those of folders with a slash; none where it cannot be read.
#[must_use]
pub fn names(path: &str) -> Vec<String> {
    let folder = if path.is_empty() { PathBuf::from(".") } else { expanded(path) };
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .flatten()
        .take(MOST_NAMES)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            // A name that a terminal would act on cannot be typed either.
            let clean = !name.contains(char::is_control);
            clean.then(|| if entry.path().is_dir() { format!("{name}/") } else { name })
        })
        .collect();
    names.sort_unstable();
    names
}

/// A file's text, or what is wrong with it.
fn text_of(file: &Path) -> Result<String, String> {
    let about = fs::metadata(file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_string(),
        _ => error.to_string(),
    })?;
    if about.is_dir() {
        return Err("it is a folder (/glob takes the files of one: /glob FOLDER/*)".to_string());
    }
    // A pipe or a device might never end.
    if !about.is_file() {
        return Err("it is no ordinary file".to_string());
    }
    let mut bytes = Vec::new();
    let opened = fs::File::open(file).map_err(|error| error.to_string())?;
    opened.take(LONGEST_FILE + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > LONGEST_FILE {
        let size = about.len() as f64 / 1024.0 / 1024.0;
        return Err(format!("it has {size:.1} MB, and 1 MB is the most; cut out the part that matters"));
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(format!("it is no text (byte {at} is zero)"));
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_string).unwrap_or(text)),
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            Err(format!("it is no UTF-8 (at byte {at}); convert it: iconv -t utf-8"))
        }
    }
}

/// A file as a model reads it: its name, then its text between fences that are longer than any in it.
fn quoted(name: &str, text: &str) -> String {
    let longest = text.lines().map(|line| line.trim_start().bytes().take_while(|b| *b == b'`').count()).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    let kind =
        Path::new(name).extension().map(|kind| kind.to_string_lossy().into_owned()).unwrap_or_default();
    let mut out = String::new();
    let end = if text.ends_with('\n') || text.is_empty() { "" } else { "\n" };
    let _ = write!(out, "{name}:\n{fence}{kind}\n{text}{end}{fence}\n\n");
    out
}

fn lines(count: usize) -> String {
    if count == 1 { "1 line".to_string() } else { format!("{count} lines") }
}

fn last_name(file: &Path) -> String {
    file.file_name().map_or_else(|| file.to_string_lossy(), |name| name.to_string_lossy()).into_owned()
}

/// A path without the quotes that shells want around it.
fn unquoted(path: &str) -> String {
    let path = path.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = path.strip_prefix(quote).and_then(|path| path.strip_suffix(quote)) {
            return inner.to_string();
        }
    }
    path.to_string()
}

/// A path with `~` at its beginning replaced by the home folder.
fn expanded(path: &str) -> PathBuf {
    match path.strip_prefix("~/").zip(std::env::var_os("HOME")) {
        Some((rest, home)) => PathBuf::from(home).join(rest),
        None => PathBuf::from(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.rs"), "fn a() {}\n").unwrap();
        fs::write(folder.path().join("b.rs"), "fn b() {\n}").unwrap();
        fs::write(folder.path().join("c.bin"), b"a\0b").unwrap();
        fs::write(folder.path().join("latin"), b"caf\xe9").unwrap();
        fs::write(folder.path().join("fence.md"), "```\nx\n```\n").unwrap();
        folder
    }

    fn path(folder: &tempfile::TempDir, name: &str) -> String {
        folder.path().join(name).to_string_lossy().into_owned()
    }

    #[test]
    fn a_file_is_named_and_fenced() {
        let folder = folder();
        let fold = read(&path(&folder, "a.rs")).unwrap();
        assert_eq!(fold.label, "[a.rs 1 line]");
        assert_eq!(fold.text, format!("{}:\n```rs\nfn a() {{}}\n```\n\n", path(&folder, "a.rs")));
        let fold = read(&format!("\"{}\"", path(&folder, "fence.md"))).unwrap();
        assert!(fold.text.contains("````md\n```\nx\n```\n````\n"), "{}", fold.text);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = folder();
        let wrong = |name: &str| read(&path(&folder, name)).unwrap_err();
        assert!(wrong("none").ends_with("none: there is no such file"));
        assert!(wrong("c.bin").ends_with("it is no text (byte 1 is zero)"));
        assert!(wrong("latin").contains("no UTF-8 (at byte 3)"));
        assert!(read(&folder.path().to_string_lossy()).unwrap_err().contains("it is a folder"));
        let long = path(&folder, "long");
        fs::write(&long, "x".repeat(LONGEST_FILE as usize + 1)).unwrap();
        assert!(wrong("long").contains("1.0 MB, and 1 MB is the most"));
        fs::write(&long, "x".repeat(LONGEST_FILE as usize)).unwrap();
        assert!(read(&long).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = folder();
        let pipe = path(&folder, "pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert!(read(&pipe).unwrap_err().ends_with("it is no ordinary file"));
    }

    #[test]
    fn a_pattern_takes_several_and_says_what_it_left_out() {
        let folder = folder();
        let (fold, note) = read_all(&path(&folder, "*.rs")).unwrap();
        assert!(fold.label.ends_with("*.rs 2 files, 3 lines]"), "{}", fold.label);
        assert!(fold.text.contains("fn a()") && fold.text.contains("fn b()"));
        assert_eq!(note, None);
        let (fold, note) = read_all(&path(&folder, "{a.rs,c.bin}")).unwrap();
        assert!(fold.label.ends_with("1 file, 1 line]"), "{}", fold.label);
        assert!(note.unwrap().contains("c.bin (it is no text"));
        assert!(read_all(&path(&folder, "*.none")).unwrap_err().ends_with("no file fits"));
        for number in 0..=MOST_FILES {
            fs::write(folder.path().join(format!("{number}.txt")), "x").unwrap();
        }
        assert!(read_all(&path(&folder, "*.txt")).unwrap_err().contains("more than 100 files"));
    }

    #[test]
    fn names_are_sorted_and_folders_marked() {
        let folder = folder();
        fs::create_dir(folder.path().join("sub")).unwrap();
        let listed = names(&format!("{}/", folder.path().display()));
        assert_eq!(listed, ["a.rs", "b.rs", "c.bin", "fence.md", "latin", "sub/"]);
        assert!(names("/no/such/folder/").is_empty());
    }
}
