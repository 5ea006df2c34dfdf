//! Markdown that comes in pieces: the same rows as all at once, at a cost that grows with the text alone.

use proptest::prelude::*;
use unicode_segmentation::UnicodeSegmentation;

use slipstream::tui::markdown::Markdown;
use slipstream::tui::markdown::row::{Kind, Look, Row};

/// Rows as text and looks. What colour a part of a program has depends on a thread's progress.
fn seen(rows: &[Row]) -> Vec<(String, Vec<(usize, Look)>)> {
    let plain = |look: Look| match look.kind {
        Kind::Syntax(_) => Look::default(),
        _ => look,
    };
    rows.iter()
        .map(|row| {
            let mut runs: Vec<(usize, Look)> = Vec::new();
            for (part, look) in row.parts() {
                match runs.last_mut() {
                    Some((end, same)) if *same == plain(look) => *end = part.end,
                    _ => runs.push((part.end, plain(look))),
                }
            }
            (row.text().to_string(), runs)
        })
        .collect()
}

fn at_once(text: &str, columns: usize, whole: bool) -> Markdown {
    let mut markdown = Markdown::default();
    markdown.fit(text, columns, whole);
    markdown
}

fn lines(text: &str, columns: usize) -> Vec<String> {
    at_once(text, columns, true).rows().iter().map(|row| row.text().trim_end().to_string()).collect()
}

#[track_caller]
fn same(text: &str, columns: usize, expected: &str) {
    let rows = lines(text, columns).join("\n");
    let expected = expected.strip_prefix('\n').unwrap_or(expected);
    assert!(rows == expected, "the rows are\n{rows}\nand not\n{expected}");
}

/// A reply as models write them, of about a kilobyte.
pub const REPLY: &str = "\
## Merging two sorted slices

Here is a merge that keeps the order *stable*, and **never** allocates twice. It takes `O(n + m)` time:

1. Reserve the room for both.
2. Take the smaller head, again and again:
   - of the left one where both are equal,
   - else of the right one.
3. Append what is left.

```rust
/// Merges two sorted slices.
pub fn merge<T: Ord + Clone>(a: &[T], b: &[T]) -> Vec<T> {
    let mut out = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] <= b[j] { out.push(a[i].clone()); i += 1; } else { out.push(b[j].clone()); j += 1; }
    }
    out.extend_from_slice(&a[i..]);
    out
}
```

| case | comparisons | note |
|:-----|:-----------:|-----:|
| equal lengths | n + m - 1 | the worst |
| one is empty | 0 | a copy |

> Sorting is a *solved* problem, until it is yours.

