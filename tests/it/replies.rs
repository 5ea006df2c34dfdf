//! How replies are shown: formatted text on screens of all sizes, reasoning folded, colours or none, long
//! conversations, and nothing that a terminal would act on.

use crossterm::event::KeyCode;
use proptest::prelude::*;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};
use ratatui::{Terminal, TerminalOptions, Viewport};

use slipstream::event::{Channel, Event};
use slipstream::tui::app::Msg;
use slipstream::tui::markdown::paint;
use slipstream::tui::theme::Theme;
use slipstream::tui::view;

use crate::markdown::REPLY;
use crate::screen::{SIZES, Session, counters, snapshot};

/// Languages and emoji, next to each other and in frames.
const SCRIPTS: &str = "\
| word | in | note |
|---|---|---|
| 日本語 | Japanese | wide 👩‍👩‍👧 |
| שלום | Hebrew | right to left |
| नमस्ते | Hindi | joined |

- 🇩🇪 flags, 👍🏽 tones, ❤️ and ❤
- עברית in a list, with words after it

```text
日本語 שלום é
```
";

/// A question and a reply with reasoning before it.
fn reply(columns: u16, rows: u16) -> Session {
    let mut desk = Session::ready(columns, rows);
    desk.keys("Write a function that merges two sorted slices.\n");
    desk.write(Channel::Reasoning, "They want a merge.\nI should keep it stable.");
    desk.event(Event::Progress(counters()));
    desk.write(Channel::Answer, REPLY);
    desk.end(REPLY, "They want a merge.\nI should keep it stable.");
    desk
}

#[test]
fn screens_of_a_reply() {
    snapshot("reply", &SIZES, |columns, rows| reply(columns, rows).screen());
}

#[test]
fn screens_of_its_beginning_with_its_reasoning() {
    snapshot("reply-start", &SIZES, |columns, rows| {
        let mut desk = reply(columns, rows);
        desk.screen();
        desk.control('t');
        desk.tell(Msg::Scroll(-1000));
        desk.screen()
    });
}

#[test]
fn screens_of_the_scripts_of_the_world() {
    snapshot("scripts", &SIZES, |columns, rows| {
        let mut desk = Session::ready(columns, rows);
        desk.turn("Say hello", SCRIPTS);
        desk.screen()
    });
}

#[test]
fn screens_of_a_reply_that_is_being_written() {
    snapshot("reply-growing", &SIZES, |columns, rows| {
        let mut desk = Session::ready(columns, rows);
        desk.keys("go\n");
        let upto = REPLY.find("let (mut i").unwrap() + 12;
        for piece in REPLY.as_bytes()[..upto].chunks(5) {
            desk.write(Channel::Answer, std::str::from_utf8(piece).unwrap());
        }
        desk.screen()
    });
}

#[test]
fn frames_keep_their_place_beside_right_to_left_letters() {
    let mut desk = Session::ready(60, 20);
    desk.turn("hello", SCRIPTS);
    let screen = desk.screen();
    let isolated = |line: &str| line.contains("\u{200e}│");
    for line in screen.lines() {
        let right_to_left = line.contains(['ש', 'ע']) && line.contains('│');
        assert_eq!(isolated(line), right_to_left, "{line:?}");
    }
}

#[test]
fn reasoning_has_its_time_and_its_key() {
    let mut desk = Session::ready(80, 12);
    desk.keys("why?\n");
    desk.write(Channel::Reasoning, "Let me think.");
    desk.event(Event::Progress(counters()));
    let line = desk.screen().lines().find(|line| line.contains("thinking")).unwrap().to_string();
    assert_eq!(line.trim(), format!("▸ thinking 2.0 s (61 tokens){}Ctrl+T to show", " ".repeat(36)));
    desk.write(Channel::Answer, "So.");
    desk.end("So.", "Let me think.");
    assert!(desk.screen().contains("▸ thought for 2.0 s (61 tokens)"));
    desk.control('t');
    let screen = desk.screen();
    assert!(screen.contains("▾ thought for 2.0 s (61 tokens)") && screen.contains("Ctrl+T to fold"));
    assert!(screen.contains(" Let me think.\n So."), "{screen}");
}

