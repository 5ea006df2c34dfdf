//! Colours: the terminal's own sixteen, so that they suit its background, and none under `NO_COLOR`.
//! Colour is never the only signal: whatever it says is also said by a word, a mark or a modifier.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::entry::Tone;

/// The styles of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colour: bool,
}

impl Theme {
    /// With colour, or without.
    #[must_use]
    pub fn new(colour: bool) -> Theme {
        Theme { colour }
    }

    /// As the environment asks: no colour where `NO_COLOR` is set and not empty (no-color.org).
    #[must_use]
    pub fn from_environment() -> Theme {
        Theme::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()))
    }

    fn paint(self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }

    /// A line of the transcript.
    #[must_use]
    pub fn tone(self, tone: Tone) -> Style {
        let plain = Style::new();
        match tone {
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
