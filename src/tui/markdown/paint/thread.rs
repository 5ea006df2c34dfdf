//! The thread that paints, and the sheets it paints on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;

use syntect::parsing::{SyntaxReference, SyntaxSet};

use super::class::{Grammar, Runs};

/// Jobs that may wait. More would mean that something asks faster than it can be answered: what finds no
/// place stays plain.
const WAITING: usize = 1024;

/// What the thread knows of one block of code.
#[derive(Debug)]
pub(super) struct Sheet {
    language: String,
    /// There is no grammar for it.
    unknown: AtomicBool,
    painted: Mutex<Painted>,
}

#[derive(Debug, Default)]
struct Painted {
    whole: Vec<Runs>,
    /// The line that grows: its number, its text when it was painted, and its parts.
    growing: Option<(usize, String, Runs)>,
}

impl Sheet {
    pub(super) fn new(language: &str) -> Sheet {
        Sheet {
            language: language.to_string(),
            unknown: AtomicBool::new(false),
            painted: Mutex::new(Painted::default()),
        }
    }

    pub(super) fn line(&self, number: usize, text: &str) -> Option<Runs> {
        let painted = self.painted.lock().ok()?;
        match painted.whole.get(number) {
            Some(runs) => Some(runs.clone()),
            // Its beginning has its colours, the few letters since then have not.
            None => painted
                .growing
                .as_ref()
                .filter(|(at, known, _)| *at == number && text.starts_with(known.as_str()))
                .map(|(.., runs)| runs.clone()),
        }
    }

    pub(super) fn is_unknown(&self) -> bool {
        self.unknown.load(Ordering::Relaxed)
    }
}

/// Work for the thread.
pub(super) enum Job {
    /// The next lines of a block, and the one that grows behind them.
    Lines { sheet: Arc<Sheet>, lines: Vec<String>, growing: Option<String> },
    /// Say when everything before this is done.
    Settle(SyncSender<()>),
}

/// Counts what was painted.
static VERSION: AtomicU64 = AtomicU64::new(0);
/// Jobs that are not done.
static UNDONE: AtomicU64 = AtomicU64::new(0);
/// The thread has fallen over.
static GONE: AtomicBool = AtomicBool::new(false);

/// Whether colours that were asked for are still to come.
#[must_use]
pub fn busy() -> bool {
    UNDONE.load(Ordering::SeqCst) > 0 && !GONE.load(Ordering::SeqCst)
}

/// Changes when colours have come that no frame shows yet.
#[must_use]
pub fn version() -> u64 {
    VERSION.load(Ordering::Relaxed)
}

/// Waits until everything that was asked for is painted: tests and benchmarks want the same frame each time.
pub fn settle() {
    let (done, wait) = sync_channel(1);
    if painter().send(Job::Settle(done)).is_ok() {
        let _ = wait.recv();
    }
}

/// Hands work over. Where the thread cannot be had or is far behind, code stays plain.
pub(super) fn hand(job: Job) {
    UNDONE.fetch_add(1, Ordering::SeqCst);
    if let Err(
        TrySendError::Full(Job::Lines { sheet, .. }) | TrySendError::Disconnected(Job::Lines { sheet, .. }),
    ) = painter().try_send(job)
    {
        sheet.unknown.store(true, Ordering::Relaxed);
        UNDONE.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts a job as done, whatever becomes of it.
struct Undone;

impl Drop for Undone {
    fn drop(&mut self) {
        UNDONE.fetch_sub(1, Ordering::SeqCst);
        if thread::panicking() {
            GONE.store(true, Ordering::SeqCst);
        }
        VERSION.fetch_add(1, Ordering::SeqCst);
    }
}

fn painter() -> &'static SyncSender<Job> {
    static PAINTER: OnceLock<SyncSender<Job>> = OnceLock::new();
    PAINTER.get_or_init(|| {
        let (sender, jobs) = sync_channel(WAITING);
        // A receiver that is dropped at once, where no thread can be started, reads as "disconnected".
        let _ = thread::Builder::new().name("painter".to_string()).spawn(move || paint(&jobs));
        sender
    })
}

/// The thread. A panic of a grammar ends it, and the code from there on stays plain: the program goes on.
fn paint(jobs: &Receiver<Job>) {
    let mut set: Option<SyntaxSet> = None;
    let mut begun: Vec<(Weak<Sheet>, Option<Grammar>)> = Vec::new();
    for job in jobs {
        let (sheet, lines, growing) = match job {
            Job::Settle(done) => {
                let _ = done.send(());
                continue;
            }
            Job::Lines { sheet, lines, growing } => (sheet, lines, growing),
        };
        let _undone = Undone;
        let set = set.get_or_insert_with(two_face::syntax::extra_newlines);
        let known = begun.iter().position(|(weak, _)| std::ptr::eq(weak.as_ptr(), Arc::as_ptr(&sheet)));
        let at = known.unwrap_or_else(|| {
            begun.retain(|(weak, _)| weak.strong_count() > 0);
            let grammar = find(&sheet.language, set).map(Grammar::new);
            sheet.unknown.store(grammar.is_none(), Ordering::Relaxed);
            begun.push((Arc::downgrade(&sheet), grammar));
            begun.len() - 1
        });
        let Some(grammar) = &mut begun[at].1 else { continue };
        let whole: Vec<Runs> = lines.iter().map(|line| grammar.line(line, set)).collect();
        // The line is not whole: what the grammar learns from it is forgotten again.
        let growing = growing.map(|text| {
            let runs = grammar.clone().line(&text, set);
            (text, runs)
        });
        if let Ok(mut painted) = sheet.painted.lock() {
            painted.whole.extend(whole);
            let number = painted.whole.len();
            painted.growing = growing.map(|(text, runs)| (number, text, runs));
        }
    }
}

/// The grammar for what a model calls the language.
fn find<'a>(language: &str, set: &'a SyntaxSet) -> Option<&'a SyntaxReference> {
    let lower = language.to_lowercase();
    let name = match lower.as_str() {
        "text" | "txt" | "plain" | "plaintext" | "output" | "none" => return None,
        "shell" | "console" | "shell-session" | "sh-session" | "zsh" => "bash",
        "py" | "python3" | "py3" => "python",
        "js" | "node" | "mjs" | "jsx" => "javascript",
        "golang" => "go",
        "c#" | "csharp" => "cs",
        "objective-c" | "objc" => "m",
        "docker" => "dockerfile",
        "jsonc" | "json5" | "jsonl" => "json",
        "patch" => "diff",
        other => other,
    };
    set.find_syntax_by_token(name)
}