#[test]
fn without_colours_nothing_has_one_and_code_is_still_told_apart() {
    let mut desk = Session::ready(80, 50);
    desk.turn("go", REPLY);
    desk.screen();
    paint::settle();
    let coloured = |desk: &mut Session| {
        let cells = desk.buffer().content().to_vec();
        let colours: Vec<Color> = cells.iter().map(|cell| cell.fg).collect();
        let bold = cells.iter().filter(|cell| cell.modifier.contains(Modifier::BOLD)).count();
        (colours.into_iter().filter(|colour| *colour != Color::Reset).count(), bold)
    };
    desk.theme = Theme::new(false);
    let (colours, bold) = coloured(&mut desk);
    assert_eq!(colours, 0);
    desk.theme = Theme::new(true);
    let (colours, same_bold) = coloured(&mut desk);
    assert!(colours > 100, "{colours} cells have a colour");
    assert_eq!(bold, same_bold, "what is bold is bold without colours too");
    assert!(bold > 20);
}

#[test]
fn colours_are_the_terminals_sixteen_and_a_light_one_has_no_yellow() {
    let mut desk = Session::ready(80, 50);
    desk.turn("go", REPLY);
    desk.screen();
    paint::settle();
    for light in [false, true] {
        desk.theme = if light { Theme::new(true).on_light() } else { Theme::new(true) };
        let colours: Vec<Color> = desk.buffer().content().iter().map(|cell| cell.fg).collect();
        assert!(colours.iter().all(|c| !matches!(c, Color::Rgb(..) | Color::Indexed(_))));
        assert_eq!(colours.contains(&Color::Yellow), !light);
    }
}

#[test]
fn a_real_terminal_shows_what_was_drawn() {
    let mut desk = Session::ready(80, 30);
    let text = "a\u{1b}[2Jb\u{1b}]0;owned\u{7}c\n\n```sh\necho \u{1b}[31mred\n```\n\n日本語 é שלום\n";
    desk.turn("x\u{9b}5n", text);
    let drawn = desk.screen().replace('\u{200e}', "");
    let (shown, _) = through_a_terminal(&mut desk, 80, 30);
    assert_eq!(shown.replace('\u{200e}', ""), drawn);
    assert!(drawn.contains("abc") && drawn.contains("echo red"), "{drawn}");
}

#[test]
fn a_long_question_folds() {
    let mut desk = Session::ready(60, 40);
    let long: String = (1..=50).map(|n| format!("line {n}\n")).collect();
    desk.tell(Msg::Paste(long));
    desk.turn("and?", "Answer.");
    let screen = desk.screen();
    assert!(screen.contains("line 8\n") && !screen.contains("line 9\n"), "{screen}");
    assert!(screen.contains("▸ 43 more lines"), "{screen}");
    desk.control('t');
    desk.tell(Msg::Scroll(-1000));
    assert!(desk.screen().contains("line 30\n"), "{}", desk.screen());
}

#[test]
fn a_long_conversation_scrolls_through_all_of_it() {
    let mut desk = Session::ready(60, 20);
    for number in 0..300 {
        desk.turn(
            &format!("question {number}?"),
            &format!("Answer {number} has *words*.\n\n- and\n- a list\n"),
        );
    }
    assert!(desk.screen().contains("Answer 299 "));
    // Up through everything, a page at a time: each question is met, in order.
    let mut met = Vec::new();
    for _ in 0..1000 {
        let screen = desk.screen();
        let numbers = screen.lines().filter_map(|line| line.trim().strip_prefix("question "));
        let mut here: Vec<usize> = numbers.map(|n| n.trim_end_matches('?').parse().unwrap()).collect();
        here.reverse();
        met.extend(here);
        if screen.contains("question 0?") {
            break;
        }
        desk.key(KeyCode::PageUp);
    }
    met.dedup();
    met.sort_unstable();
    met.dedup();
    assert_eq!(met, (0..300).collect::<Vec<_>>());
    // And from the start, which was not laid out any more, to the end.
    desk.key(KeyCode::Home);
    assert!(desk.screen().contains("question 0?"));
    let mut pages = 0;
    while desk.screen().contains('↓') {
        desk.key(KeyCode::PageDown);
        pages += 1;
        assert!(pages < 1000);
    }
    assert!(desk.screen().contains("Answer 299 "));
    // Another width while far up: the same entry stays on top.
    desk.tell(Msg::Scroll(-1000));
    let top = |desk: &mut Session| {
        let screen = desk.screen();
        screen.lines().skip(1).find(|line| line.contains("nswer ")).unwrap().trim().to_string()
    };
    let before = top(&mut desk);
    desk.resize(44, 12);
    assert_eq!(top(&mut desk), before);
}

