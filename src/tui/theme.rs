//! Colours: the terminal's own sixteen, so that they suit its background, and none under `NO_COLOR`.
//! Colour is never the only signal: whatever it says is also said by a word, a mark or a modifier.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::entry::Tone;
use crate::tui::markdown::paint::Class;
use crate::tui::markdown::row::{Kind, Look};
use crate::tui::preferences::Colours;
use crate::tui::tokens;

/// The styles of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// The same for a light background: without the colours that are hard to read there.
    #[must_use]
    pub fn on_light(self) -> Theme {
        Theme { light: true, ..self }
    }

    /// As the person wishes. Where they leave it open: no colour where `NO_COLOR` is set and not empty (no-color.org),
    /// and the background that the terminal has told of (`light`), else that of `COLORFGBG`, which some terminals set.
    #[must_use]
    pub fn of(wish: Colours, light: Option<bool>) -> Theme {
        let variable = |name| std::env::var(name).unwrap_or_default();
        match wish {
            Colours::Auto => {
                let guess = Theme::guess(&variable("NO_COLOR"), &variable("COLORFGBG"));
                Theme { light: light.unwrap_or(guess.light), ..guess }
            }
            Colours::Dark => Theme::new(true),
            Colours::Light => Theme::new(true).on_light(),
            Colours::None => Theme::new(false),
        }
    }

    fn guess(no_color: &str, foreground_background: &str) -> Theme {
        let light = matches!(foreground_background.rsplit(';').next(), Some("7" | "15"));
        Theme { colour: no_color.is_empty(), light }
    }

    /// A token of the token view.
    #[must_use]
    pub fn token(self, kind: tokens::Kind) -> Style {
        match kind {
            tokens::Kind::Accepted => {
                let green = if self.light { Color::Green } else { Color::LightGreen };
                self.paint(Style::new().add_modifier(Modifier::UNDERLINED), green)
            }
            tokens::Kind::Own => self.paint(Style::new(), self.yellow()),
            tokens::Kind::Rejected => {
                self.paint(Style::new().add_modifier(Modifier::DIM | Modifier::CROSSED_OUT), Color::Red)
            }
            tokens::Kind::Other(tone) => self.tone(tone),
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

    /// Yellow, where it can be read.
    fn yellow(self) -> Color {
        if self.light { Color::Magenta } else { Color::Yellow }
    }

    /// A part of a formatted text.
    #[must_use]
    pub fn look(self, look: Look) -> Style {
        let plain = Style::new();
        let mut style = match look.kind {
            Kind::Text => plain,
            Kind::Heading(1) => plain.add_modifier(Modifier::BOLD | Modifier::UNDERLINED),
            Kind::Heading(2) => plain.add_modifier(Modifier::BOLD),
            Kind::Heading(_) => plain.add_modifier(Modifier::BOLD | Modifier::ITALIC),
            Kind::Code => self.paint(plain, self.yellow()),
            Kind::Syntax(class) => self.syntax(class),
            Kind::Link => self.paint(plain.add_modifier(Modifier::UNDERLINED), Color::Blue),
            Kind::Address | Kind::Frame => self.quiet(),
            Kind::Marker => self.paint(plain, Color::Cyan),
        };
        for (wanted, modifier) in [
            (look.bold, Modifier::BOLD),
            (look.italic, Modifier::ITALIC),
            (look.struck, Modifier::CROSSED_OUT),
        ] {
            if wanted {
                style = style.add_modifier(modifier);
            }
        }
        style
    }

    /// A part of a program.
    fn syntax(self, class: Class) -> Style {
        let plain = Style::new();
        match class {
            Class::Plain => plain,
            Class::Comment => plain.add_modifier(Modifier::DIM | Modifier::ITALIC),
            Class::Keyword => self.paint(plain.add_modifier(Modifier::BOLD), Color::Magenta),
            Class::Text | Class::Added => self.paint(plain, Color::Green),
            Class::Value => self.paint(plain, self.yellow()),
            Class::Function => self.paint(plain, Color::Blue),
            Class::Type => self.paint(plain, Color::Cyan),
            Class::Name => self.paint(plain, Color::Blue),
            Class::Removed => self.paint(plain, Color::Red),
            Class::Title => plain.add_modifier(Modifier::BOLD),
        }
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
            let styles = [tokens::Kind::Accepted, tokens::Kind::Own, tokens::Kind::Rejected]
                .map(|kind| theme.token(kind).add_modifier);
            assert!(styles[0] != styles[1] && styles[1] != styles[2] && styles[0] != styles[2]);
        }
    }
}