See [the documentation](https://doc.rust-lang.org/std/vec/) for more.

";

#[test]
fn a_reply_at_forty_columns() {
    same(
        REPLY,
        40,
        "
Merging two sorted slices

Here is a merge that keeps the order
stable, and never allocates twice. It
takes `O(n + m)` time:

1. Reserve the room for both.
2. Take the smaller head, again and
   again:
   ◦ of the left one where both are
     equal,
   ◦ else of the right one.
3. Append what is left.

┌ rust ────────────────────────────────┐
│ /// Merges two sorted slices.        │
│ pub fn merge<T: Ord + Clone>(a: &[T] │
│ , b: &[T]) -> Vec<T> {               │
│     let mut out = Vec::with_capacity │
│ (a.len() + b.len());                 │
│     let (mut i, mut j) = (0, 0);     │
│     while i < a.len() && j < b.len() │
│  {                                   │
│         if a[i] <= b[j] { out.push(a │
│ [i].clone()); i += 1; } else { out.p │
│ ush(b[j].clone()); j += 1; }         │
│     }                                │
│     out.extend_from_slice(&a[i..]);  │
│     out                              │
│ }                                    │
└──────────────────────────────────────┘

case          │ comparisons │      note
──────────────┼─────────────┼──────────
equal lengths │  n + m - 1  │ the worst
one is empty  │      0      │    a copy

▌ Sorting is a solved problem, until it
▌ is yours.

See the documentation
(https://doc.rust-lang.org/std/vec/) for
more.",
    );
}

#[test]
fn nested_things_keep_their_indent() {
    same(
        "- one\n\n  more of one\n\n  ```\n  code\n  ```\n- two\n  > said\n  > > and said\n\n10. ten\n11. eleven\n",
        24,
        "
• one

  more of one

  ┌────────────────────┐
  │ code               │
  └────────────────────┘
• two
  ▌ said
  ▌ ▌ and said

10. ten
11. eleven",
    );
}

#[test]
fn what_is_no_markup_stays_as_it_is() {
    same("2 * 3 * 4 = 24, a_b_c, $x$, <b>, \\*no\\*", 60, "2 * 3 * 4 = 24, a_b_c, $x$, <b>, *no*");
    same("line one\nline two\n\n\n\nlater", 40, "line one\nline two\n\nlater");
    same("- [x] done\n- [ ] open\n\n---\nend", 12, "• [x] done\n• [ ] open\n\n────────────\nend");
}

#[test]
fn narrow_screens_lose_no_words() {
    for columns in 1..16 {
        let rows = lines("> - word\n>   1. deep\n>      - deeper\n>\n> ```\n> code\n> ```\n", columns);
        let all: String = rows.concat().chars().filter(|c| c.is_alphanumeric()).collect();
        assert_eq!(all.replace(['1', '.'], ""), "worddeepdeepercode", "{rows:?} at {columns}");
    }
}

#[test]
fn a_growing_heading_does_not_flicker() {
    let mut markdown = Markdown::default();
    let text = "Words above\n- item";
    for end in 1..=text.len() {
        markdown.fit(&text[..end], 40, false);
        let (part, look) = markdown.rows()[0].parts().next().unwrap();
        assert_eq!((part.start, look), (0, Look::default()), "at {:?}", &text[..end]);
    }
}

#[test]
fn marks_are_never_shown_raw_while_words_grow() {
    let mut markdown = Markdown::default();
    let text = "Some **strong words** and `code` too, **again**";
    for end in 1..=text.len() {
        markdown.fit(&text[..end], 80, false);
        let row = markdown.rows()[0].text();
        assert!(!row.contains('*') && row.matches('`').count() != 1, "{row:?} at {:?}", &text[..end]);
    }
}

#[test]
fn the_cost_grows_with_the_text_alone() {
    let cost = |text: &str| {
        let mut markdown = Markdown::default();
        for end in (16..=text.len()).step_by(16).filter(|end| text.is_char_boundary(*end)) {
            markdown.fit(&text[..end], 80, false);
        }
        markdown.parsed() as f64
    };
    let per_byte = |text: &str| cost(text) / text.len() as f64;
    let (short, long) = (per_byte(&REPLY.repeat(2)), per_byte(&REPLY.repeat(20)));
    assert!(long < 1.1 * short, "{short:.1} bytes parsed for each of a short text, {long:.1} of a long one");
    // One block that never ends, of each kind: what is parsed again is bounded.
    for block in [
        "- item of a list\n",
        "word ",
        "> quote\n",
        "| a | b |\n",
        "word\n",
        "```\nx\n",
        "<div>\n",
        "    x\n",
    ] {
        let start = if block.starts_with('|') { "| h | i |\n|--|--|\n" } else { "" };
        let text = |bytes: usize| format!("{start}{}", block.repeat(bytes / block.len()));
        let (short, long) = (per_byte(&text(16_000)), per_byte(&text(48_000)));
        assert!(long < 1.3 * short + 10.0, "{block:?}: {short:.1} and {long:.1}");
    }
}

#[test]
fn code_costs_nothing_to_go_on() {
    let mut markdown = Markdown::default();
    let mut text = "```rust\n".to_string();
    markdown.fit(&text, 80, false);
    let before = markdown.parsed();
    for _ in 0..1000 {
        text.push_str("let x = 1;\n");
        markdown.fit(&text, 80, false);
    }
    assert_eq!(markdown.parsed(), before);
    assert_eq!(markdown.rows().len(), 1001);
}

/// Lines that make every kind of block, and what can go wrong between them.
fn any_line() -> impl Strategy<Value = String> {
    let fixed = prop::sample::select(vec![
        "",
        "",
        "",
        "# head",
        "##",
        "- item",
        "- ",
        "-",
        "* star",
        "  - inner",
        "    deep",
        "1. one",
        "2) two",
        "1.",
        "> quote",
        ">",
        "> - both",
        "```",
        "```rust",
        "~~~",
        "````",
        "let x = \"a\";",
        "---",
        "===",
        "***",
        "| a | b |",
        "|---|:-:|",
        "| 1 | 2 | 3 |",
        "<div>",
        "</div>",
        "<!-- c",
        "-->",
        "[a]: /u 'title'",
        "[b]: /v",
        "'not",
        "a title'",
        "[a] and [b][a]",
        "words of *a **text*** here",
        "`code",
        "``x` y``",
        "[link](http://x.example) ![i](u)",
        "  two spaces  ",
        "\ttab",
        "日本語のテキスト",
        "👩‍👩‍👧 emoji ❤️",
        "שלום עולם",
        "a\u{1b}[31mb",
        "&#27;[0m",
        "\\",
        "a  ",
        "- [x] done",
        "1234567890 ".repeat(12).leak(),
    ]);
    prop_oneof![4 => fixed.prop_map(str::to_string), 1 => "[ -~]{0,30}", 1 => "\\PC{0,12}"]
}

fn any_text() -> impl Strategy<Value = String> {
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\n", "\r\n", "\n\n"]);
    prop::collection::vec((any_line(), end), 0..24)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

/// A text, and where it is cut into pieces.
fn any_pieces() -> impl Strategy<Value = (String, Vec<usize>)> {
    any_text().prop_flat_map(|text| {
        let bytes = text.len();
        (Just(text), prop::collection::vec(0..=bytes, 0..40))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_give_the_rows_of_the_whole((text, mut cuts) in any_pieces(), columns in 1usize..90) {
        cuts.sort_unstable();
        let mut growing = Markdown::default();
        for cut in cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)) {
            growing.fit(&text[..cut], columns, false);
            let whole = at_once(&text[..cut], columns, false);
            prop_assert_eq!(seen(growing.rows()), seen(whole.rows()), "up to {:?}", &text[..cut]);
        }
        growing.fit(&text, columns, true);
        prop_assert_eq!(seen(growing.rows()), seen(at_once(&text, columns, true).rows()));
        // And a width there and back is no change.
        growing.fit(&text, columns + 3, true);
        growing.fit(&text, columns, true);
        prop_assert_eq!(seen(growing.rows()), seen(at_once(&text, columns, true).rows()));
    }

    #[test]
    fn rows_fit_and_are_clean(text in any_text(), columns in 2usize..60, whole in any::<bool>()) {
        for row in at_once(&text, columns, whole).rows() {
            // One cluster may be wider than the screen: it is cut off when it is drawn.
            let one = row.text().trim_start().graphemes(true).count() <= 1;
            prop_assert!(row.width() <= columns || one, "{:?} at {}", row.text(), columns);
            prop_assert!(!row.text().contains(char::is_control), "{:?}", row.text());
            prop_assert!(!row.text().contains(['\u{202e}', '\u{2066}']), "{:?}", row.text());
        }
    }
}

proptest! {
    // Texts beyond every limit are dear to check: few of them, cut anywhere.
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn limits_do_not_depend_on_the_pieces(
        kind in prop::sample::select(vec![
            "- item\n", "a line of words\n", "word ", "x", "| a | b |\n", "> q\n", "```\n", "日本", "1. n\n", "- [a]: /u\n",
        ]),
        bytes in 3_000usize..30_000,
        after in any_text(),
        cuts in prop::collection::vec(0usize..32_000, 1..30),
    ) {
        let start = if kind.starts_with('|') { "| h | i |\n|--|--|\n" } else { "" };
        let text = format!("{start}{}\n{after}", kind.repeat(bytes / kind.len()));
        let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| text.is_char_boundary(*cut)).collect();
        cuts.sort_unstable();
        let mut growing = Markdown::default();
        for cut in cuts.into_iter().filter(|cut| *cut <= text.len()) {
            growing.fit(&text[..cut], 40, false);
            prop_assert_eq!(seen(growing.rows()), seen(at_once(&text[..cut], 40, false).rows()));
        }
        growing.fit(&text, 40, true);
        prop_assert_eq!(seen(growing.rows()), seen(at_once(&text, 40, true).rows()));
    }
}
