//! The editor, key by key.

use super::*;

fn key(code: KeyCode) -> KeyEvent {
    KeyEvent::new(code, KeyModifiers::NONE)
}

fn control(c: char) -> KeyEvent {
    KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL)
}

fn shown(composer: &Composer, columns: usize) -> Vec<String> {
    composer.rows(columns).rows.iter().map(|row| row.text().to_string()).collect()
}

#[test]
fn line_editing_keys() {
    let mut composer = Composer::default();
    composer.insert("one two three");
    composer.edit(control('w'));
    assert_eq!(composer.text(), "one two ");
    composer.edit(control('a'));
    composer.edit(key(KeyCode::Char('>')));
    assert_eq!(composer.text(), ">one two ");
    composer.edit(control('k'));
    assert_eq!(composer.text(), ">");
    composer.edit(control('u'));
    assert!(composer.is_empty());
    composer.insert("ab");
    composer.edit(control('a'));
    composer.edit(control('d'));
    composer.edit(control('e'));
    composer.edit(key(KeyCode::Char('c')));
    assert_eq!(composer.text(), "bc");
}

#[test]
fn a_cluster_is_one_step_and_one_deletion() {
    let mut composer = Composer::default();
    composer.insert("a👩‍👩‍👧e\u{301}");
    assert_eq!(composer.rows(80).caret, (0, 4));
    composer.edit(key(KeyCode::Backspace));
    assert_eq!(composer.text(), "a👩‍👩‍👧");
    composer.edit(key(KeyCode::Left));
    assert_eq!(composer.rows(80).caret, (0, 1));
    composer.edit(key(KeyCode::Delete));
    assert_eq!(composer.text(), "a");
}

#[test]
fn history_goes_back_and_returns_to_the_draft() {
    let mut composer = Composer::default();
    for text in ["first", "second\nline"] {
        composer.insert(text);
        composer.take();
    }
    composer.insert("draft");
    composer.up();
    assert_eq!(composer.text(), "second\nline");
    composer.up();
    composer.up();
    assert_eq!(composer.text(), "first");
    composer.up();
    assert_eq!(composer.text(), "first");
    composer.down();
    composer.down();
    assert_eq!(composer.text(), "draft");
    composer.down();
    assert_eq!(composer.text(), "draft");
}

#[test]
fn rows_wrap_by_width_and_carry_the_caret() {
    let mut composer = Composer::default();
    composer.insert("abcdef\n日本語");
    assert_eq!(shown(&composer, 4), ["abcd", "ef", "日本", "語"]);
    assert_eq!(composer.rows(4).caret, (3, 2));
    composer.set("abcd");
    assert_eq!(shown(&composer, 4), ["abcd", ""]);
    assert_eq!(composer.rows(4).caret, (1, 0));
}

#[test]
fn up_and_down_move_by_rows() {
    let mut composer = Composer::default();
    composer.insert("older");
    composer.take();
    composer.insert("abcdefgh日本\nxy");
    composer.fit(4);
    // abcd, efgh, 日本, xy: the caret is behind xy.
    composer.up();
    assert_eq!(composer.rows(4).caret, (2, 2));
    composer.up();
    composer.up();
    assert_eq!(composer.rows(4).caret, (0, 2));
    composer.edit(key(KeyCode::Char('!')));
    assert_eq!(composer.text(), "ab!cdefgh日本\nxy");
    composer.up();
    assert_eq!(composer.text(), "older");
    composer.down();
    assert_eq!(composer.text(), "ab!cdefgh日本\nxy");
}

#[test]
fn a_long_paste_folds_and_is_sent_whole() {
    let mut composer = Composer::default();
    let long: String = (1..=214).map(|n| format!("line {n}\n")).collect();
    composer.insert("see ");
    composer.insert(&long);
    composer.insert(" ok?");
    assert_eq!(shown(&composer, 80), ["see [pasted 214 lines] ok?"]);
    assert_eq!(composer.rows(80).caret, (0, 26));
    assert_eq!(composer.text(), format!("see {long} ok?"));
    assert_eq!(composer.take(), format!("see {long} ok?"));
    assert!(composer.is_empty());
    // It comes back from the history as what was sent.
    composer.up();
    assert_eq!(composer.text(), format!("see {long} ok?"));
}

#[test]
fn a_fold_opens_where_it_is_edited_and_goes_with_the_word() {
    let long = "x\n".repeat(11);
    let folded = || {
        let mut composer = Composer::default();
        composer.insert("a ");
        composer.insert(&long);
        composer
    };
    let mut composer = folded();
    composer.edit(key(KeyCode::Backspace));
    assert_eq!(shown(&composer, 80).len(), 12);
    assert_eq!(composer.text(), format!("a {long}"), "opened, and nothing deleted");
    composer.edit(key(KeyCode::Backspace));
    assert_eq!(composer.text(), format!("a {}", &long[..long.len() - 1]));
    let mut composer = folded();
    composer.edit(key(KeyCode::Left));
    assert_eq!(composer.rows(80).caret, (0, 2), "one step over all of it");
    composer.edit(key(KeyCode::Delete));
    assert_eq!(composer.text(), format!("a {long}"));
    assert_eq!(composer.rows(80).caret, (0, 2), "the caret is before it");
    let mut composer = folded();
    composer.edit(control('w'));
    assert_eq!(composer.text(), "a ");
}

#[test]
fn characters_that_stand_for_folds_cannot_be_pasted() {
    let mut composer = Composer::default();
    composer.insert("a\u{10fe00}b");
    composer.edit(key(KeyCode::Char('\u{10fe01}')));
    assert_eq!(composer.text(), "ab");
    composer.set("c\u{10fe02}d");
    assert_eq!(composer.text(), "cd");
}

#[test]
fn narrow_rows_hold_a_shortened_fold() {
    let mut composer = Composer::default();
    composer.insert(&"x\n".repeat(20));
    composer.insert("end");
    assert_eq!(shown(&composer, 10), ["[pasted 2…", "end"]);
}
