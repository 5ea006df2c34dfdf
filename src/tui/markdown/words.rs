//! The words of a paragraph, a heading or a cell: events of inline markup to a row of looks.

use std::ops::Range;

use pulldown_cmark::{Event, LinkType, Tag, TagEnd};

use super::row::{FRAME, Kind, Look, Row};
use crate::tui::text::{cleaned, one_line};

/// Words being gathered.
pub(super) struct Words<'a> {
    source: &'a str,
    row: Row,
    bold: u32,
    italic: u32,
    struck: u32,
    /// Open links and images: where they lead, and where their words begin.
    links: Vec<(String, usize)>,
    /// Depth within a reference that is shown as it is written.
    literal: u32,
}

impl<'a> Words<'a> {
    pub(super) fn new(source: &'a str) -> Words<'a> {
        Words { source, row: Row::default(), bold: 0, italic: 0, struck: 0, links: Vec::new(), literal: 0 }
    }

    /// Whether a tag belongs to words.
    pub(super) fn is_inline(tag: &Tag<'_>) -> bool {
        matches!(tag, Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. })
    }

    /// Text that matters less, as it is written.
    pub(super) fn quiet(text: &str) -> Row {
        Row::of(text, Look::of(Kind::Address))
    }

    /// Takes an event in; false where it does not belong to words.
    pub(super) fn take(&mut self, event: &Event<'_>, range: &Range<usize>) -> bool {
        if self.literal > 0 {
            match event {
                Event::Start(_) => self.literal += 1,
                Event::End(_) => self.literal -= 1,
                _ => {}
            }
            return true;
        }
        match event {
            Event::Text(text) => self.push(text, Kind::Text),
            Event::Code(code) => {
                self.row.push("`", FRAME);
                self.push(code, Kind::Code);
                self.row.push("`", FRAME);
            }
            Event::InlineHtml(html) if is_break(html) => self.row.push("\n", Look::default()),
            Event::InlineHtml(html) | Event::Html(html) => self.push(html, Kind::Text),
            // A model that ends a line means it: so do chats in browsers.
            Event::SoftBreak | Event::HardBreak => self.row.push("\n", Look::default()),
            Event::TaskListMarker(done) => {
                self.row.push(if *done { "[x] " } else { "[ ] " }, Look::of(Kind::Marker));
            }
            Event::Start(tag) if !Words::is_inline(tag) => return false,
            Event::Start(tag) => self.open(tag, range),
            Event::End(tag) => return self.close(tag),
            Event::Rule => return false,
            // Nothing else is turned on; if it were, it must not stop the reader.
            _ => {}
        }
        true
    }

    /// What was gathered.
    pub(super) fn finish(self) -> Row {
        self.row
    }

    fn push(&mut self, text: &str, kind: Kind) {
        let kind = if kind == Kind::Text && !self.links.is_empty() { Kind::Link } else { kind };
        let look = Look { kind, bold: self.bold > 0, italic: self.italic > 0, struck: self.struck > 0 };
        self.row.push(&cleaned(text), look);
    }

    fn open(&mut self, tag: &Tag<'_>, range: &Range<usize>) {
        match tag {
            Tag::Emphasis => self.italic += 1,
            Tag::Strong => self.bold += 1,
            Tag::Strikethrough => self.struck += 1,
            // Whether its definition is known would depend on how the text was cut into pieces.
            Tag::Link {
                link_type: LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut, ..
            }
            | Tag::Image {
                link_type: LinkType::Reference | LinkType::Collapsed | LinkType::Shortcut, ..
            } => {
                let source = self.source;
                self.push(&source[range.clone()], Kind::Text);
                self.literal = 1;
            }
            Tag::Link { dest_url, .. } => self.links.push((one_line(dest_url), self.row.text().len())),
            Tag::Image { dest_url, .. } => {
                self.push("[image: ", Kind::Text);
                self.links.push((one_line(dest_url), self.row.text().len()));
            }
            _ => {}
        }
    }

    fn close(&mut self, tag: &TagEnd) -> bool {
        match tag {
            TagEnd::Emphasis => self.italic = self.italic.saturating_sub(1),
            TagEnd::Strong => self.bold = self.bold.saturating_sub(1),
            TagEnd::Strikethrough => self.struck = self.struck.saturating_sub(1),
            TagEnd::Link => {
                if let Some((address, start)) = self.links.pop() {
                    let words = &self.row.text()[start..];
                    let tells_itself = address == words || address.strip_prefix("mailto:") == Some(words);
                    if !tells_itself {
                        self.row.push(&format!(" ({address})"), Look::of(Kind::Address));
                    }
                }
            }
            TagEnd::Image => {
                if let Some((address, _)) = self.links.pop() {
                    self.push("]", Kind::Text);
                    self.row.push(&format!(" ({address})"), Look::of(Kind::Address));
                }
            }
            _ => return false,
        }
        true
    }
}

fn is_break(html: &str) -> bool {
    let inside = html.trim_start_matches('<').trim_end_matches('>').trim_end_matches('/').trim();
    inside.eq_ignore_ascii_case("br")
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Block, parse};
    use super::*;

    fn words(source: &str) -> Row {
        match parse(source).remove(0).block {
            Block::Words(row) => row,
            other => panic!("{other:?}"),
        }
    }

    fn looks(source: &str) -> Vec<(String, Look)> {
        let row = words(source);
        row.parts().map(|(range, look)| (row.text()[range].to_string(), look)).collect()
    }

    #[test]
    fn stress_links_and_code() {
        let plain = Look::default();
        let part = |text: &str, look| (text.to_string(), look);
        assert_eq!(
            looks("a *b **c*** ~~d~~"),
            [
                part("a ", plain),
                part("b ", Look { italic: true, ..plain }),
                part("c", Look { italic: true, bold: true, ..plain }),
                part(" ", plain),
                part("d", Look { struck: true, ..plain }),
            ]
        );
        assert_eq!(words("[site](https://x.example) and <https://y.example>").text(), {
            "site (https://x.example) and https://y.example"
        });
        assert_eq!(words("![plan](plan.png)").text(), "[image: plan] (plan.png)");
        assert_eq!(words("use `let x`!").text(), "use `let x`!");
        assert_eq!(words("one  \ntwo<br/>three\nfour").text(), "one\ntwo\nthree\nfour");
    }

    #[test]
    fn entities_cannot_smuggle_control_characters() {
        let row = words("a&#27;[31mb&#x9b;c&#x202e;d `&#27;` [e](&#27;x) &amp; &lt;");
        assert!(!row.text().contains(char::is_control), "{row:?}");
        assert!(!row.text().contains('\u{202e}'));
        assert!(row.text().ends_with("& <"));
    }
}