#[test]
fn new_lines_are_counted_while_the_view_is_away() {
    let mut desk = Session::ready(60, 20);
    for number in 0..50 {
        desk.turn(&format!("question {number}?"), "Answer.\n\n- one\n- two");
    }
    desk.keys("more\n");
    desk.tell(Msg::Scroll(-200));
    desk.screen();
    for line in 0..7 {
        desk.write(Channel::Answer, &format!("line {line}\n"));
    }
    let screen = desk.screen();
    assert!(screen.contains("↓ 7 new lines"), "{screen}");
    desk.resize(44, 20);
    let screen = desk.screen();
    assert!(screen.contains("↓ 7 new lines"), "{screen}");
}

/// The screen that a real terminal shows of `desk`, through the backend that the program uses, and what it
/// was told besides.
fn through_a_terminal(desk: &mut Session, columns: u16, rows: u16) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let options = TerminalOptions { viewport: Viewport::Fixed(Rect::new(0, 0, columns, rows)) };
    let mut terminal = Terminal::with_options(CrosstermBackend::new(&mut bytes), options).unwrap();
    view::fit(&mut desk.state, columns, rows);
    terminal.draw(|frame| view::draw(&desk.state, desk.theme, frame)).unwrap();
    drop(terminal);
    let mut parser = vt100::Parser::new(rows, columns, 0);
    parser.process(&bytes);
    let lines = parser.screen().rows(0, columns).map(|line| line.trim_end().to_string());
    (lines.collect::<Vec<_>>().join("\n"), bytes)
}

/// What a hostile or broken text may hold.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\u{1b}[2J",
        "\u{1b}]0;title\u{7}",
        "\u{1b}]52;c;AAAA\u{1b}\\",
        "\u{1b}P1$r\u{1b}\\",
        "\u{1b}",
        "\u{9b}31m",
        "\u{9d}x\u{9c}",
        "\u{90}",
        "\u{7}",
        "\u{8}",
        "\u{c}",
        "\u{e}",
        "\u{7f}",
        "\u{85}",
        "\u{202e}",
        "\u{2066}",
        "\r",
        "\0",
        "&#27;[31m",
        "&#x9b;",
        "&#x202e;",
        "`\u{1b}[1m`",
        "```\u{1b}[m\n\u{1b}c\n",
        "| \u{1b}[2J | b |\n|--|--|\n",
        "[a\u{1b}](\u{1b}b)",
        "<\u{1b}>",
        "[\u{1b}]: /u\u{1b}\n",
        "words ",
        "\n",
        "\n\n",
        "- ",
        "# ",
        "> ",
        "日本",
        "שלום",
    ]);
    prop::collection::vec(piece, 1..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_a_terminal_acts_on_reaches_a_cell(
        pieces in prop::collection::vec((any::<bool>(), hostile()), 1..6),
        pasted in hostile(),
        columns in 12u16..90,
    ) {
        let mut desk = Session::ready(columns, 14);
        desk.tell(Msg::Paste(pasted));
        desk.keys("x\n");
        desk.control('t');
        for (answer, text) in pieces {
            desk.write(if answer { Channel::Answer } else { Channel::Reasoning }, &text);
            let (_, bytes) = through_a_terminal(&mut desk, columns, 14);
            let written = String::from_utf8(bytes).unwrap();
            // Styles, the cursor's place and its showing are all that the program itself writes.
            for sequence in written.split('\u{1b}').skip(1) {
                let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
                prop_assert!(sequence.starts_with('['), "{sequence:?}");
                prop_assert!(matches!(&sequence[end..=end], "m" | "H" | "h" | "l"), "{sequence:?}");
            }
            let control = |c: char| c.is_control() && c != '\u{1b}';
            prop_assert!(!written.contains(control), "{written:?}");
            for cell in desk.buffer().content() {
                let bad = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
                prop_assert!(!cell.symbol().contains(bad), "{:?}", cell.symbol());
            }
        }
    }
}
