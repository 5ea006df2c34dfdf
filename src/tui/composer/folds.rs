//! Long text in the input folds to a few words, `[pasted 214 lines]`. In the editor a fold is one character
//! out of a range that nobody else gets to use; what is sent is the whole text.

/// The characters that stand for folds: the end of the last plane of private use, where no font has icons.
const FIRST: u32 = 0x10_fe00;
/// How many there are. Beyond that long text stays as it is.
const MOST: usize = 256;

/// Lines beyond which a paste folds.
pub const LONGEST_PASTE: usize = 10;

/// What is folded, by the characters that stand for it.
#[derive(Debug, Default)]
pub(super) struct Folds {
    folds: Vec<Fold>,
}

/// A text, and what is shown for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// What is shown, in brackets.
    pub label: String,
    /// What is sent.
    pub text: String,
}

impl Fold {
    /// A paste, where it is long enough to be folded.
    #[must_use]
    pub fn of_paste(text: &str) -> Option<Fold> {
        let lines = text.lines().count();
        (lines > LONGEST_PASTE)
            .then(|| Fold { label: format!("[pasted {lines} lines]"), text: text.to_string() })
    }
}

/// Whether `c` is one of the characters that stand for folds; in a text from outside they have no place.
pub(super) fn is_reserved(c: char) -> bool {
    (FIRST..FIRST + MOST as u32).contains(&u32::from(c))
}

impl Folds {
    /// The character for one more; `None` where there are too many.
    pub(super) fn add(&mut self, fold: Fold) -> Option<char> {
        let number = u32::try_from(self.folds.len()).ok().filter(|_| self.folds.len() < MOST)?;
        self.folds.push(fold);
        char::from_u32(FIRST + number)
    }

    /// What `c` stands for.
    pub(super) fn get(&self, c: char) -> Option<&Fold> {
        let number = u32::from(c).checked_sub(FIRST)?;
        self.folds.get(usize::try_from(number).ok()?)
    }

    /// `text` with everything unfolded.
    pub(super) fn unfold(&self, text: &str) -> String {
        if !text.contains(is_reserved) {
            return text.to_string();
        }
        let mut out = String::new();
        for c in text.chars() {
            match self.get(c) {
                Some(fold) => out.push_str(&fold.text),
                None => out.push(c),
            }
        }
        out
    }

    pub(super) fn clear(&mut self) {
        self.folds.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_a_character_and_unfolds_to_its_text() {
        let mut folds = Folds::default();
        let long = "line\n".repeat(11);
        let fold = Fold::of_paste(&long).unwrap();
        assert_eq!(fold.label, "[pasted 11 lines]");
        assert_eq!(Fold::of_paste(&"line\n".repeat(10)), None);
        let c = folds.add(fold).unwrap();
        assert!(is_reserved(c));
        assert_eq!(folds.unfold(&format!("a{c}b{c}")), format!("a{long}b{long}"));
        for _ in 1..MOST {
            assert!(folds.add(Fold::of_paste(&long).unwrap()).is_some());
        }
        assert_eq!(folds.add(Fold::of_paste(&long).unwrap()), None);
    }
}
