//! Completion in the input: what is certain is written, and where there is a choice it is offered.

use ratatui_textarea::{DataCursor, TextArea};

use super::Composer;
use crate::tui::complete::{Candidate, Completion};

/// A choice that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Menu {
    /// Where the completed words begin in the caret's line, in characters.
    from: usize,
    /// What may stand there.
    pub candidates: Vec<Candidate>,
    /// The one that does, if one was chosen.
    pub chosen: Option<usize>,
}

impl Composer {
    /// The caret's line up to the caret, and whether it is the first line.
    #[must_use]
    pub fn before_caret(&self) -> (String, bool) {
        let DataCursor(line, character) = self.area.cursor();
        (self.area.lines()[line].chars().take(character).collect(), line == 0)
    }

    /// Writes what is certain. Whether anything is open or was written.
    pub fn complete(&mut self, completion: Completion) -> bool {
        let (before, _) = self.before_caret();
        let from = before.get(..completion.from).map_or(0, |head| head.chars().count());
        let typed = before.get(completion.from..).unwrap_or_default();
        match completion.candidates.as_slice() {
            [] => return false,
            [only] => {
                let text = format!("{}{}", only.text, only.end);
                self.replace_from(from, &text);
            }
            several => {
                let common = common(several);
                // What fits in another way than by its beginning stays as it was typed, until one is chosen.
                if common.len() > typed.len() && common.starts_with(typed) {
                    self.replace_from(from, &common);
                }
                self.menu = Some(Menu { from, candidates: completion.candidates, chosen: None });
            }
        }
        true
    }

    /// Chooses the next or the previous one of the open choice.
    pub(super) fn choose(&mut self, step: isize) {
        let Some(menu) = &mut self.menu else { return };
        let count = menu.candidates.len();
        let next = match menu.chosen {
            None if step > 0 => 0,
            None => count - 1,
            Some(at) => (at + count).saturating_add_signed(step) % count,
        };
        menu.chosen = Some(next);
        let (from, text) = (menu.from, menu.candidates[next].text.clone());
        self.replace_from(from, &text);
    }

    /// Puts `text` in place of what stands between `from`, in characters, and the caret.
    fn replace_from(&mut self, from: usize, text: &str) {
        let DataCursor(_, character) = self.area.cursor();
        self.times(character.saturating_sub(from), TextArea::delete_char);
        self.area.insert_str(text);
    }
}

/// What all begin with.
fn common(candidates: &[Candidate]) -> String {
    let Some((first, others)) = candidates.split_first() else { return String::new() };
    let mut common = first.text.as_str();
    for other in others {
        let same = common.char_indices().zip(other.text.chars()).find(|((_, a), b)| a != b);
        let end = same.map_or(common.len().min(other.text.len()), |((at, _), _)| at);
        common = &common[..end];
    }
    common.to_string()
}
