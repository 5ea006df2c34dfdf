//! Colours: the terminal's own sixteen, so that they suit its background, and none under `NO_COLOR`.
//! Colour is never the only signal: whatever it says is also said by a word, a mark or a modifier.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::entry::Tone;
use crate::tui::preferences::Colours;
use crate::tui::tokens::Kind;

/// The styles of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colour: bool,
    /// The background is light: pale colours cannot be read on it.
    light: bool,
}

impl Theme {
    /// With colour, or without.
    #[must_use]
    pub fn new(colour: bool) -> Theme {
        Theme { colour, light: false }
    }

    /// As the person wishes. Where they leave it open: no colour where `NO_COLOR` is set and not empty (no-color.org),
    /// and the background that `COLORFGBG` tells, which some terminals set.
    #[must_use]
    pub fn of(wish: Colours) -> Theme {
        let variable = |name| std::env::var(name).unwrap_or_default();
        match wish {
            Colours::Auto => Theme::guess(&variable("NO_COLOR"), &variable("COLORFGBG")),
            Colours::Dark => Theme::new(true),
            Colours::Light => Theme { colour: true, light: true },
            Colours::None => Theme::new(false),
        }
    }

    fn guess(no_color: &str, foreground_background: &str) -> Theme {
        let light = matches!(foreground_background.rsplit(';').next(), Some("7" | "15"));
        Theme { colour: no_color.is_empty(), light }
    }

    /// A token of the token view.
    #[must_use]
    pub fn token(self, kind: Kind) -> Style {
        match kind {
            Kind::Accepted => {
                let green = if self.light { Color::Green } else { Color::LightGreen };
                self.paint(Style::new().add_modifier(Modifier::UNDERLINED), green)
            }
            Kind::Own => self.paint(Style::new(), if self.light { Color::Magenta } else { Color::Yellow }),
            Kind::Rejected => {
                self.paint(Style::new().add_modifier(Modifier::DIM | Modifier::CROSSED_OUT), Color::Red)
            }
            Kind::Other(tone) => self.tone(tone),
        }
    }

    /// The line that is marked in a list.
    #[must_use]
    pub fn marked(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    fn paint(self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }

    /// A line of the transcript.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Style {
        let plain = Style::new();
        match tone {
            Tone::Chosen => self.marked(),
            Tone::Label => self.paint(plain.add_modifier(Modifier::BOLD), Color::Cyan),
            Tone::User | Tone::Answer => plain,
            Tone::Thought | Tone::Footer => self.quiet(),
            Tone::Note => self.paint(plain, Color::Blue),
            Tone::Error => self.alert(),
        }
    }

    /// What matters less: rules, labels, numbers past.
    #[must_use]
    pub fn quiet(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Titles.
    #[must_use]
    pub fn title(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// Bars, and the mark of a running reply.
    #[must_use]
    pub fn live(self) -> Style {
        self.paint(Style::new(), Color::Green)
    }

    /// What asks for attention: errors, "again to quit".
    #[must_use]
    pub fn alert(self) -> Style {
        self.paint(Style::new().add_modifier(Modifier::BOLD), Color::Red)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_is_asked_where_the_person_leaves_it_open() {
        let theme = Theme::guess("", "0;15");
        assert!(theme.colour && theme.light);
        let theme = Theme::guess("", "15;default;0");
        assert!(theme.colour && !theme.light);
        assert!(!Theme::guess("1", "").colour);
    }

    #[test]
    fn origins_differ_without_colour_too() {
        for theme in [Theme::new(false), Theme::new(true), Theme { colour: true, light: true }] {
            let styles =
                [Kind::Accepted, Kind::Own, Kind::Rejected].map(|kind| theme.token(kind).add_modifier);
            assert!(styles[0] != styles[1] && styles[1] != styles[2] && styles[0] != styles[2]);
        }
    }
}