#[cfg(test)]
mod tests {
    use super::super::{Canvas, Class};
    use super::*;

    fn painted(canvas: &Canvas, number: usize, text: &str) -> Vec<(usize, Class)> {
        settle();
        canvas.line(number, text).expect("painted")
    }

    fn show(canvas: &mut Canvas, lines: &[&str], grows: bool) {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_string()).collect();
        canvas.show("rust", &lines, grows);
    }

    #[test]
    fn lines_are_painted_once_they_are_whole_and_before() {
        let mut canvas = Canvas::default();
        show(&mut canvas, &["/* a", "b */ fn"], true);
        assert_eq!(painted(&canvas, 0, "/* a"), [(4, Class::Comment)]);
        let runs = painted(&canvas, 1, "b */ fn more");
        assert_eq!(runs, [(4, Class::Comment), (5, Class::Plain), (7, Class::Keyword)]);
        assert_eq!(canvas.line(1, "c"), None, "another text than what was painted");
        show(&mut canvas, &["/* a", "b */ fn", "let"], false);
        assert_eq!(painted(&canvas, 1, "b */ fn"), runs);
        assert_eq!(painted(&canvas, 2, "let"), [(3, Class::Keyword)]);
    }

    #[test]
    fn another_text_begins_again() {
        let mut canvas = Canvas::default();
        show(&mut canvas, &["/* open", "fn"], false);
        assert_eq!(painted(&canvas, 1, "fn"), [(2, Class::Comment)]);
        show(&mut canvas, &["// closed", "fn"], false);
        assert_eq!(painted(&canvas, 1, "fn"), [(2, Class::Keyword)]);
    }

    #[test]
    fn unknown_languages_stay_plain() {
        let mut canvas = Canvas::default();
        canvas.show("no such language", &["fn".to_string()], false);
        settle();
        assert!(canvas.stays_plain(0) && canvas.line(0, "fn").is_none());
        assert!(Canvas::default().stays_plain(0));
    }

    #[test]
    fn models_names_of_languages_are_known() {
        let set = two_face::syntax::extra_newlines();
        for name in [
            "rust",
            "python",
            "py",
            "js",
            "javascript",
            "ts",
            "typescript",
            "tsx",
            "go",
            "golang",
            "c",
            "cpp",
            "c++",
            "csharp",
            "c#",
            "java",
            "kotlin",
            "swift",
            "ruby",
            "php",
            "bash",
            "sh",
            "shell",
            "console",
            "zsh",
            "sql",
            "json",
            "yaml",
            "yml",
            "toml",
            "xml",
            "html",
            "css",
            "scss",
            "markdown",
            "dockerfile",
            "makefile",
            "lua",
            "haskell",
            "scala",
            "r",
            "diff",
            "ini",
            "latex",
            "zig",
            "elixir",
        ] {
            assert!(find(name, &set).is_some(), "{name}");
        }
        assert!(find("text", &set).is_none());
    }
}
