//! Patterns of paths: `*`, `?`, `[a-z]`, `{one,other}`, and `**` for any folders between.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files looked at, at most: a pattern at the root of a disk must end too.
const MOST_VISITED: usize = 200_000;
/// Folders below each other.
const DEEPEST: usize = 40;
/// Patterns that braces may make of one.
const MOST_PATTERNS: usize = 64;

/// A pattern.
#[derive(Debug)]
pub struct Glob {
    /// What its braces make of it, each as the folder that it begins in and the parts below.
    patterns: Vec<(PathBuf, Vec<String>)>,
}

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// Where it is empty, or its braces are not closed or are too many.
    pub fn new(pattern: &str) -> Result<Glob, String> {
        if pattern.is_empty() {
            return Err("no pattern; for example /glob src/**/*.rs".to_string());
        }
        let patterns = braces(pattern)?.iter().map(|pattern| split(pattern)).collect();
        Ok(Glob { patterns })
    }
}

/// The files that fit, sorted, `most` of them at most.
///
/// # Errors
/// Where there is too much to look through.
pub fn find(glob: &Glob, most: usize) -> Result<Vec<PathBuf>, String> {
    let mut found = Vec::new();
    let mut visited = 0;
    for (base, parts) in &glob.patterns {
        let mut walk = Walk { found: &mut found, most, visited: &mut visited };
        walk.folder(base, parts, 0)?;
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

struct Walk<'a> {
    found: &'a mut Vec<PathBuf>,
    most: usize,
    visited: &'a mut usize,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, parts: &[String], depth: usize) -> Result<(), String> {
        let Some((part, below)) = parts.split_first() else { return Ok(()) };
        let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Ok(entries) = fs::read_dir(readable) else { return Ok(()) };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            *self.visited += 1;
            if *self.visited > MOST_VISITED {
                return Err(format!("more than {MOST_VISITED} files and folders to look through"));
            }
            if self.found.len() >= self.most {
                return Ok(());
            }
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = folder.join(&name);
            // Links to folders are not followed: they may lead around in a circle.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if part == "**" {
                if is_folder && !name.starts_with('.') && depth < DEEPEST {
                    self.folder(&path, parts, depth + 1)?;
                }
                let after = below.first().map_or("*", String::as_str);
                self.entry(&path, &name, is_folder, after, below.get(1..).unwrap_or_default(), depth)?;
            } else {
                self.entry(&path, &name, is_folder, part, below, depth)?;
            }
        }
        Ok(())
    }

    /// An entry against one part of the pattern; the parts below are for what is in it.
    fn entry(
        &mut self,
        path: &Path,
        name: &str,
        is_folder: bool,
        part: &str,
        below: &[String],
        depth: usize,
    ) -> Result<(), String> {
        // What is hidden is found by those who ask for it.
        if (name.starts_with('.') && !part.starts_with('.')) || !fits(part, name) {
            return Ok(());
        }
        if below.is_empty() {
            if !is_folder && path.is_file() {
                self.found.push(path.to_path_buf());
            }
        } else if path.is_dir() && depth < DEEPEST {
            self.folder(path, below, depth + 1)?;
        }
        Ok(())
    }
}

