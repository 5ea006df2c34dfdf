//! A running engine as commands without a screen use it: start it and wait until the pair is loaded, ask for a reply,
//! make an experiment. Ctrl+C ends what runs; a command finds that out by `interrupted`, or by a cancelled reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::settings::check_log;
use crate::engine::{Canceller, Engine, EngineSettings};
use crate::error::{Kind, Problem};
use crate::event::{Command, Event, Ready, Reply};
use crate::experiment::{Experiment, Finding};
use crate::request::{Request, Speculation};

/// What is cancelled is given this long to end by itself: one micro-batch of the 26B takes twenty seconds on two cores.
const GRACE: Duration = Duration::from_secs(60);

/// A fast load shows no bar: it would only flicker.
const BAR_AFTER: Duration = Duration::from_millis(300);

/// An engine that is ready.
pub struct Conversation {
    engine: Engine,
    ready: Ready,
    interrupted: Arc<AtomicBool>,
}

impl Conversation {
    /// Starts an engine and waits until the pair is loaded, with a bar on a terminal.
    ///
    /// # Errors
    /// Where the target cannot be loaded. (A drafter that cannot is told by `ready`.)
    pub fn start(settings: EngineSettings) -> Result<Conversation, Problem> {
        if let Some(log) = &settings.log {
            check_log(log)?;
        }
        let engine = Engine::start(settings);
        let interrupted = Arc::new(AtomicBool::new(false));
        stop_on_interrupt(engine.canceller(), Arc::clone(&interrupted));
        let ready = wait_until_ready(&engine)?;
        Ok(Conversation { engine, ready, interrupted })
    }

    /// What was loaded.
    #[must_use]
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Whether Ctrl+C was pressed: whatever is asked from then on ends at once.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// How to speculate from now on.
    pub fn speculate(&self, speculation: Speculation) {
        self.engine.send(Command::SetSpeculation(speculation));
    }

    /// Asks for a reply.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    pub fn ask(&self, request: Request) -> Result<Reply, Problem> {
        self.ask_watching(request, &mut |_| Ok(Heard::GoOn))
    }

    /// Asks for a reply and shows every event of it, the last one included, to `watch`, which may end it.
    ///
    /// # Errors
    /// Whatever keeps it from being written, and what `watch` fails with.
    pub fn ask_watching(
        &self,
        request: Request,
        watch: &mut dyn FnMut(&Event) -> Result<Heard, Problem>,
    ) -> Result<Reply, Problem> {
        self.engine.send(Command::Generate(request));
        loop {
            let event = self.engine.next().ok_or_else(ended)?;
            if watch(&event)? == Heard::Enough {
                self.engine.canceller().cancel();
            }
            match event {
                Event::Done(reply) => return Ok(reply),
                Event::Failed(failure) => return Err(failure.into()),
                _ => {}
            }
        }
    }

    /// Makes an experiment.
    ///
    /// # Errors
    /// Whatever keeps it from being made.
    pub fn experiment(&self, experiment: Experiment) -> Result<Finding, Problem> {
        self.engine.send(Command::Experiment(experiment));
        loop {
            match self.engine.next().ok_or_else(ended)? {
                Event::Found(finding) => return Ok(finding),
                Event::Failed(failure) => return Err(failure.into()),
                _ => {}
            }
        }
    }
}

/// What someone who watches a reply wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// More of it.
    GoOn,
    /// No more: the reply is cancelled.
    Enough,
}

/// Ctrl+C (or SIGTERM) ends the reply, which is then reported as far as it came; a second one, or a reply that does not
/// end, ends the process. (On Windows the system ends the process at once.)
fn stop_on_interrupt(canceller: Canceller, interrupted: Arc<AtomicBool>) {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGINT, SIGTERM};
        if let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM]) {
            std::thread::spawn(move || {
                for (count, _) in signals.forever().enumerate() {
                    interrupted.store(true, Ordering::Relaxed);
                    canceller.cancel_all();
                    if count > 0 {
                        super::end_now(Kind::Interrupted.code());
                    }
                    std::thread::spawn(|| {
                        std::thread::sleep(GRACE);
                        super::end_now(Kind::Interrupted.code());
                    });
                }
            });
        }
    }
    #[cfg(not(unix))]
    let _ = (canceller, interrupted);
}

fn wait_until_ready(engine: &Engine) -> Result<Ready, Problem> {
    let style = ProgressStyle::with_template("loading {msg} {bar:30} {percent}%")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::new(100).with_style(style);
    let begun = Instant::now();
    loop {
        match engine.next() {
            Some(Event::Loading { what, fraction }) if begun.elapsed() > BAR_AFTER => {
                bar.set_message(
                    what.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
                );
                bar.set_position((fraction * 100.0) as u64);
            }
            Some(Event::Ready(ready)) => {
                bar.finish_and_clear();
                return Ok(ready);
            }
            Some(Event::Failed(failure)) => {
                bar.finish_and_clear();
                return Err(failure.into());
            }
            Some(_) => {}
            None => return Err(ended()),
        }
    }
}

fn ended() -> Problem {
    Problem::new(Kind::Fault, "the engine ended without a word", "run again with --log FILE and report it")
}
