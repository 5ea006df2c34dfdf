//! The picture holds what the screen holds; the recording gives back what was written; and what is committed is both, and
//! tells nothing of the machine it was made on.

use std::path::PathBuf;
use std::time::Duration;

use vt100::Parser;

use crate::picture::palette::{DARK, LIGHT};
use crate::picture::svg::{BASELINE, CELL, MARGIN};
use crate::picture::{SIZE, cast, machine_path, play, shapes, svg};

fn screen(columns: u16, rows: u16, text: &str) -> Parser {
    let mut parser = Parser::new(rows, columns, 0);
    parser.process(text.as_bytes());
    parser
}

/// A picture's lines between head and foot.
fn body(columns: u16, rows: u16, text: &str) -> Vec<String> {
    let picture = svg::draw(screen(columns, rows, text).screen(), &DARK, "a test");
    well_formed(&picture).unwrap();
    let lines = picture.lines().skip_while(|line| !line.starts_with("<g ")).skip(1);
    lines.take_while(|line| *line != "</g>").map(str::to_owned).collect()
}

/// Every element is closed in its turn, every attribute quoted, every `&` the beginning of a name.
fn well_formed(svg: &str) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    let mut pieces = svg.split('<');
    if pieces.next() != Some("") {
        return Err("text before the first element".into());
    }
    for piece in pieces {
        let (tag, text) = piece.split_once('>').ok_or_else(|| format!("an element without end: {piece}"))?;
        if let Some(name) = tag.strip_prefix('/') {
            let opened = open.pop();
            if opened != Some(name) {
                return Err(format!("{opened:?} ended by {name}"));
            }
        } else {
            if tag.matches('"').count() % 2 != 0 {
                return Err(format!("an open quote: {tag}"));
            }
            if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap_or_default());
            }
        }
        for name in text.split('&').skip(1) {
            if !["amp;", "lt;", "gt;"].iter().any(|known| name.starts_with(known)) {
                return Err(format!("an unknown name: &{name}"));
            }
        }
    }
    if open.is_empty() { Ok(()) } else { Err(format!("never closed: {open:?}")) }
}

/// The letters of a picture, back in the cells that they stand in.
fn letters(svg: &str, columns: u16, rows: u16) -> Vec<String> {
    let attribute = |tag: &str, name: &str| -> u32 {
        let value = tag.split_once(&format!(" {name}=\"")).expect(name).1.split_once('"').expect("a quote").0;
        value.parse().expect("a number")
    };
    let mut cells = vec![vec![" ".to_owned(); usize::from(columns)]; usize::from(rows)];
    for element in svg.split("<text ").skip(1) {
        let (tag, rest) = element.split_once('>').unwrap();
        let text = rest.split_once("</text>").unwrap().0;
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let (column, row) = (attribute(tag, "x") / CELL.0, (attribute(tag, "y") - BASELINE) / CELL.1);
        for (cell, grapheme) in
            unicode_segmentation::UnicodeSegmentation::graphemes(text.as_str(), true).enumerate()
        {
            cells[row as usize][column as usize + cell] = grapheme.to_owned();
        }
    }
    cells.into_iter().map(|row| row.concat().trim_end().to_owned()).collect()
}

/// What stands in a screen's cells but for what is drawn as rectangles, wide letters followed by a space.
fn text(screen: &vt100::Screen) -> Vec<String> {
    let (rows, columns) = screen.size();
    let symbol = |row, column| {
        let symbol = screen.cell(row, column).expect("a cell").contents().to_owned();
        if symbol.is_empty() || shapes::rectangles(&symbol).is_some() { " ".to_owned() } else { symbol }
    };
    (0..rows)
        .map(|row| (0..columns).map(|column| symbol(row, column)).collect::<String>().trim_end().to_owned())
        .collect()
}

