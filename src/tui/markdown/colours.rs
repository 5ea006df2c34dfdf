//! Which rows wait for the colours of their code, and how they get them.

use super::layout::{Listing, Page, Spot};
use super::paint::{self, Canvas};
use super::row::{Kind, Look, Row};

/// The colours of the rows of one text.
#[derive(Debug, Default)]
pub(super) struct Colours {
    /// One for each block of code in rows that are final, in their order.
    settled: Vec<Canvas>,
    /// Final rows that are still plain.
    waiting: Vec<Spot>,
    /// The painter's count when they were looked at last.
    version: u64,
    /// The canvases of rows that are not final, in their order.
    open: Vec<Canvas>,
}

impl Colours {
    /// Code whose lines come one by one, in rows that are final at once. Gives its number.
    pub(super) fn begin(&mut self, language: &str) -> usize {
        self.settled.push(Canvas::new(language));
        self.settled.len() - 1
    }

    /// The canvas that `begin` gave a number.
    pub(super) fn canvas(&mut self, code: usize) -> &mut Canvas {
        &mut self.settled[code]
    }

    /// Rows that are final from now on: `first` is the number of the page's first row.
    pub(super) fn settle(&mut self, page: &mut Page, first: usize) {
        let before = self.settled.len();
        for listing in page.listings.drain(..) {
            let mut canvas = self.take_open(&listing);
            canvas.show(&listing.language, &listing.lines, false);
            self.settled.push(canvas);
        }
        self.wait(page.spots.drain(..).map(|spot| Spot { code: spot.code + before, ..spot }), first);
    }

    /// Spots of final rows, their code numbered as `begin` does.
    pub(super) fn wait(&mut self, spots: impl Iterator<Item = Spot>, first: usize) {
        let plain = |spot: &Spot| !self.settled[spot.code].stays_plain(spot.line);
        self.waiting.extend(spots.filter(plain).map(|spot| Spot { row: spot.row + first, ..spot }));
        // They have not been looked at.
        self.version = u64::MAX;
    }

    /// A canvas of the rows that were not final, if it is of this code: its colours are not lost.
    fn take_open(&mut self, listing: &Listing) -> Canvas {
        let known = self.open.iter().position(|canvas| canvas.begins(&listing.language, &listing.lines));
        known.map(|at| self.open.remove(at)).unwrap_or_default()
    }

    /// Gives the rows of a page that is not final the colours that are known.
    pub(super) fn colour_open(&mut self, page: &mut Page) {
        self.open.resize_with(page.listings.len(), Canvas::default);
        for (canvas, listing) in self.open.iter_mut().zip(&page.listings) {
            canvas.show(&listing.language, &listing.lines, true);
        }
        for spot in std::mem::take(&mut page.spots) {
            let line = &page.listings[spot.code].lines[spot.line];
            colour(&mut page.rows[spot.row], spot, &self.open[spot.code], line);
        }
    }

    /// Gives a final row's growing neighbour its colours.
    pub(super) fn colour_growing(&self, page: &mut Page, code: usize, line: &str) {
        for spot in std::mem::take(&mut page.spots) {
            colour(&mut page.rows[spot.row], spot, &self.settled[code], line);
        }
    }

    /// Gives final rows the colours that have come. Whether any have.
    pub(super) fn colour_settled(&mut self, rows: &mut [Row]) -> bool {
        let version = paint::version();
        if version == self.version || self.waiting.is_empty() {
            return false;
        }
        self.version = version;
        let before = self.waiting.len();
        let settled = &self.settled;
        self.waiting.retain(|spot| {
            let canvas = &settled[spot.code];
            !canvas.stays_plain(spot.line) && !colour(&mut rows[spot.row], *spot, canvas, "")
        });
        self.waiting.len() < before
    }
}

/// Colours the part of a row that shows code; false where its colours are not known yet. `line` is the
/// line's text, for one that still grows.
fn colour(row: &mut Row, spot: Spot, canvas: &Canvas, line: &str) -> bool {
    let Some(runs) = canvas.line(spot.line, line) else { return false };
    let inside = runs.into_iter().filter(|(end, _)| *end > spot.from);
    row.repaint(
        spot.at,
        inside.map(|(end, class)| (end.min(spot.to) - spot.from, Look::of(Kind::Syntax(class)))),
    );
    true
}