/// What a pattern's braces make of it.
fn braces(pattern: &str) -> Result<Vec<String>, String> {
    let Some(open) = pattern.find('{') else { return Ok(vec![pattern.to_string()]) };
    let mut depth = 0;
    let mut choices = Vec::new();
    let mut from = open + 1;
    for (at, c) in pattern.char_indices().skip_while(|(at, _)| *at < open) {
        match c {
            '{' => depth += 1,
            ',' if depth == 1 => {
                choices.push(&pattern[from..at]);
                from = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&pattern[from..at]);
                let mut out = Vec::new();
                for choice in choices {
                    out.extend(braces(&format!("{}{choice}{}", &pattern[..open], &pattern[at + 1..]))?);
                    if out.len() > MOST_PATTERNS {
                        return Err(format!("its braces make more than {MOST_PATTERNS} patterns"));
                    }
                }
                return Ok(out);
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    Err("a brace is not closed".to_string())
}

/// The folder that a pattern begins in, and its parts from the first one with a sign in it on.
fn split(pattern: &str) -> (PathBuf, Vec<String>) {
    let mut base = PathBuf::from(if pattern.starts_with('/') { "/" } else { "" });
    let mut parts: Vec<String> =
        pattern.split('/').filter(|part| !part.is_empty()).map(str::to_string).collect();
    while parts.len() > 1 && !parts[0].contains(['*', '?', '[']) {
        base.push(parts.remove(0));
    }
    (base, parts)
}

/// Whether a name fits one part of a pattern.
fn fits(part: &str, name: &str) -> bool {
    let (part, name): (Vec<char>, Vec<char>) = (part.chars().collect(), name.chars().collect());
    // The last star, and the name's place it was tried at: one place to come back to is enough.
    let (mut p, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if part.get(p) == Some(&'*') {
            star = Some((p, n));
            p += 1;
            continue;
        }
        match one(&part[p..], name[n]) {
            Some(used) => {
                p += used;
                n += 1;
            }
            None => {
                let Some((at, from)) = star else { return false };
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
        }
    }
    part[p..].iter().all(|c| *c == '*')
}

/// How much of a pattern one character fits, if it does.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let end = pattern.iter().skip(2).position(|p| *p == ']').map(|at| at + 2);
            let Some(end) = end else { return (c == '[').then_some(1) };
            let negated = matches!(pattern[1], '!' | '^');
            let set = &pattern[1 + usize::from(negated)..end];
            let mut inside = false;
            let mut at = 0;
            while at < set.len() {
                if at + 2 < set.len() && set[at + 1] == '-' {
                    inside |= (set[at]..=set[at + 2]).contains(&c);
                    at += 3;
                } else {
                    inside |= set[at] == c;
                    at += 1;
                }
            }
            (inside != negated).then_some(end + 1)
        }
        p => (*p == c).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_parts() {
        for (part, name, fitting) in [
            ("*.rs", "main.rs", true),
            ("*.rs", "main.rs.bak", false),
            ("m?in.*", "main.rs", true),
            ("[a-m]*", "main.rs", true),
            ("[!a-m]*", "main.rs", false),
            ("[]", "[]", true),
            ("*a*b*c*", "xxaxxbxxc", true),
            ("*a*b*c*", "xxaxxcxxb", false),
            ("", "", true),
            ("**", "any", true),
            ("日*", "日本.txt", true),
        ] {
            assert_eq!(fits(part, name), fitting, "{part} and {name}");
        }
        // No pattern takes for ever.
        assert!(!fits(&"*a".repeat(40), &"a".repeat(39)));
    }

    #[test]
    fn braces_make_several() {
        assert_eq!(braces("a{b,c{d,e}}f").unwrap(), ["abf", "acdf", "acef"]);
        assert!(braces("a{b").is_err());
        assert!(braces(&"{a,b}".repeat(8)).is_err());
    }

    #[test]
    fn folders_between_are_any() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::create_dir_all(folder.path().join(".git")).unwrap();
        for name in ["top.rs", "a/mid.rs", "a/b/low.rs", "a/b/other.txt", ".git/hidden.rs", "a/.hidden.rs"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let glob = Glob::new(&folder.path().join(pattern).to_string_lossy()).unwrap();
            let found = find(&glob, 100).unwrap();
            let strip =
                |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_string_lossy().into_owned();
            found.iter().map(strip).collect()
        };
        assert_eq!(names("**/*.rs"), ["a/b/low.rs", "a/mid.rs", "top.rs"]);
        assert_eq!(names("**"), ["a/b/low.rs", "a/b/other.txt", "a/mid.rs", "top.rs"]);
        assert_eq!(names("a/*.rs"), ["a/mid.rs"]);
        assert_eq!(names("a/.*.rs"), ["a/.hidden.rs"]);
        assert_eq!(names("*/b/*.{rs,txt}"), ["a/b/low.rs", "a/b/other.txt"]);
        assert_eq!(names("top.rs"), ["top.rs"]);
        assert!(names("none").is_empty());
    }
}
