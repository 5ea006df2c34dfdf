//! Marks that are still open at the end of a growing text, closed for the eye: without this every `**bold**`
//! and every `` `code` `` would be shown raw until its last mark came, and then jump.

use std::borrow::Cow;

/// `text` with what is open in its last paragraph closed, and without marks that nothing follows yet.
pub(super) fn mended(text: &str) -> Cow<'_, str> {
    let start = text.rfind("\n\n").map_or(0, |at| at + 2);
    let paragraph = &text[start..];
    if !paragraph.contains(['*', '`']) || paragraph.ends_with('\n') || in_fence(text) {
        return Cow::Borrowed(text);
    }
    let Open { code, bold } = open(paragraph);
    if code > 0 {
        let marks = "`".repeat(code);
        // Marks alone are no code yet.
        return match text.strip_suffix(&marks) {
            Some(before) => Cow::Borrowed(before),
            None => Cow::Owned(format!("{text}{marks}")),
        };
    }
    if bold {
        return match text.strip_suffix("**") {
            Some(before) => Cow::Borrowed(before),
            // One of two marks has come.
            None if text.ends_with('*') => Cow::Owned(format!("{text}*")),
            None if text.ends_with(' ') => Cow::Owned(format!("{}**", text.trim_end())),
            None => Cow::Owned(format!("{text}**")),
        };
    }
    // The first of two marks, perhaps; at the start of a line it would be a bullet.
    match text.strip_suffix('*') {
        Some(before) if before.ends_with(' ') && !before.trim_end_matches(' ').ends_with('\n') => {
            Cow::Borrowed(before)
        }
        _ => Cow::Borrowed(text),
    }
}

/// What is open at the end of a paragraph: code with so many marks, or strong words.
#[derive(Default)]
struct Open {
    code: usize,
    bold: bool,
}

fn open(paragraph: &str) -> Open {
    let mut open = Open::default();
    let mut rest = paragraph;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let run = rest.chars().take_while(|next| *next == c).count();
        let mut taken = c.len_utf8();
        match c {
            '`' => {
                taken = run;
                if open.code == 0 {
                    open.code = run;
                } else if open.code == run {
                    open.code = 0;
                }
            }
            '\\' if open.code == 0 => taken += rest[1..].chars().next().map_or(0, char::len_utf8),
            '*' if open.code == 0 => {
                taken = run;
                let after = rest[run..].chars().next();
                // Strong words begin after a space or a sign, and before a letter.
                let opens = !before.is_alphanumeric() && after.is_none_or(|next| !next.is_whitespace());
                let closes = !before.is_whitespace();
                if run == 2 && open.bold && closes {
                    open.bold = false;
                } else if run == 2 && opens {
                    open.bold = true;
                }
            }
            _ => {}
        }
        before = rest[..taken].chars().next_back().unwrap_or(' ');
        rest = &rest[taken..];
    }
    open
}

/// Whether the text ends within code between fences, where marks mean nothing. Fences of lists and quotes
/// count too.
fn in_fence(text: &str) -> bool {
    let mut open: Option<&str> = None;
    for line in text.lines() {
        let line =
            line.trim_start_matches([' ', '>', '-', '*', '.', '+']).trim_start_matches(char::is_numeric);
        let line = line.trim_start_matches([' ', '.', ')']);
        for fence in ["```", "~~~"] {
            if line.starts_with(fence) {
                open = match open {
                    None => Some(fence),
                    Some(known) if known == fence => None,
                    known => known,
                };
            }
        }
    }
    open.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_closed() {
        for (text, shown) in [
            ("a **bold te", "a **bold te**"),
            ("a **bold ", "a **bold**"),
            ("a **bold*", "a **bold**"),
            ("a **bold**", "a **bold**"),
            ("a **", "a "),
            ("use `cod", "use `cod`"),
            ("use `", "use "),
            ("use ``a`b", "use ``a`b``"),
            ("`a` and `b`", "`a` and `b`"),
            ("`a ** b` c", "`a ** b` c"),
            ("2 ** 3 is 8", "2 ** 3 is 8"),
            ("a \\**b", "a \\**b"),
            ("**old\n\nnew", "**old\n\nnew"),
            ("```\nf(**k", "```\nf(**k"),
            ("1. x\n   ```\n   a `b", "1. x\n   ```\n   a `b"),
            ("```\nx\n```\n**b", "```\nx\n```\n**b**"),
            ("- **Item", "- **Item**"),
            ("* star", "* star"),
            ("a *", "a "),
            ("a\n  *", "a\n  *"),
        ] {
            assert_eq!(mended(text), shown, "{text:?}");
        }
    }
}
