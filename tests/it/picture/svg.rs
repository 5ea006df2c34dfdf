//! A terminal's screen as an SVG picture: what its cells hold, at fixed places.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vt100::{Cell, Color, Screen};

use super::palette::Palette;
use super::shapes::{Rectangle, rectangles};

/// A cell, in pixels: whole ones, so that neighbours meet.
pub const CELL: (u32, u32) = (9, 19);
/// Around the screen.
pub const MARGIN: u32 = 14;
/// From a row's top to the line that letters stand on.
pub const BASELINE: u32 = 14;
const FONT: &str =
    "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace";

/// The picture; `title` is for those who cannot see it.
pub fn draw(screen: &Screen, palette: &Palette, title: &str) -> String {
    let (rows, columns) = screen.size();
    let mut picture = Picture::default();
    for row in 0..rows {
        for column in 0..columns {
            if let Some(cell) = screen.cell(row, column) {
                picture.add(cell, u32::from(column), u32::from(row), palette);
            }
        }
        picture.end_run();
    }
    if !screen.hide_cursor() {
        let (row, column) = screen.cursor_position();
        let (x, y) = (u32::from(column) * CELL.0, u32::from(row) * CELL.1);
        let bar = Rectangle { x: f64::from(x), y: f64::from(y), width: 2.0, height: f64::from(CELL.1) };
        picture.fill(palette.foreground, false, bar);
    }
    picture.svg(u32::from(columns), u32::from(rows), palette, title)
}

/// How letters are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Look {
    colour: String,
    bold: bool,
    dim: bool,
    italic: bool,
}

/// Letters of one look that stand side by side.
struct Run {
    row: u32,
    column: u32,
    columns: u32,
    look: Look,
    text: String,
}

#[derive(Default)]
struct Picture {
    backgrounds: BTreeMap<String, Vec<Rectangle>>,
    runs: Vec<Run>,
    run: Option<Run>,
    /// What is filled, by colour and whether it is dim.
    shapes: BTreeMap<(String, bool), Vec<Rectangle>>,
}

impl Picture {
    fn add(&mut self, cell: &Cell, column: u32, row: u32, palette: &Palette) {
        if cell.is_wide_continuation() {
            return;
        }
        let columns = if cell.is_wide() { 2 } else { 1 };
        let (x, y) = (f64::from(column * CELL.0), f64::from(row * CELL.1));
        let (width, height) = (f64::from(columns * CELL.0), f64::from(CELL.1));
        let mut colour = palette.colour(cell.fgcolor(), palette.foreground);
        let mut background = palette.colour(cell.bgcolor(), palette.background);
        if cell.inverse() {
            std::mem::swap(&mut colour, &mut background);
        }
        if cell.inverse() || cell.bgcolor() != Color::Default {
            push(self.backgrounds.entry(background).or_default(), Rectangle { x, y, width, height });
        }
        if cell.underline() {
            let y = y + f64::from(BASELINE + 2);
            self.fill(&colour, cell.dim(), Rectangle { x, y, width, height: 1.0 });
        }
        let symbol = cell.contents();
        if let Some(rectangles) = rectangles(symbol) {
            self.end_run();
            for shape in rectangles {
                let shape = Rectangle { x: x + shape.x, y: y + shape.y, ..shape };
                self.fill(&colour, cell.dim(), shape);
            }
        } else if symbol.trim().is_empty() {
            self.space();
        } else {
            let look = Look { colour, bold: cell.bold(), dim: cell.dim(), italic: cell.italic() };
            self.write(Run { row, column, columns, look, text: symbol.to_owned() });
        }
    }

    fn fill(&mut self, colour: &str, dim: bool, shape: Rectangle) {
        push(self.shapes.entry((colour.to_owned(), dim)).or_default(), shape);
    }

    fn write(&mut self, letter: Run) {
        // Where a font lacks a letter, another one's is as wide as it likes: it stands alone. Latin ones never lack.
        let alone = letter.columns > 1 || letter.text.chars().any(|c| c >= '\u{100}');
        match &mut self.run {
            Some(run) if !alone && run.look == letter.look => {
                run.text.push_str(&letter.text);
                run.columns += letter.columns;
            }
            _ => {
                self.end_run();
                self.run = Some(letter);
            }
        }
        if alone {
            self.end_run();
        }
    }

    /// An empty cell belongs to the run if letters follow it; two end it.
    fn space(&mut self) {
        match &mut self.run {
            Some(run) if !run.text.ends_with(' ') => {
                run.text.push(' ');
                run.columns += 1;
            }
            _ => self.end_run(),
        }
    }

    fn end_run(&mut self) {
        if let Some(mut run) = self.run.take() {
            if run.text.ends_with(' ') {
                run.text.pop();
                run.columns -= 1;
            }
            self.runs.push(run);
        }
    }

    fn svg(&self, columns: u32, rows: u32, palette: &Palette, title: &str) -> String {
        let (width, height) = (columns * CELL.0 + 2 * MARGIN, rows * CELL.1 + 2 * MARGIN);
        let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
        let colours = self.runs.iter().map(|run| &run.look.colour).chain(self.backgrounds.keys());
        for colour in colours.chain(self.shapes.keys().map(|(colour, _)| colour)) {
            let number = classes.len();
            classes.entry(colour).or_insert(number);
        }
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
             {height}\" role=\"img\" font-family=\"{FONT}\" font-size=\"15\">\n<title>{}</title>\n<style>text{{white-space:\
             pre}}.b{{font-weight:700}}.d{{opacity:.6}}.i{{font-style:italic}}",
            escaped(title)
        );
        for (colour, number) in &classes {
            let _ = write!(svg, ".c{number}{{fill:{colour}}}");
        }
        let _ = write!(
            svg,
            "</style>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"{}\"/>\n<g transform=\"translate({MARGIN} \
             {MARGIN})\">\n",
            palette.background
        );
        let filled = |class: String, shapes: &[Rectangle]| {
            let path: String = shapes.iter().map(Rectangle::path).collect();
            format!("<path class=\"{class}\" d=\"{path}\"/>\n")
        };
        for (colour, shapes) in &self.backgrounds {
            svg.push_str(&filled(format!("c{}", classes[colour.as_str()]), shapes));
        }
        for ((colour, dim), shapes) in &self.shapes {
            let dim = if *dim { " d" } else { "" };
            svg.push_str(&filled(format!("c{}{dim}", classes[colour.as_str()]), shapes));
        }
        for run in &self.runs {
            svg.push_str(&run.svg(classes[run.look.colour.as_str()]));
        }
        svg.push_str("</g>\n</svg>\n");
        svg
    }
}

impl Run {
    fn svg(&self, colour: usize) -> String {
        let mut class = format!("c{colour}");
        for (is_so, name) in [(self.look.bold, " b"), (self.look.dim, " d"), (self.look.italic, " i")] {
            if is_so {
                class.push_str(name);
            }
        }
        // Whatever font is there, the run is as wide as its cells.
        let length = match self.columns {
            1 => String::new(),
            columns if self.text.chars().count() > 1 => format!(" textLength=\"{}\"", columns * CELL.0),
            _ => String::new(),
        };
        let (x, y) = (self.column * CELL.0, self.row * CELL.1 + BASELINE);
        format!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{length}>{}</text>\n", escaped(&self.text))
    }
}

/// Adds a rectangle; one that goes on where the last one ends makes that longer.
fn push(all: &mut Vec<Rectangle>, next: Rectangle) {
    if !all.last_mut().is_some_and(|last| last.join(next)) {
        all.push(next);
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
