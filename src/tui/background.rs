//! Whether the terminal's background is light. The terminal is asked (OSC 11), and answers among the keys, soon, late or
//! never: so nobody waits for it, and what it says is picked out of the keys whenever it comes. Keys before, behind and
//! between, and keys that only begin like an answer, stay keys.

use std::collections::VecDeque;
use std::time::Duration;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};

/// The question.
pub const ASK: &str = "\x1b]11;?\x1b\\";

/// Whether the question does no harm. Consoles that do not know it may write a part of it on the screen; without colours
/// nobody needs to know.
#[must_use]
pub fn can_be_asked(variable: impl Fn(&str) -> Option<String>) -> bool {
    let is = |name: &str| variable(name).unwrap_or_default();
    cfg!(unix)
        && is("NO_COLOR").is_empty()
        && !matches!(is("TERM").as_str(), "" | "linux" | "dumb" | "vt100" | "vt220")
}

/// How long the rest of an answer is waited for: it comes in one piece, or nearly.
const PATIENCE: Duration = Duration::from_millis(100);
/// Longer than any answer: `rgba:` and four numbers of four digits.
const LONGEST: usize = 32;

/// What came that may be the beginning of an answer.
#[derive(Debug, Default)]
pub struct Listener {
    held: VecDeque<Input>,
    since: Duration,
}

impl Listener {
    /// Takes an answer out of `inputs`; whether it tells of a light background.
    pub fn hear(&mut self, inputs: &mut VecDeque<Input>, now: Duration) -> Option<bool> {
        if inputs.is_empty() && now.saturating_sub(self.since) < PATIENCE {
            return None;
        }
        let more = !inputs.is_empty();
        while let Some(held) = self.held.pop_back() {
            inputs.push_front(held);
        }
        let mut light = None;
        let mut at = 0;
        while at < inputs.len() {
            match read(inputs.iter().skip(at)) {
                Read::Answer(count, colour) => {
                    light = colour.or(light);
                    inputs.drain(at..at + count);
                }
                Read::Unfinished if more => {
                    self.held = inputs.split_off(at);
                    self.since = now;
                }
                Read::Unfinished | Read::Key => at += 1,
            }
        }
        light
    }
}

enum Read {
    Key,
    /// All of it fits an answer, which is not at its end.
    Unfinished,
    /// So many keys, and what they say where it is a colour.
    Answer(usize, Option<bool>),
}

/// Reads an answer, as crossterm takes it for keys: `ESC ]` is Alt and `]`; the end is Alt and a backslash, or Ctrl and g.
fn read<'a>(mut inputs: impl Iterator<Item = &'a Input>) -> Read {
    let key = |input: &Input| match input {
        Input::Key(KeyEvent { code: KeyCode::Char(c), modifiers, .. }) => Some((*c, *modifiers)),
        _ => None,
    };
    if inputs.next().and_then(key) != Some((']', KeyModifiers::ALT)) {
        return Read::Key;
    }
    let mut text = String::new();
    for input in inputs {
        match key(input) {
            Some(('\\', KeyModifiers::ALT) | ('g', KeyModifiers::CONTROL)) if text.len() > 3 => {
                return Read::Answer(text.len() + 2, is_light(&text[3..]));
            }
            // Digits in upper case come with Shift.
            Some((c, modifiers)) if (modifiers - KeyModifiers::SHIFT).is_empty() && c.is_ascii() => {
                text.push(c)
            }
            _ => return Read::Key,
        }
        let fits = match text.len() {
            0..=3 => "11;".starts_with(&text),
            length => length <= LONGEST && text.starts_with("11;") && text[3..].bytes().all(in_a_colour),
        };
        if !fits {
            return Read::Key;
        }
    }
    Read::Unfinished
}

fn in_a_colour(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || b"rgba:/#".contains(&byte)
}

