//! The person's own editor, on a file of its own.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tui::text::one_line;

/// A text beyond this is no question.
const LONGEST: u64 = 4 * 1024 * 1024;

/// What to run: `VISUAL`, else `EDITOR`, else what every system has.
#[must_use]
pub fn command(variable: impl Fn(&str) -> Option<String>) -> String {
    let set = ["VISUAL", "EDITOR"].iter().filter_map(|name| variable(name)).find(|c| !c.trim().is_empty());
    set.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_string())
}

/// Lets the person edit `text` with `editor`, and gives back what they left. The terminal must be the
/// editor's until it ends.
///
/// # Errors
/// In words, where the editor cannot be run, says that it failed, or leaves no text. Where it has left
/// something that cannot be taken, the file stays, and is named.
pub fn edit(text: &str, editor: &str) -> Result<String, String> {
    let editing =
        |wrong: String| format!("editing with {}: {wrong}; the input is unchanged", one_line(editor));
    let file = create(text).map_err(|error| editing(format!("making a file for it: {error}")))?;
    let status = run(editor, &file);
    let ended = match status {
        Ok(status) if status.success() => take(&file),
        Ok(status) => Err(format!("it ended with {status}")),
        Err(error) => Err(format!("{error} (VISUAL or EDITOR say what is run)")),
    };
    match ended {
        Ok(text) => {
            let _ = fs::remove_file(&file);
            Ok(text)
        }
        // What was written is not lost, whatever happened then.
        Err(wrong) if fs::read(&file).is_ok_and(|bytes| bytes != text.as_bytes()) => {
            Err(editing(format!("{wrong}; what was written is in {}", file.display())))
        }
        Err(wrong) => {
            let _ = fs::remove_file(&file);
            Err(editing(wrong))
        }
    }
}

/// A new file that nobody else reads.
fn create(text: &str) -> io::Result<PathBuf> {
    let folder = std::env::temp_dir();
    for number in 0..100 {
        let path = folder.join(format!("slipstream-{}-{number}.md", std::process::id()));
        let mut options = fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("too many files of ours in {}", folder.display())))
}

/// `EDITOR` may hold options too. What a shell would read in another way is left to one, as git does; a shell
/// in between may die of a Ctrl+C that the editor takes.
fn run(editor: &str, file: &Path) -> io::Result<std::process::ExitStatus> {
    if cfg!(unix)
        && editor.contains(['|', '&', ';', '<', '>', '(', ')', '$', '`', '"', '\'', '\\', '*', '=', '~'])
    {
        return Command::new("sh").arg("-c").arg(format!("{editor} \"$@\"")).arg(editor).arg(file).status();
    }
    let mut words = editor.split_whitespace();
    Command::new(words.next().unwrap_or_default()).args(words).arg(file).status()
}

/// The text that the editor left, without the newline that editors end files with.
fn take(file: &Path) -> Result<String, String> {
    let length = fs::metadata(file).map_err(|error| format!("the file is gone: {error}"))?.len();
    if length > LONGEST {
        return Err(format!("it left {length} bytes, and {LONGEST} are the most"));
    }
    let text = fs::read_to_string(file).map_err(|error| error.to_string())?;
    Ok(text.strip_suffix('\n').map(str::to_string).unwrap_or(text))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A script that stands for an editor.
    fn script(folder: &tempfile::TempDir, lines: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join("editor");
        fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_string_lossy().into_owned()
    }

    #[test]
    fn what_the_editor_leaves_is_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let editor = script(&folder, "echo \"$1\" > \"$0.args\"\nsed -i s/old/new/ \"$2\"");
        assert_eq!(edit("an old\ntext", &format!("{editor} --wait")).unwrap(), "an new\ntext");
        assert_eq!(edit("an old\ntext", &format!("IT=1 '{editor}' --wait")).unwrap(), "an new\ntext");
        assert_eq!(fs::read_to_string(format!("{editor}.args")).unwrap(), "--wait\n");
    }

    #[test]
    fn a_failure_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = edit("text", &script(&folder, "echo changed > \"$1\"\nexit 3")).unwrap_err();
        assert!(wrong.contains("exit status: 3") && wrong.ends_with("the input is unchanged"), "{wrong}");
        let kept = wrong.split_once("what was written is in ").unwrap().1.split_once(';').unwrap().0;
        assert_eq!(fs::read_to_string(kept).unwrap(), "changed\n");
        fs::remove_file(kept).unwrap();
        let wrong = edit("text", &script(&folder, "exit 1")).unwrap_err();
        assert!(!wrong.contains("what was written"), "{wrong}");
        let wrong = edit("text", "/no/such/editor").unwrap_err();
        assert!(wrong.contains("VISUAL or EDITOR say what is run"), "{wrong}");
        let wrong = edit("text", &script(&folder, "rm \"$1\"")).unwrap_err();
        assert!(wrong.contains("the file is gone"), "{wrong}");
    }

    #[test]
    fn the_first_of_the_variables_that_says_something() {
        let of = |pairs: &'static [(&str, &str)]| {
            command(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_string()))
        };
        assert_eq!(of(&[("EDITOR", "nano"), ("VISUAL", "code --wait")]), "code --wait");
        assert_eq!(of(&[("EDITOR", "nano"), ("VISUAL", " ")]), "nano");
        assert_eq!(of(&[]), "vi");
    }
}
