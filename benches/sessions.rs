//! What the session store costs: `cargo bench --bench sessions -- [turns=2000] [tokens=2000000] [repeats=9]`.
//!
//! One session of so many turns (questions of 40 words, answers with the rest of the tokens, every third token a rejected
//! guess beside it), as the chat writes it: opened anew each time, from the system's cache. Times are medians, brackets the
//! quickest and the slowest.

#![allow(clippy::print_stdout, clippy::print_stderr)]

#[path = "../tests/it/screen.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod screen;

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use slipstream::engine::{DrafterPlan, Engine, EngineSettings};
use slipstream::event::{Command, Event, Parking};
use slipstream::llama::KvType;
use slipstream::request::{DraftLength, Prompt, Request, SamplingSettings, Speculation};
use slipstream::sessions::{
    Answer, Change, Moment, NewReply, NewTurn, Piece, ReplyEnd, Report, SessionId, Speaker, Store, Trace,
    TurnId,
};
use slipstream::token::{Origin, TokenId};
use slipstream::tui::app::{Msg, update};
use slipstream::tui::sessions::Told;
use slipstream::tui::theme::Theme;
use slipstream::tui::view;

use screen::Session;

thread_local! {
    /// How long the screen's part of a measurement took.
    static LAST: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// A token of Gemma's is about four letters of English.
const WORDS: [&str; 8] = [" the", " lantern", "s", " of", " Amster", "dam", " were", " lit"];

fn number(name: &str, usual: usize) -> usize {
    let prefix = format!("{name}=");
    let given = std::env::args().find_map(|argument| argument.strip_prefix(&prefix)?.parse().ok());
    given.unwrap_or(usual)
}

fn text(tokens: usize, seed: usize) -> (String, Trace) {
    let (mut text, mut trace) = (String::new(), Trace::default());
    for at in 0..tokens {
        let word = WORDS[(at * 7 + seed + at / 5) % WORDS.len()];
        text.push_str(word);
        trace.token(word, if at % 3 == 0 { Origin::Target } else { Origin::Accepted });
        if at % 3 == 0 {
            trace.rejected(WORDS[at % WORDS.len()]);
        }
    }
    (text, trace)
}

fn fill(store: &mut Store, turns: usize, tokens: usize) -> SessionId {
    let session = SessionId::fresh();
    let mut parent = None;
    for round in 0..turns / 2 {
        let (question, _) = text(40, round);
        let id = TurnId::fresh(parent);
        let created = Moment::now();
        let asked = NewTurn { id, session, parent, speaker: Speaker::User, text: question, created };
        let (answer, text_trace) = text((2 * tokens / turns).saturating_sub(40), round);
        let reply = NewReply {
            id: TurnId::fresh(Some(id)),
            session,
            parent: Some(id),
            created,
            continues: None,
            text: String::new(),
            reasoning: String::new(),
        };
        let piece = Piece {
            turn: reply.id,
            number: 0,
            text_at: 0,
            reasoning_at: 0,
            text: answer,
            reasoning: String::new(),
            text_trace,
            reasoning_trace: Trace::default(),
        };
        let end = ReplyEnd {
            reason: "eot".to_owned(),
            numbers: Some(serde_json::json!({ "predicted_n": tokens / turns, "draft_n": 812, "gain": 1.41 })),
            tokens: (0..2 * tokens / turns).map(|at| TokenId(at as i32 * 131 % 262_144)).collect(),
            ..ReplyEnd::default()
        };
        parent = Some(reply.id);
        let changes = [
            Change::Append(asked),
            Change::Begin(reply.clone()),
            Change::Grow(piece),
            Change::Finish(reply, end),
        ];
        store.write(&changes).expect("written");
    }
    session
}

fn measure(what: &str, repeats: usize, mut work: impl FnMut()) {
    let mut times: Vec<f64> = (0..repeats)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("| {what} | {:.2} ({:.2}–{:.2}) |", times[repeats / 2], times[0], times[repeats - 1]);
}

fn main() {
    let (turns, tokens, repeats) = (number("turns", 2000), number("tokens", 2_000_000), number("repeats", 9));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sessions.db");
    let begun = Instant::now();
    let mut store = Store::open(&path).expect("opened").store;
    let session = fill(&mut store, turns, tokens);
    drop(store);
    let bytes = path.metadata().map_or(0, |metadata| metadata.len());
    println!(
        "{turns} turns · {tokens} tokens · {:.1} MB, written in {:.1} s · {repeats} repeats\n",
        bytes as f64 / 1e6,
        begun.elapsed().as_secs_f64()
    );
    println!("| what | ms |\n|---|---|");
    report(&path, session, repeats);
    show(&path, session, repeats);
    resume(repeats);
}

/// What follows on the screen, 200x50: the turns become the transcript, and the first frame.
fn show(path: &Path, session: SessionId, repeats: usize) {
    let store = Store::open(path).expect("opened").store;
    let mut state = Session::loading(200, 50).state;
    let mut terminal = Terminal::new(TestBackend::new(200, 50)).expect("a screen");
    measure("the session on the screen: transcript and first frame", repeats, || {
        let found = store.session(session).expect("a session");
        let begun = Instant::now();
        let told = Told::Report(Report::Answer(Answer::Open(Box::new(found))));
        let _ = update(&mut state, Msg::Sessions(told));
        view::fit(&mut state, 200, 50);
        terminal.draw(|frame| view::draw(&state, Theme::new(false), frame)).expect("drawn");
        LAST.with(|last| last.set(begun.elapsed()));
    });
    println!(
        "| of these, the screen's part, last of them | {:.2} |",
        LAST.with(Cell::get).as_secs_f64() * 1e3
    );
}

/// A chat with the built-in pair that is gone on with in another run: its prompt read again, or its saved state.
fn resume(repeats: usize) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/pocket");
    let settings = EngineSettings {
        model: root.join("pocket-target-Q8_0.gguf"),
        model_name: "pocket".to_owned(),
        quantization: "Q8_0".to_owned(),
        drafter: DrafterPlan::None,
        pairing: String::new(),
        context: 4096,
        threads: 1,
        threads_batch: 1,
        threads_draft: 1,
        micro_batch: 512,
        kernels: false,
        kv_type: KvType::F16,
        gpu_layers: None,
        mmap: true,
        keeps_ways_back: true,
        template: None,
        speculation: Speculation { length: DraftLength::Off, p_min: 0.0 },
        costs: None,
        forced_acceptance: None,
        fingerprints: false,
        log: None,
    };
    let start = || {
        let engine = Engine::start(settings.clone());
        while !matches!(engine.next(), Some(Event::Ready(_)) | None) {}
        engine
    };
    let ask = |engine: &Engine| {
        engine.send(Command::Generate(Request {
            prompt: Prompt::Raw(text(2700, 1).0),
            sampling: SamplingSettings::default(),
            max_tokens: Some(1),
            stop: Vec::new(),
            ignore_end_of_turn: true,
            tell_rejected: false,
        }));
        loop {
            match engine.next() {
                Some(Event::Done(reply)) => return reply,
                Some(Event::Failed(failure)) => panic!("{}", failure.message),
                None => panic!("the engine ended"),
                _ => {}
            }
        }
    };
    let folder = tempfile::tempdir().expect("a folder");
    let parking = Parking {
        file: folder.path().join("one.state"),
        identity: "bench".to_owned(),
        most_bytes: 1 << 30,
        worth: Duration::ZERO,
    };
    let engine = start();
    let tokens = ask(&engine).prompt_tokens;
    engine.send(Command::Park(parking.clone()));
    drop(engine);
    let bytes = parking.file.metadata().map_or(0, |metadata| metadata.len());
    println!(
        "\nA prompt of {tokens} tokens, the built-in pair, one thread; its state: {:.1} MB\n",
        bytes as f64 / 1e6
    );
    println!("| first token of a resumed chat | ms |\n|---|---|");
    for (what, saved) in [("without its state", false), ("with it", true)] {
        let mut times: Vec<f64> = (0..repeats.min(5))
            .map(|_| {
                let engine = start();
                let begun = Instant::now();
                if saved {
                    engine.send(Command::Unpark(parking.clone()));
                }
                let reply = ask(&engine);
                assert_eq!(saved, reply.prompt_decoded < tokens / 2, "{} read", reply.prompt_decoded);
                begun.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!(
            "| {what} | {:.1} ({:.1}–{:.1}) |",
            times[times.len() / 2],
            times[0],
            times[times.len() - 1]
        );
    }
}

fn report(path: &Path, session: SessionId, repeats: usize) {
    let open = || Store::open(path).expect("opened").store;
    measure("open the file", repeats, || drop(open()));
    measure("open the file and the session: all texts of the branch", repeats, || {
        let found = open().session(session).expect("a session");
        assert!(found.turns.len() > 1);
    });
    // What `CHECKED_BYTES` of src/sessions/store.rs is made of.
    let raw = rusqlite::Connection::open(path).expect("opened");
    for check in ["quick_check", "integrity_check"] {
        measure(check, repeats, || {
            let sql = format!("PRAGMA {check}(1)");
            let found: String = raw.query_row(&sql, [], |row| row.get(0)).expect("checked");
            assert_eq!(found, "ok");
        });
    }
    let mut store = open();
    measure("open the session in an open file", repeats, || {
        store.session(session).expect("a session");
    });
    let last = store.session(session).expect("a session").head;
    measure("list", repeats, || {
        store.sessions().expect("a list");
    });
    measure("the trace of one reply", repeats, || {
        store.trace(last.expect("a reply")).expect("a trace");
    });
    measure("search, 20 places", repeats, || {
        assert!(!store.search("lantern ams", 20).expect("found").is_empty());
    });
    measure("search, nothing found", repeats, || {
        assert!(store.search("nowhere", 20).expect("searched").is_empty());
    });
    measure("export as JSON", repeats.min(3), || {
        store.export_json(&[session]).expect("exported");
    });
    let reply = NewReply {
        id: TurnId::fresh(last),
        session,
        parent: last,
        created: Moment::now(),
        continues: None,
        text: String::new(),
        reasoning: String::new(),
    };
    store.write(&[Change::Begin(reply.clone())]).expect("written");
    let mut number = 0;
    let (more, text_trace) = text(100, 1);
    measure("a second of a running reply, 100 tokens", 4 * repeats, || {
        let piece = Piece {
            turn: reply.id,
            number,
            text_at: number as usize * more.len(),
            reasoning_at: 0,
            text: more.clone(),
            reasoning: String::new(),
            text_trace: text_trace.clone(),
            reasoning_trace: Trace::default(),
        };
        store.write(&[Change::Grow(piece)]).expect("written");
        number += 1;
    });
    let end = ReplyEnd { reason: "eot".to_owned(), ..ReplyEnd::default() };
    measure("the end of that reply", 1, || {
        store.write(&[Change::Finish(reply.clone(), end.clone())]).expect("written");
    });
    let turn = |at: usize| NewTurn {
        id: TurnId::fresh(last),
        session,
        parent: last,
        speaker: Speaker::User,
        text: text(40, at).0,
        created: Moment::now(),
    };
    let mut at = 0;
    measure("a question", 4 * repeats, || {
        at += 1;
        store.write(&[Change::Append(turn(at))]).expect("written");
    });
}
