//! Colours: the terminal's own sixteen, so that they suit its background, and none under `NO_COLOR`.
//! Colour is never the only signal: whatever it says is also said by a word, a mark or a modifier.

use ratatui::style::{Color, Modifier, Style};

use crate::tui::entry::Tone;
use crate::tui::markdown::paint::Class;
use crate::tui::markdown::row::{Kind, Look};

/// The styles of the screen.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colour: bool,
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

    /// As the environment asks: no colour where `NO_COLOR` is set and not empty (no-color.org); a light
    /// background where `COLORFGBG` names one of the light colours (rxvt, Konsole and others set it).
    #[must_use]
    pub fn from_environment() -> Theme {
        let theme = Theme::new(std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
        let background = std::env::var("COLORFGBG").unwrap_or_default();
        match background.rsplit(';').next() {
            Some("7" | "15") => theme.on_light(),
            _ => theme,
        }
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
