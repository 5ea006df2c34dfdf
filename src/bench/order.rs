//! Who runs when.

use super::Setting;

/// One reply to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Which of the kinds of text.
    pub kind: usize,
    /// How.
    pub setting: Setting,
    /// In which round of repeats, from 0.
    pub repeat: usize,
}

/// All turns. Plain leads the settings of a repeat that counts from 0 in even repeats, and all run backwards in odd
/// ones: what drifts (a throttled machine, another program) falls on every setting alike. Repeats are the inner loop of
/// a kind, so that its prompt is read once.
#[must_use]
pub fn turns(kinds: usize, settings: &[Setting], repeats: usize) -> Vec<Turn> {
    let mut all = vec![Setting::Plain];
    for setting in settings {
        if !all.contains(setting) {
            all.push(*setting);
        }
    }
    let mut turns = Vec::new();
    for kind in 0..kinds {
        for repeat in 0..repeats {
            let mut settings = all.clone();
            if repeat % 2 == 1 {
                settings.reverse();
            }
            turns.extend(settings.into_iter().map(|setting| Turn { kind, setting, repeat }));
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_once_a_repeat_plain_always_and_every_other_repeat_backwards() {
        let turns = turns(2, &[Setting::Fixed(2), Setting::Auto, Setting::Fixed(2)], 2);
        let of_kind = |kind: usize| {
            turns.iter().filter(move |turn| turn.kind == kind).map(|turn| (turn.repeat, turn.setting.name()))
        };
        let expected = [(0, "plain"), (0, "2"), (0, "auto"), (1, "auto"), (1, "2"), (1, "plain")];
        assert!(of_kind(0).eq(expected.map(|(repeat, name)| (repeat, name.to_owned()))));
        assert!(of_kind(1).eq(of_kind(0)));
    }
}
