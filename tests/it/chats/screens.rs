//! The sessions screen at four sizes, as files that are looked at when they change.

use crossterm::event::KeyCode;

use slipstream::sessions::{
    Answer, Hit, Identity, Moment, Report, SessionId, SessionInfo, SessionSettings, Speaker,
};
use slipstream::tui::app::Msg;
use slipstream::tui::sessions::Told;

use crate::screen::{NONE, SIZES, Session, found, snapshot};

const NOW: i64 = 1_795_601_472_000;
const MINUTE: i64 = 60_000;

fn infos() -> Vec<SessionInfo> {
    let chats = [
        ("Write a function that merges two sorted slices.", 3, 6, "gemma-4-26B-A4B"),
        ("日本語の俳句について、短い説明をお願いします", 50, 2, "gemma-4-26B-A4B"),
        ("What is a river?", 26 * 60, 14, "pocket"),
        ("Letter to the landlord", 3 * 24 * 60, 31, ""),
    ];
    let info = |(title, minutes, turns, model): (&str, i64, u32, &str)| SessionInfo {
        id: SessionId::fresh(),
        title: title.into(),
        created: Moment(NOW - (minutes + 30) * MINUTE),
        updated: Moment(NOW - minutes * MINUTE),
        turns,
        settings: SessionSettings {
            model: (!model.is_empty()).then(|| Identity { name: model.into(), ..Identity::default() }),
            system: (turns == 6).then(|| "Be brief.".to_owned()),
            ..SessionSettings::default()
        },
        deletion: None,
    };
    chats.map(info).into()
}

fn screen(session: &mut Session) -> String {
    // Names are made by chance.
    let mut screen = session.screen();
    for info in session.state.sessions.list.infos().unwrap_or_default() {
        screen = screen.replace(&info.id.to_string(), "abcd1234");
    }
    screen
}

fn listed(mut session: Session) -> Session {
    session.tell(Msg::Date(Moment(NOW)));
    session.control('s');
    session.tell(Msg::Sessions(Told::Report(Report::Answer(Answer::Sessions(infos())))));
    session
}

#[test]
fn sessions() {
    snapshot("sessions", &SIZES, |columns, rows| {
        let mut session = listed(Session::ready(columns, rows));
        session.press(KeyCode::Down, NONE);
        session.press(KeyCode::Up, NONE);
        screen(&mut session)
    });
}

#[test]
fn search() {
    snapshot("sessions-search", &SIZES, |columns, rows| {
        let mut session = listed(Session::ready(columns, rows));
        let infos = infos();
        session.keys("sorted");
        let snippet = "…a merge that keeps the order stable: both slices are sorted already, so…";
        let at = snippet.find("sorted").unwrap();
        let hit = |info: &SessionInfo, turn: bool| Hit {
            session: info.id,
            title: info.title.clone(),
            turn: turn.then(|| slipstream::sessions::TurnId::fresh(None)),
            speaker: turn.then_some(Speaker::Model),
            created: info.created,
            snippet: if turn { snippet.to_owned() } else { info.title.clone() },
            found: std::iter::once(at..at + 6).collect(),
        };
        let hits = vec![hit(&infos[0], false), hit(&infos[0], true), hit(&infos[3], true)];
        session.tell(Msg::Sessions(Told::Report(Report::Answer(Answer::Search("sorted".into(), hits)))));
        session.press(KeyCode::Down, NONE);
        screen(&mut session)
    });
}

#[test]
fn start_with_earlier_chats() {
    snapshot("start-chats", &SIZES, |columns, rows| {
        let mut session = Session::choosing(columns, rows);
        session.tell(Msg::Pairs(found()));
        session.tell(Msg::Sessions(Told::Report(Report::Answer(Answer::Sessions(infos())))));
        screen(&mut session)
    });
}

#[test]
fn versions_and_choice() {
    snapshot("versions", &SIZES, |columns, rows| {
        let mut session = Session::ready(columns, rows);
        session.keys("What is a lantern?\n");
        session.reply("A lantern is a lamp with a handle.");
        session.keys("/regen\n");
        session.reply("A light that can be carried.");
        session.press(KeyCode::Tab, NONE);
        session.screen()
    });
}

#[test]
fn nothing_on_any_size_is_too_small() {
    for (columns, rows) in [(10, 3), (11, 4), (20, 5), (39, 9), (300, 100)] {
        let mut session = listed(Session::ready(columns, rows));
        session.draw();
        session.keys("what is typed is far longer than the screen is wide, and wide: 日本語");
        session.draw();
        session.control('x');
        session.press(KeyCode::Char('n'), NONE);
        session.draw();
    }
}
