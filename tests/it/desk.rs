//! A chat on a screen of a chosen size, for tests of what is typed and of what is shown.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;

use slipstream::event::{
    Activity, Channel, Counters, Event, KernelState, Ready, Reply, SpeculationState, StopReason, Text,
};
use slipstream::request::{DraftLength, SamplingSettings, Speculation};
use slipstream::token::Origin;
use slipstream::tui::app::{Effect, Msg, State, update};
use slipstream::tui::theme::Theme;
use slipstream::tui::{Start, keys, view};

/// A chat with a model loaded and nothing said.
pub struct Desk {
    pub state: State,
    pub theme: Theme,
    terminal: Terminal<TestBackend>,
    effects: Vec<Effect>,
}

impl Desk {
    pub fn new(columns: u16, rows: u16) -> Desk {
        let start = Start {
            title: "pocket".into(),
            sampling: SamplingSettings::default(),
            speculation: Speculation { length: DraftLength::Fixed(3), p_min: 0.0 },
            n_max: 4,
            system: None,
            thinking: false,
            max_tokens: None,
            stop: Vec::new(),
            ignore_end_of_turn: false,
        };
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut desk =
            Desk { state: State::new(start), theme: Theme::new(true), terminal, effects: Vec::new() };
        desk.event(Event::Ready(loaded()));
        desk.state.transcript.clear();
        desk
    }

    pub fn tell(&mut self, message: Msg) {
        self.effects.extend(update(&mut self.state, message));
    }

    pub fn event(&mut self, event: Event) {
        self.tell(Msg::Engine(event));
    }

    pub fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let mut inputs = VecDeque::from([Input::Key(KeyEvent::new(code, modifiers))]);
        while let Some(message) = keys::next_message(&mut inputs, self.state.composer.is_empty()) {
            self.tell(message);
        }
    }

    pub fn key(&mut self, code: KeyCode) {
        self.press(code, KeyModifiers::NONE);
    }

    pub fn control(&mut self, c: char) {
        self.press(KeyCode::Char(c), KeyModifiers::CONTROL);
    }

    /// Types `text`; a newline in it is Enter.
    pub fn keys(&mut self, text: &str) {
        for c in text.chars() {
            self.key(if c == '\n' { KeyCode::Enter } else { KeyCode::Char(c) });
        }
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.backend_mut().resize(columns, rows);
        self.tell(Msg::Resized);
    }

    /// The engine writes a piece.
    pub fn write(&mut self, channel: Channel, text: &str) {
        self.event(Event::Text(Text { channel, text: text.into(), origin: Origin::Target }));
    }

    /// The engine ends the reply.
    pub fn end(&mut self, text: &str, reasoning: &str) {
        self.event(Event::Done(Reply {
            text: text.into(),
            reasoning: reasoning.into(),
            tokens: Vec::new(),
            stop_reason: StopReason::EndOfTurn,
            prompt_tokens: 20,
            prompt_decoded: 20,
            prompt_time: Duration::from_millis(400),
            first_token: Duration::from_millis(420),
            counters: counters(),
            speculation: SpeculationState { activity: Activity::On, length: 3, reason: None },
            rows: Vec::new(),
        }));
    }

    /// A question and its whole answer.
    pub fn turn(&mut self, question: &str, answer: &str) {
        self.keys(&format!("{question}\n"));
        self.write(Channel::Answer, answer);
        self.end(answer, "");
    }

    pub fn buffer(&mut self) -> &Buffer {
        self.terminal.autoresize().unwrap();
        let size = self.terminal.size().unwrap();
        view::fit(&mut self.state, size.width, size.height);
        self.terminal.draw(|frame| view::draw(&self.state, self.theme, frame)).unwrap();
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
        self.buffer();
        let position = self.terminal.get_cursor_position().unwrap();
        (position.x, position.y)
    }

    /// What was asked of the outside since the last look.
    pub fn effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }
}

pub fn counters() -> Counters {
    Counters {
        predicted: 212,
        rounds: 88,
        tested: 180,
        accepted: 124,
        tested_by_position: vec![88, 60, 32],
        accepted_by_position: vec![66, 38, 20],
        elapsed: Duration::from_millis(6700),
        drafting: Duration::from_millis(730),
        verifying: Duration::from_millis(5760),
        decoding: Duration::from_millis(6300),
        context_used: 1065,
        plain_per_second: Some(24.6),
        gain: Some(1.29),
    }
}

fn loaded() -> Ready {
    Ready {
        model: PathBuf::from("/models/pocket.gguf"),
        model_name: "pocket".into(),
        drafter: Some(PathBuf::from("/models/pocket-mtp.gguf")),
        draft_kind: "mtp",
        pairing: "pocket-mtp.gguf lies beside the target and fits it".into(),
        context_size: 4096,
        quantization: "Q8_0".into(),
        memory_bytes: 23_000_000,
        speculation: SpeculationState { activity: Activity::On, length: 3, reason: None },
        kernels: KernelState::default(),
        notes: Vec::new(),
    }
}

/// Compares a screen with the file of that name below `tests/it/screens`. With `UPDATE_SCREENS=1` in the
/// environment the file is written instead: look at what changed before it is committed.
#[track_caller]
pub fn as_before(name: &str, screen: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/screens").join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, format!("{screen}\n")).unwrap();
        return;
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    let before = before.strip_suffix('\n').unwrap_or(&before);
    assert!(
        screen == before,
        "the screen {name} is\n{screen}\nand not\n{before}\n(UPDATE_SCREENS=1 keeps it)"
    );
}
