//! The token view: each token in the colour of its origin, accepted guesses underlined as well, rejected ones in
//! brackets and struck through.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::tui::app::State;
use crate::tui::theme::Theme;
use crate::tui::tokens::{Kind, Piece};
use crate::tui::view::transcript::inner;

/// Where the tokens go, below the line that tells what the marks mean.
#[must_use]
pub fn rows(area: Rect) -> Rect {
    let area = inner(area);
    let legend = u16::from(area.height > 2);
    Rect { y: area.y + legend, height: area.height - legend, ..area }
}

/// Draws the rows in view.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let below = rows(area);
    if below.height < area.height {
        let mut legend = vec![
            Span::styled("accepted guess", theme.token(Kind::Accepted)),
            Span::raw(" "),
            Span::styled("the target's own", theme.token(Kind::Own)),
        ];
        if state.tokens.rejected {
            legend.push(Span::raw(" "));
            legend.push(Span::styled("[rejected guess]", theme.token(Kind::Rejected)));
        }
        frame.render_widget(Line::from(legend), Rect { height: 1, ..inner(area) });
    }
    for (y, row) in (below.top()..below.bottom()).zip(state.tokens.visible()) {
        let spans: Vec<Span<'_>> = row.iter().flat_map(|piece| spans(piece, theme)).collect();
        frame.render_widget(Line::from(spans), Rect { y, height: 1, ..below });
    }
}

/// The space that a token begins with is not underlined, so that one sees where tokens begin.
fn spans(piece: &Piece, theme: Theme) -> [Span<'_>; 2] {
    let style = theme.token(piece.kind);
    match (piece.kind, piece.text.strip_prefix(' ')) {
        (Kind::Accepted, Some(rest)) => {
            let bare = style.remove_modifier(ratatui::style::Modifier::UNDERLINED);
            [Span::styled(" ", bare), Span::styled(rest, style)]
        }
        _ => [Span::styled(piece.text.as_str(), style), Span::raw("")],
    }
}