/// Whether a colour (`rgb:ffff/ffff/ffff`, `rgba:…`, `#ffffff`) is nearer to white, as the eye weighs red, green and blue.
fn is_light(colour: &str) -> Option<bool> {
    let part = |digits: &str| -> Option<f32> {
        let most =
            16_u32.checked_pow(u32::try_from(digits.len()).ok()?)?.checked_sub(1).filter(|most| *most > 0)?;
        let value = u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() <= 4)?;
        // Four digits at most: exact.
        #[expect(clippy::cast_precision_loss)]
        Some(value as f32 / most as f32)
    };
    let parts: Vec<&str> = match (colour.split_once(':'), colour.strip_prefix('#')) {
        (Some(("rgb" | "rgba", parts)), _) => parts.split('/').collect(),
        (_, Some(digits)) if matches!(digits.len(), 3 | 6 | 12) => {
            let each = digits.len() / 3;
            vec![&digits[..each], &digits[each..2 * each], &digits[2 * each..]]
        }
        _ => return None,
    };
    let [red, green, blue, ..] = parts.as_slice() else { return None };
    Some(0.2126 * part(red)? + 0.7152 * part(green)? + 0.0722 * part(blue)? > 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn typed(text: &str) -> VecDeque<Input> {
        text.chars().map(|c| Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE))).collect()
    }

    fn alt(c: char) -> VecDeque<Input> {
        [Input::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT))].into()
    }

    fn answer(colour: &str) -> VecDeque<Input> {
        alt(']').into_iter().chain(typed(&format!("11;{colour}"))).chain(alt('\\')).collect()
    }

    fn all(parts: &[VecDeque<Input>]) -> VecDeque<Input> {
        parts.iter().flatten().cloned().collect()
    }

    #[test]
    fn an_answer_is_taken_out_and_the_keys_around_it_stay() {
        let mut listener = Listener::default();
        let mut inputs = all(&[typed("be"), answer("rgb:ffff/FFFF/ffff"), typed("fore")]);
        assert_eq!(listener.hear(&mut inputs, SOON), Some(true));
        assert_eq!(inputs, typed("before"));
        let mut inputs = answer("rgb:1c1c/1c1c/1c1c");
        // A bell ends it as well, and Shift comes with large letters.
        inputs.pop_back();
        inputs.push_back(Input::Key(KeyEvent::new(KeyCode::Char('g'), KeyModifiers::CONTROL)));
        assert_eq!(listener.hear(&mut inputs, SOON), Some(false));
        assert_eq!(inputs, typed(""));
    }

    #[test]
    fn an_answer_in_pieces_is_one_wherever_it_is_cut() {
        let whole = all(&[typed("a"), answer("rgb:ff/ff/e0"), typed("b")]);
        for cut in 0..=whole.len() {
            let mut listener = Listener::default();
            let (mut first, mut then) = (whole.clone(), VecDeque::new());
            then.extend(first.split_off(cut));
            let one = listener.hear(&mut first, SOON);
            let two = listener.hear(&mut then, SOON * 2);
            assert_eq!(one.or(two), Some(true), "cut at {cut}");
            assert_eq!(all(&[first, then]), typed("ab"));
        }
    }

    #[test]
    fn keys_that_begin_like_an_answer_are_keys_in_the_end() {
        let mut listener = Listener::default();
        let mut inputs = all(&[alt(']'), typed("11;rg")]);
        let before = inputs.clone();
        assert_eq!(listener.hear(&mut inputs, SOON), None);
        assert!(inputs.is_empty(), "it may go on");
        assert_eq!(listener.hear(&mut inputs, SOON * 2), None);
        assert!(inputs.is_empty());
        assert_eq!(listener.hear(&mut inputs, SOON + PATIENCE), None);
        assert_eq!(inputs, before, "it did not");
        for text in ["11x", "12;", "11;rgb:zz", &format!("11;{}", "f".repeat(99))] {
            let mut inputs = all(&[alt(']'), typed(text)]);
            let before = inputs.clone();
            assert_eq!(listener.hear(&mut inputs, SOON), None);
            assert_eq!(inputs, before, "{text}");
        }
    }

    #[test]
    fn plain_consoles_are_not_asked() {
        let asked = |term: &str, no_color: &str| {
            can_be_asked(|name| Some(if name == "TERM" { term } else { no_color }.to_owned()))
        };
        assert_eq!(asked("xterm-256color", ""), cfg!(unix));
        assert!(!asked("linux", "") && !asked("", "") && !asked("xterm", "1"));
    }

    #[test]
    fn colours_are_weighed_as_the_eye_does() {
        for (colour, light) in [
            ("rgb:0000/0000/0000", Some(false)),
            ("rgb:0/f/0", Some(true)),
            ("rgb:0000/0000/ffff", Some(false)),
            ("rgba:fdfd/f6f6/e3e3/ffff", Some(true)),
            ("#002b36", Some(false)),
            ("#fff", Some(true)),
            ("rgb:ff/ff", None),
            ("rgb:fffff/0/0", None),
            ("rgb://", None),
            ("abba", None),
        ] {
            assert_eq!(is_light(colour), light, "{colour}");
        }
    }
}