#[test]
fn letters_stand_in_their_cells_and_look_as_they_do() {
    let found = body(20, 2, "\x1b[1;36mab\x1b[m c<&\x1b[2;3md\x1b[m\r\n  \x1b[7mhi\x1b[m");
    assert_eq!(
        found,
        [
            "<path class=\"c1\" d=\"M18 19h18v19h-18z\"/>",
            "<path class=\"c1\" d=\"M36 19h2v19h-2z\"/>",
            "<text class=\"c0 b\" x=\"0\" y=\"14\" textLength=\"18\">ab</text>",
            "<text class=\"c1\" x=\"27\" y=\"14\" textLength=\"27\">c&lt;&amp;</text>",
            "<text class=\"c1 d i\" x=\"54\" y=\"14\">d</text>",
            "<text class=\"c2\" x=\"18\" y=\"33\" textLength=\"18\">hi</text>",
        ]
        .map(|line| line.to_owned())
    );
    let picture =
        svg::draw(screen(20, 2, "\x1b[36ma\x1b[38;5;208mb\x1b[38;2;1;2;3mc").screen(), &DARK, "<a>");
    for part in ["fill:#5cc5cf}", "fill:#ff8700}", "fill:#010203}", "<title>&lt;a&gt;</title>"] {
        assert!(picture.contains(part), "{part} in\n{picture}");
    }
    let width = 20 * CELL.0 + 2 * MARGIN;
    assert!(picture.contains(&format!("width=\"{width}\"")));
}

#[test]
fn wide_letters_stand_alone_and_lines_and_blocks_meet() {
    // The cursor stands at the end.
    let found = body(20, 1, "\x1b[?25la日本é…b");
    assert_eq!(found.len(), 6, "{found:?}");
    assert_eq!(found[1], "<text class=\"c0\" x=\"9\" y=\"14\">日</text>");
    assert_eq!(found[2], "<text class=\"c0\" x=\"27\" y=\"14\">本</text>");
    assert_eq!(found[3], "<text class=\"c0\" x=\"45\" y=\"14\">é</text>");
    assert_eq!(
        body(20, 2, "\x1b[?25l──┐██▌\r\n  │\x1b[4m \x1b[m"),
        // A line of two cells and the corner's half, down to the next row; blocks of two cells and a half.
        [
            "<path class=\"c0\" d=\"M0 9h23v1h-23zM22 9h1v10h-1zM27 0h22.5v19h-22.5zM22 19h1v19h-1zM27 35h9v1h-9z\"/>"
        ]
    );
    assert_eq!(body(3, 1, "\x1b[?25l▂"), ["<path class=\"c0\" d=\"M0 14.25h9v4.75h-9z\"/>"]);
}

#[test]
fn a_whole_screen_is_in_its_picture() {
    let text_of_all = "\x1b[2J\x1b[H you  two  spaces\r\n\x1b[1mbold\x1b[m \x1b[4munder line\x1b[m \x1b[7m inverse \x1b[m\r\n│ 日本語 e\u{301} x │\r\n› ×1.34 · ↓ 12 ████▌\r\n   <a> & b";
    let parser = screen(24, 6, text_of_all);
    let picture = svg::draw(parser.screen(), &LIGHT, "a test");
    well_formed(&picture).unwrap();
    assert_eq!(letters(&picture, 24, 6), text(parser.screen()));
}

#[test]
fn what_is_not_well_formed_and_what_names_the_machine_is_seen() {
    for wrong in ["<a>", "<a></b>", "<a x=\"></a>", "<a>&nbsp;</a>", "x<a></a>", "<a"] {
        assert!(well_formed(wrong).is_err(), "{wrong}");
    }
    for told in ["in /home/me/x", "\"/tmp/a\"", "file:/root/b"] {
        assert!(machine_path(told).is_some(), "{told}");
    }
    for fine in ["http://www.w3.org/2000/svg", "107 / 4.1k", "</text>", "and/or/not", "/help or /new"] {
        assert_eq!(machine_path(fine), None, "{fine}");
    }
}

