//! The built program in a real pseudo-terminal: keys in, what a terminal makes of its output out.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, ExitStatus, MasterPty, PtySize, native_pty_system};
use vt100::{Parser, Screen};

/// How long anything may take: loading the pocket pair and a reply on a busy machine with few cores.
const PATIENCE: Duration = Duration::from_secs(90);

/// The program in a terminal.
pub struct Run {
    pub child: Box<dyn Child + Send + Sync>,
    master: Option<Box<dyn MasterPty + Send>>,
    keyboard: Option<Arc<Mutex<Box<dyn Write + Send>>>>,
    pub terminal: Arc<Mutex<Parser>>,
    /// Everything the program has written, as far as it was read.
    pub written: Arc<Mutex<Vec<u8>>>,
    /// When how much of it had come.
    pub arrived: Arc<Mutex<Vec<(Instant, usize)>>>,
    /// Whether the terminal reads what is written to it.
    pub reads: Arc<AtomicBool>,
    /// What it keeps on the disk is its own, and goes with it.
    _data: tempfile::TempDir,
}

impl Run {
    /// `slipstream chat pocket` with more arguments.
    pub fn start(columns: u16, rows: u16, arguments: &[&str]) -> Run {
        Run::of(columns, rows, |command| {
            command.args(["chat", "pocket"]);
            command.args(arguments);
        })
    }

    /// The program as `configure` sets it up.
    pub fn of(columns: u16, rows: u16, configure: impl FnOnce(&mut CommandBuilder)) -> Run {
        Run::program(env!("CARGO_BIN_EXE_slipstream"), columns, rows, configure)
    }

    /// Any program.
    pub fn program(
        program: impl AsRef<OsStr>,
        columns: u16,
        rows: u16,
        configure: impl FnOnce(&mut CommandBuilder),
    ) -> Run {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        command.env_remove("TMUX");
        // Nobody's clipboard is touched by a test.
        command.env("SSH_CONNECTION", "test");
        command.env("SLIPSTREAM_CONFIG", concat!(env!("CARGO_TARGET_TMPDIR"), "/no-config.toml"));
        let data = tempfile::tempdir().unwrap();
        command.env("SLIPSTREAM_DATA", data.path());
        configure(&mut command);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let keyboard = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let terminal = Arc::new(Mutex::new(Parser::new(rows, columns, 200)));
        let (written, reads) = (Arc::<Mutex<Vec<u8>>>::default(), Arc::new(AtomicBool::new(true)));
        let arrived = Arc::<Mutex<Vec<(Instant, usize)>>>::default();
        let (shown, kept, reading, answers) =
            (Arc::clone(&terminal), Arc::clone(&written), Arc::clone(&reads), Arc::clone(&keyboard));
        let times = Arc::clone(&arrived);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                while !reading.load(Ordering::SeqCst) {
                    thread::sleep(Duration::from_millis(5));
                }
                let Ok(count @ 1..) = output.read(&mut buffer) else { break };
                let bytes = &buffer[..count];
                {
                    let mut kept = kept.lock().unwrap();
                    kept.extend_from_slice(bytes);
                    times.lock().unwrap().push((Instant::now(), kept.len()));
                }
                let mut shown = shown.lock().unwrap();
                shown.process(bytes);
                // Asked where its cursor is, a terminal answers.
                if bytes.windows(4).any(|bytes| bytes == b"\x1b[6n") {
                    let (row, column) = shown.screen().cursor_position();
                    let _ = write!(answers.lock().unwrap(), "\x1b[{};{}R", row + 1, column + 1);
                }
            }
        });
        Run {
            child,
            master: Some(pair.master),
            keyboard: Some(keyboard),
            terminal,
            written,
            arrived,
            reads,
            _data: data,
        }
    }

    pub fn keys(&mut self, keys: &str) {
        let mut keyboard = self.keyboard.as_ref().expect("a keyboard").lock().unwrap();
        keyboard.write_all(keys.as_bytes()).unwrap();
        keyboard.flush().unwrap();
    }

    /// The terminal is closed: the program is hung up on. (What reads it keeps its own end until the program has ended.)
    pub fn close(&mut self) {
        self.keyboard = None;
        self.master = None;
    }

    /// A signal to the program.
    pub fn signal(&self, name: &str) {
        let process = self.child.process_id().unwrap().to_string();
        assert!(std::process::Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    /// The screen's text.
    pub fn contents(&self) -> String {
        self.terminal.lock().unwrap().screen().contents()
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.master
            .as_ref()
            .expect("a terminal")
            .resize(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        self.terminal.lock().unwrap().screen_mut().set_size(rows, columns);
    }

    /// Waits until the screen is as it should be.
    #[track_caller]
    pub fn wait(&mut self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !is_so(self.terminal.lock().unwrap().screen()) {
            let ended = self.child.try_wait().unwrap();
            let screen = || self.terminal.lock().unwrap().screen().contents();
            assert!(
                ended.is_none() || is_so(self.terminal.lock().unwrap().screen()),
                "ended before {what}:\n{}",
                screen()
            );
            assert!(Instant::now() < until, "no {what}:\n{}", screen());
            thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    pub fn wait_for(&mut self, text: &str) {
        self.wait(text, |screen| screen.contents().contains(text));
    }

    /// Waits for the end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for the end, and asserts that the terminal is as it was before.
    #[track_caller]
    pub fn end(mut self) -> ExitStatus {
        let status = self.ended();
        self.restored();
        status
    }

    /// Waits for a text that it may have written with its last breath.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.contents().contains(text) {
            assert!(Instant::now() < until, "no {text}:\n{}", self.contents());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Everything it has written, once it has ended and the terminal is as it was before.
    #[track_caller]
    pub fn all_written(mut run: Run) -> Vec<u8> {
        let _ = run.ended();
        run.restored();
        run.written.lock().unwrap().clone()
    }

    /// Waits until the terminal is as it was before. What was written last may still be on its way to us.
    #[track_caller]
    pub fn restored(&self) {
        let until = Instant::now() + PATIENCE;
        let restored = |screen: &Screen| {
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        };
        while !restored(self.terminal.lock().unwrap().screen()) {
            assert!(Instant::now() < until, "the terminal is not restored:\n{}", self.contents());
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

/// A status line that says the last reply has ended, with its numbers.
pub fn replied(screen: &Screen) -> bool {
    let contents = screen.contents();
    contents.contains("first token") && contents.contains("○ ") && contents.contains("t/s")
}
