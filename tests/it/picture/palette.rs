//! What a terminal's colours look like.

use vt100::Color;

/// The two that are used where no colour is set, and the sixteen that have names.
pub struct Palette {
    pub foreground: &'static str,
    pub background: &'static str,
    named: [&'static str; 16],
}

pub const DARK: Palette = Palette {
    foreground: "#d5d9e0",
    background: "#15181e",
    named: [
        "#2a2f38", "#f0717b", "#8fc97a", "#e5bf6b", "#6cb2f2", "#cf8be0", "#5cc5cf", "#c3c9d3", "#6a7280",
        "#ff8b94", "#a8e08f", "#f5d58a", "#8cc6ff", "#e0a6ee", "#7fdde6", "#ffffff",
    ],
};

pub const LIGHT: Palette = Palette {
    foreground: "#23272e",
    background: "#fbfbf9",
    named: [
        "#23272e", "#b3261e", "#2a7a26", "#8a6100", "#1d5fb0", "#8d2fa0", "#0f707a", "#5d6570", "#7c838e",
        "#d0342c", "#35912f", "#a47400", "#2b77d3", "#a648b9", "#158994", "#ffffff",
    ],
};

impl Palette {
    /// As a picture names it; `unset` where none is set.
    pub fn colour(&self, colour: Color, unset: &str) -> String {
        match colour {
            Color::Default => unset.to_owned(),
            Color::Idx(index @ 0..16) => self.named[usize::from(index)].to_owned(),
            // The cube of six steps a side, then the greys.
            Color::Idx(index @ 16..232) => {
                let step = |place: u8| match (index - 16) / place % 6 {
                    0 => 0,
                    steps => 55 + 40 * steps,
                };
                hexadecimal(step(36), step(6), step(1))
            }
            Color::Idx(index) => {
                let grey = 8 + 10 * (index - 232);
                hexadecimal(grey, grey, grey)
            }
            Color::Rgb(red, green, blue) => hexadecimal(red, green, blue),
        }
    }
}

fn hexadecimal(red: u8, green: u8, blue: u8) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}