#[test]
fn a_recording_gives_back_what_was_written() {
    let pieces = [
        (Duration::from_millis(5), b"\x1b[1mh\xc3".to_vec()),
        (Duration::from_millis(1500), b"\xa9\r\n".to_vec()),
        (Duration::from_millis(1600), b"\xff!".to_vec()),
        (Duration::from_millis(1700), b"\x1b[?2004h\x1b[>1u\x1b]11;?\x1b\\".to_vec()),
        (Duration::from_millis(1800), b"\x1b[?1049h\x1b[?2026h".to_vec()),
    ];
    let written = cast::write(80, 24, "a title", &pieces);
    let (size, read) = cast::read(&written).unwrap();
    assert_eq!(size, (80, 24));
    assert_eq!(
        read,
        [(0.005, "\x1b[1mh"), (1.5, "é\r\n"), (1.6, "\u{fffd}!"), (1.8, "\x1b[2J\x1b[H\x1b[?2026h")]
            .map(|(seconds, text)| (seconds, text.to_owned()))
    );
    assert!(cast::read("{\"version\":1,\"width\":8,\"height\":2}\n").is_err());
    assert!(cast::read("{\"version\":2,\"width\":8,\"height\":2}\n[0.1,\"i\",\"x\"]\n").is_err());
}

/// What every picture of the scene shows.
const CHAT: [&str; 5] = ["slipstream", "pocket", "speculation", "Write fizzbuzz in Python.", "accepted"];

/// A recording of the scene, as it must be.
fn good_recording(written: &str) {
    let (size, pieces) = cast::read(written).unwrap();
    assert_eq!(size, SIZE);
    assert!(pieces.windows(2).all(|pair| pair[0].0 <= pair[1].0), "time goes on");
    let mut terminal = Parser::new(size.1, size.0, 0);
    let mut seen = [false; 3];
    for (_, piece) in &pieces {
        terminal.process(piece.as_bytes());
        let contents = terminal.screen().contents();
        assert_eq!(machine_path(&contents), None, "{contents}");
        for (seen, text) in seen.iter_mut().zip(["Define lantern.", "print(n)", "[rejected guess]"]) {
            *seen |= contents.contains(text);
        }
    }
    assert_eq!(seen, [true; 3], "both replies and their tokens");
    let screen = terminal.screen();
    assert!(
        !screen.alternate_screen() && !screen.bracketed_paste(),
        "the terminal of who plays it stays theirs"
    );
    assert!(
        !pieces.iter().any(|(_, piece)| piece.contains("\x1b]") || piece.contains("\x1b[>")),
        "no questions"
    );
}

#[test]
fn what_is_committed_is_whole_and_tells_nothing_of_the_machine() {
    let assets = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("assets");
    let read = |name: &str| std::fs::read_to_string(assets.join(name)).expect(name);
    for name in ["screen.svg", "screen-light.svg", "tokens.svg", "tokens-light.svg"] {
        let picture = read(name);
        well_formed(&picture).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(machine_path(&picture), None, "{name}");
        assert!(picture.len() < 60_000, "{name} has {} bytes", picture.len());
        let shown = letters(&picture, SIZE.0, SIZE.1).join("\n");
        assert!(CHAT.iter().all(|text| shown.contains(text)), "{name} shows\n{shown}");
    }
    let readme = std::fs::read_to_string(assets.join("../README.md")).expect("README.md");
    for name in ["screen.svg", "screen-light.svg", "tokens.svg", "tokens-light.svg", "chat.cast"] {
        assert!(readme.contains(&format!("assets/{name}")), "README.md shows {name}");
    }
    let recording = read("chat.cast");
    assert!(recording.len() < 200_000, "{} bytes", recording.len());
    good_recording(&recording);
    let (_, pieces) = cast::read(&recording).unwrap();
    assert!(pieces.last().is_some_and(|(seconds, _)| *seconds <= 20.0), "it is short");
}

#[test]
fn the_scene_still_plays() {
    let folder = tempfile::tempdir().unwrap();
    let played = play(folder.path(), false, 0.0);
    for (shown, palette) in [(&played.chat, &DARK), (&played.tokens, &LIGHT)] {
        let picture = svg::draw(shown, palette, "the scene");
        well_formed(&picture).unwrap();
        assert_eq!(letters(&picture, SIZE.0, SIZE.1), text(shown));
        let contents = shown.contents();
        assert!(CHAT.iter().all(|text| contents.contains(text)), "{contents}");
    }
    good_recording(&cast::write(SIZE.0, SIZE.1, "the scene", &played.pieces));
}
