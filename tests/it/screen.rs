//! A session of the terminal UI without a terminal: keys and engine events in, whole screens and effects out.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use slipstream::event::{
    Activity, Channel, Command, Counters, Event, Failure, KernelState, Ready, Reply, SpeculationState,
    StopReason, Text,
};
use slipstream::request::{DraftLength, Message, Prompt, Request, Role, SamplingSettings, Speculation};
use slipstream::token::{Origin, TokenSpan};
use slipstream::tui::app::{Effect, Msg, State, update};
use slipstream::tui::host::{Found, Pair, Wanted};
use slipstream::tui::preferences::Preferences;
use slipstream::tui::theme::Theme;
use slipstream::tui::{Start, keys, view};

pub const CONTROL: KeyModifiers = KeyModifiers::CONTROL;
pub const NONE: KeyModifiers = KeyModifiers::NONE;

/// A session on a screen of a chosen size.
pub struct Session {
    pub state: State,
    pub theme: Theme,
    pub terminal: Terminal<TestBackend>,
    effects: Vec<Effect>,
}

impl Session {
    /// At the very start, nothing loaded.
    pub fn loading(columns: u16, rows: u16) -> Session {
        let start = Start {
            title: "pocket".into(),
            opened: Some(Wanted { model: "pocket".into(), drafter: None }),
            choose: false,
            inline: false,
            mouse: false,
            preferences: Preferences::default(),
            own_sampling: SamplingSettings::default(),
            sampling: SamplingSettings::default(),
            speculation: Speculation { length: DraftLength::Fixed(3), p_min: 0.0 },
            n_max: 4,
            system: None,
            thinking: false,
            max_tokens: None,
            stop: Vec::new(),
            ignore_end_of_turn: false,
            log: None,
        };
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        Session { state: State::new(start), theme: Theme::new(false), terminal, effects: Vec::new() }
    }

    /// At the start screen, the pairs not found yet.
    pub fn choosing(columns: u16, rows: u16) -> Session {
        let mut session = Session::loading(columns, rows);
        session.state = State::new(Start { choose: true, opened: None, ..session.state.start });
        session
    }

    /// Loaded, in the inline mode, the greeting not printed yet.
    pub fn inline(columns: u16, rows: u16) -> Session {
        let mut session = Session::loading(columns, rows);
        session.state = State::new(Start { inline: true, ..session.state.start });
        session.event(Event::Ready(loaded()));
        session
    }

    /// Loaded, the greeting cleared away.
    pub fn ready(columns: u16, rows: u16) -> Session {
        let mut session = Session::loading(columns, rows);
        session.event(Event::Ready(loaded()));
        session.state.transcript.clear();
        session
    }

    pub fn tell(&mut self, message: Msg) {
        self.effects.extend(update(&mut self.state, message));
    }

    pub fn event(&mut self, event: Event) {
        self.tell(Msg::Engine(event));
    }

    pub fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let mut inputs = VecDeque::from([Input::Key(KeyEvent::new(code, modifiers))]);
        while let Some(message) = keys::next_message(&mut inputs, self.state.focus()) {
            self.tell(message);
        }
    }

    pub fn key(&mut self, code: KeyCode) {
        self.press(code, NONE);
    }

    pub fn control(&mut self, c: char) {
        self.press(KeyCode::Char(c), CONTROL);
    }

    /// Types `text`; a newline in it is Enter.
    pub fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.press(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) }, NONE);
        }
    }

    /// The time goes on.
    pub fn at(&mut self, seconds: f64) {
        self.tell(Msg::Tick(Duration::from_secs_f64(seconds)));
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.backend_mut().resize(columns, rows);
        self.tell(Msg::Resized);
    }

    pub fn draw(&mut self) {
        self.terminal.autoresize().unwrap();
        let size = self.terminal.size().unwrap();
        view::fit(&mut self.state, size.width, size.height);
        self.terminal.draw(|frame| view::draw(&self.state, self.theme, frame)).unwrap();
    }

    pub fn buffer(&mut self) -> &Buffer {
        self.draw();
        self.terminal.backend().buffer()
    }

    /// The whole screen, without spaces at the ends of its lines.
    pub fn screen(&mut self) -> String {
        let buffer = self.buffer();
        let mut lines = Vec::new();
        for y in 0..buffer.area.height {
            let (mut line, mut skip) = (String::new(), 0);
            for x in 0..buffer.area.width {
                let symbol = buffer[(x, y)].symbol();
                // The cell behind a wide character is not shown.
                if skip == 0 {
                    line.push_str(symbol);
                    skip = slipstream::tui::text::width(symbol).max(1);
                }
                skip -= 1;
            }
            lines.push(line.trim_end().to_string());
        }
        lines.join("\n")
    }

    pub fn cursor(&mut self) -> (u16, u16) {
        self.draw();
        let position = self.terminal.get_cursor_position().unwrap();
        (position.x, position.y)
    }

    /// What was asked of the outside since the last look.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// The request that was sent since the last look.
    #[track_caller]
    pub fn request(&mut self) -> Request {
        match self.effects().pop() {
            Some(Effect::Send(Command::Generate(request))) => request,
            other => panic!("no request but {other:?}"),
        }
    }

    #[track_caller]
    pub fn messages(&mut self) -> Vec<Message> {
        match self.request().prompt {
            Prompt::Chat { messages, .. } => messages,
            Prompt::Raw(text) => panic!("raw prompt {text}"),
        }
    }

    /// The engine writes a piece.
    pub fn write(&mut self, channel: Channel, text: &str) {
        self.event(piece(channel, text));
    }

    /// The engine ends the reply.
    pub fn end(&mut self, text: &str, reasoning: &str) {
        self.event(Event::Done(whole(text, reasoning, StopReason::EndOfTurn)));
    }

    /// A question and its whole answer.
    pub fn turn(&mut self, question: &str, answer: &str) {
        self.keys(&format!("{question}\n"));
        self.write(Channel::Answer, answer);
        self.end(answer, "");
    }

    /// The engine writes `text`, tells its numbers and ends the reply.
    pub fn reply(&mut self, text: &str) {
        self.event(piece(Channel::Answer, text));
        self.event(Event::Progress(counters()));
        self.event(Event::Done(whole(text, "", StopReason::EndOfTurn)));
    }
}

