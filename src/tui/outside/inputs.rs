//! Inputs kept between runs: a file with one JSON text a line, the oldest first. Several programs may use it:
//! each addition reads what the others have added, and replaces the file at once.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use crate::tui::composer::MOST_INPUTS;

/// Bytes of the file that are read: what a thousand long inputs take.
const LONGEST: u64 = 8 * 1024 * 1024;

/// The inputs in a file; none where it cannot be read. Lines that are no JSON texts are left out.
#[must_use]
pub fn read(file: &Path) -> Vec<String> {
    if fs::metadata(file).is_ok_and(|about| about.len() > LONGEST) {
        return Vec::new();
    }
    let Ok(bytes) = fs::read(file) else { return Vec::new() };
    let text = String::from_utf8_lossy(&bytes);
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Adds inputs to a file.
///
/// # Errors
/// Where the folder or the file cannot be written.
pub fn add(file: &Path, inputs: &[String]) -> io::Result<()> {
    let mut all = read(file);
    for input in inputs {
        if all.last() != Some(input) {
            all.push(input.clone());
        }
    }
    let mut text = String::new();
    for input in all.iter().skip(all.len().saturating_sub(MOST_INPUTS)) {
        text.push_str(&serde_json::to_string(input)?);
        text.push('\n');
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    let written = write_private(&partial, &text).and_then(|()| fs::rename(&partial, file));
    if written.is_err() {
        let _ = fs::remove_file(&partial);
    }
    written
}

/// Questions are nobody else's business.
fn write_private(file: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    io::Write::write_all(&mut options.open(file)?, text.as_bytes())
}

/// Writes to the file on a thread of its own. What was given is written before it is dropped.
pub struct Keeper {
    inputs: Option<Sender<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts the thread. A convenience: where the file cannot be written, nothing is lost but that.
    #[must_use]
    pub fn start(file: PathBuf) -> Keeper {
        let (inputs, incoming) = channel::<Vec<String>>();
        let keep = move || {
            for inputs in incoming {
                let _ = add(&file, &inputs);
            }
        };
        let thread = thread::Builder::new().name("history".to_string()).spawn(keep).ok();
        Keeper { inputs: Some(inputs), thread }
    }

    /// Adds inputs.
    pub fn add(&self, inputs: Vec<String>) {
        if let Some(sender) = self.inputs.as_ref().filter(|_| !inputs.is_empty()) {
            let _ = sender.send(inputs);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.inputs.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_string()).collect()
    }

    #[test]
    fn inputs_come_back_and_others_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/inputs");
        assert!(read(&file).is_empty());
        let mine = Keeper::start(file.clone());
        mine.add(texts(&["one\nof \"two\" lines", "\u{1b}[31m"]));
        drop(mine);
        add(&file, &texts(&["of another program"])).unwrap();
        assert_eq!(read(&file), ["one\nof \"two\" lines", "\u{1b}[31m", "of another program"]);
        let names: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().flatten().collect();
        assert_eq!(names.len(), 1, "nothing is left behind: {names:?}");
    }

    #[test]
    fn a_damaged_file_gives_what_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inputs");
        fs::write(&file, b"\"good\"\nnot json\n\xff\xfe\n\"also\"\n\"cut of").unwrap();
        assert_eq!(read(&file), ["good", "also"]);
    }

    #[test]
    fn only_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inputs");
        let many: Vec<String> = (0..MOST_INPUTS + 5).map(|number| number.to_string()).collect();
        add(&file, &many).unwrap();
        let kept = read(&file);
        assert_eq!((kept.len(), kept[0].as_str()), (MOST_INPUTS, "5"));
    }
}