pub fn loaded() -> Ready {
    Ready {
        model: PathBuf::from("/models/pocket.gguf"),
        model_name: "pocket".into(),
        drafter: Some(PathBuf::from("/models/pocket-mtp.gguf")),
        draft_kind: "mtp",
        pairing: "pocket-mtp.gguf lies beside the target and fits it".into(),
        context_size: 4096,
        quantization: "Q8_0".into(),
        memory_bytes: 23_000_000,
        speculation: standing(Activity::On, 3, None),
        kernels: KernelState::default(),
        notes: Vec::new(),
    }
}

pub fn counters() -> Counters {
    Counters {
        predicted: 61,
        rounds: 25,
        tested: 51,
        accepted: 36,
        tested_by_position: vec![25, 17, 9],
        accepted_by_position: vec![20, 11, 5],
        elapsed: Duration::from_secs(2),
        drafting: Duration::from_millis(220),
        verifying: Duration::from_millis(1720),
        decoding: Duration::from_millis(1900),
        context_used: 1065,
        plain_per_second: Some(24.6),
        gain: Some(1.22),
    }
}

pub fn whole(text: &str, reasoning: &str, stop_reason: StopReason) -> Reply {
    Reply {
        text: text.into(),
        reasoning: reasoning.into(),
        tokens: Vec::new(),
        stop_reason,
        prompt_tokens: 20,
        prompt_decoded: 20,
        prompt_time: Duration::from_millis(400),
        first_token: Duration::from_millis(420),
        counters: counters(),
        speculation: standing(Activity::On, 3, None),
        rows: Vec::new(),
    }
}

pub fn piece(channel: Channel, text: &str) -> Event {
    let spans = vec![TokenSpan::new(text.len(), Origin::Target)];
    Event::Text(Text { channel, text: text.into(), spans })
}

/// How speculation stands where a fixed length was asked for.
pub fn standing(activity: Activity, length: u32, reason: Option<&str>) -> SpeculationState {
    let asked = Speculation { length: DraftLength::Fixed(length), p_min: 0.0 };
    SpeculationState { activity, length, reason: reason.map(str::to_owned), asked }
}

pub fn failure(fatal: bool) -> Failure {
    Failure {
        message: "decoding 9 tokens: no room in the cache".into(),
        help: Some("start with a larger --ctx".into()),
        code: 4,
        fatal,
        too_long: None,
    }
}

pub fn user(text: &str) -> Message {
    Message { role: Role::User, text: text.into() }
}

pub fn model(text: &str) -> Message {
    Message { role: Role::Model, text: text.into() }
}

/// Compares screens; the expected one begins on the line after the opening quote.
#[track_caller]
pub fn same(screen: &str, expected: &str) {
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(screen == expected, "the screen is\n{screen}\nand not\n{expected}");
}

/// Compares screens with those in `tests/it/snapshots`, one file a screen with all its sizes. With SLIPSTREAM_SNAPSHOTS=write
/// the files are written instead: look at the difference before it is committed.
#[track_caller]
pub fn snapshot(name: &str, sizes: &[(u16, u16)], mut at: impl FnMut(u16, u16) -> String) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/snapshots/{name}.txt"));
    let mut screens = String::new();
    for (columns, rows) in sizes {
        screens.push_str(&format!("== {columns}x{rows}\n{}\n", at(*columns, *rows)));
    }
    if std::env::var_os("SLIPSTREAM_SNAPSHOTS").is_some_and(|word| word == "write") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder for snapshots");
        std::fs::write(&path, &screens).expect("a snapshot written");
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert!(screens == expected, "{name} has changed; it is now\n{screens}\nand was\n{expected}");
}

/// The sizes that every screen is looked at.
pub const SIZES: [(u16, u16); 4] = [(40, 10), (80, 24), (110, 30), (200, 50)];

pub fn pair(name: &str, file: &str, bytes: u64, fits: bool) -> Pair {
    Pair {
        wanted: Wanted { model: file.into(), drafter: Some("auto".into()) },
        name: name.into(),
        drafter: Some(format!("mtp-{name}-Q8_0.gguf")),
        pairing: "It lies beside the target and fits it".into(),
        quantization: "Q4_0".into(),
        bytes,
        found_in: "Hugging Face".into(),
        memory: (bytes + 1_000_000_000, fits),
        measured: None,
    }
}

/// What a search found: one pair that was tuned, one that is too large, one without a drafter.
pub fn found() -> Found {
    let tuned = Pair {
        measured: Some(24.6),
        ..pair("gemma-4-26B", "/models/gemma-4-26B-Q4_0.gguf", 14_700_000_000, true)
    };
    let large = pair("gemma-4-31B", "/models/gemma-4-31B-Q8_0.gguf", 33_000_000_000, false);
    let alone = Pair {
        drafter: None,
        pairing: "no drafter lies beside it".into(),
        ..pair("smol-135M", "/models/smol-135M.gguf", 90_000_000, true)
    };
    Found { pairs: vec![tuned, large, alone], folders: vec!["/models".into()], unreadable: 0 }
}
