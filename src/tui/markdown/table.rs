//! Tables that fit: columns are as wide as their words where there is room, share it where there is not,
//! and become a list of `head: cell` lines where even that would be unreadable.

use pulldown_cmark::Alignment;

use super::layout::Page;
use super::parse::Table;
use super::row::{FRAME, Look, Row};
use crate::tui::text::{pieces, width};

/// Between two columns.
const BETWEEN: &str = " │ ";
/// Columns of it.
const GUTTER: usize = 3;
/// A column is at least this wide, unless its words are narrower.
const LEAST: usize = 6;

/// Lays a table out.
pub(super) fn lay(page: &mut Page, table: &Table) {
    let count = table.alignments.len();
    if count == 0 || table.rows.is_empty() {
        return;
    }
    let gutters = GUTTER * (count - 1);
    let wanted: Vec<usize> = (0..count).map(|column| widest(table, column)).collect();
    match share(&wanted, page.width().saturating_sub(gutters)) {
        Some(widths) => grid(page, table, &widths),
        None => records(page, table),
    }
}

/// Columns of the widest line in a column, one at least.
fn widest(table: &Table, column: usize) -> usize {
    let lines = table.rows.iter().flat_map(|row| row[column].text().split('\n'));
    lines.map(width).max().unwrap_or(0).max(1)
}

/// Shares `room` among columns that want so much: who wants less than an equal share gets it, the others
/// share the rest. `None` where that leaves too little.
fn share(wanted: &[usize], room: usize) -> Option<Vec<usize>> {
    let mut widths = vec![0; wanted.len()];
    let mut open: Vec<usize> = (0..wanted.len()).collect();
    let mut left = room;
    loop {
        if open.is_empty() {
            return Some(widths);
        }
        let equal = left / open.len();
        let (modest, greedy): (Vec<usize>, Vec<usize>) =
            open.iter().partition(|column| wanted[**column] <= equal);
        if modest.is_empty() {
            // All want more than their share; what does not divide goes to the first.
            let mut over = left % greedy.len();
            for column in greedy {
                widths[column] = equal + usize::from(over > 0);
                over = over.saturating_sub(1);
            }
            return (equal >= LEAST).then_some(widths);
        }
        for column in &modest {
            widths[*column] = wanted[*column];
            left -= wanted[*column];
        }
        open = greedy;
    }
}

/// The table as a grid. A rule between the rows where a cell takes several lines.
fn grid(page: &mut Page, table: &Table, widths: &[usize]) {
    let cut: Vec<Vec<Vec<Row>>> = table
        .rows
        .iter()
        .map(|row| row.iter().zip(widths).map(|(cell, columns)| lines(cell, *columns)).collect())
        .collect();
    let tall = cut.iter().skip(1).flatten().any(|cell| cell.len() > 1);
    for (number, cells) in cut.iter().enumerate() {
        if number == 1 || (number > 1 && tall) {
            rule(page, widths);
        }
        let height = cells.iter().map(Vec::len).max().unwrap_or(1);
        for line in 0..height {
            let mut row = Row::default();
            for (column, cell) in cells.iter().enumerate() {
                if column > 0 {
                    row.push(BETWEEN, FRAME);
                }
                let last = column + 1 == cells.len();
                place(&mut row, cell.get(line), widths[column], table.alignments[column], number == 0, last);
            }
            page.row(&row);
        }
    }
    if cut.len() == 1 {
        rule(page, widths);
    }
}

/// One line of a cell, aligned.
fn place(row: &mut Row, words: Option<&Row>, columns: usize, alignment: Alignment, head: bool, last: bool) {
    let empty = Row::default();
    let words = words.unwrap_or(&empty);
    let space = columns.saturating_sub(words.width());
    let (before, after) = match alignment {
        Alignment::Right => (space, 0),
        Alignment::Center => (space / 2, space - space / 2),
        Alignment::Left | Alignment::None => (0, space),
    };
    row.push(&" ".repeat(before), Look::default());
    for (part, look) in words.parts() {
        row.push(&words.text()[part], Look { bold: look.bold || head, ..look });
    }
    if !last {
        row.push(&" ".repeat(after), Look::default());
    }
}

fn rule(page: &mut Page, widths: &[usize]) {
    let lines: Vec<String> = widths.iter().map(|columns| "─".repeat(*columns)).collect();
    page.row(&Row::of(&lines.join("─┼─"), FRAME));
}

/// Every row as lines of `head: cell`.
fn records(page: &mut Page, table: &Table) {
    let (head, rows) = table.rows.split_at(1);
    for (number, cells) in rows.iter().enumerate() {
        if number > 0 {
            rule(page, &[page.width()]);
        }
        for (name, cell) in head[0].iter().zip(cells) {
            let mut words = Row::default();
            for (part, look) in name.parts() {
                words.push(&name.text()[part], Look { bold: true, ..look });
            }
            words.push(if name.is_empty() { "" } else { ": " }, Look { bold: true, ..Look::default() });
            words.push_part(cell, 0..cell.text().len());
            for line in lines(&words, page.width()) {
                page.row(&line);
            }
        }
    }
    if rows.is_empty() {
        let width = page.width();
        head[0].iter().flat_map(|name| lines(name, width)).for_each(|line| {
            page.row(&line);
        });
    }
}

/// A cell cut into lines.
fn lines(cell: &Row, columns: usize) -> Vec<Row> {
    let mut out = Vec::new();
    for line in cell.lines() {
        for piece in pieces(line.text(), columns) {
            let mut row = Row::default();
            row.push_part(&line, piece);
            out.push(row);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::parse::{Block, parse};
    use super::*;

    fn rows(source: &str, columns: usize) -> Vec<String> {
        let mut page = Page::new(columns);
        match &parse(source)[0].block {
            Block::Table(table) => lay(&mut page, table),
            other => panic!("{other:?}"),
        }
        for row in &page.rows {
            assert!(row.width() <= columns, "{row:?} at {columns}");
        }
        page.rows.iter().map(|row| row.text().trim_end().to_string()).collect()
    }

    const TABLE: &str =
        "| name | what it is | n |\n|:--|:-:|--:|\n| cat | animal | 3 |\n| 日本 | a *far* land | 12 |\n";

    #[test]
    fn columns_are_as_wide_as_their_words() {
        assert_eq!(
            rows(TABLE, 60),
            [
                "name │ what it is │  n",
                "─────┼────────────┼───",
                "cat  │   animal   │  3",
                "日本 │ a far land │ 12",
            ]
        );
    }

    #[test]
    fn long_cells_are_cut_and_rows_ruled() {
        let source = "| key | text |\n|-|-|\n| a | one two three four |\n| b | five<br>six |\n";
        assert_eq!(
            rows(source, 19),
            [
                "key │ text",
                "────┼──────────────",
                "a   │ one two three",
                "    │ four",
                "────┼──────────────",
                "b   │ five",
                "    │ six",
            ]
        );
    }

    #[test]
    fn too_many_columns_become_records() {
        let source = "| first | second | third |\n|-|-|-|\n| 1 word | 2 words | 3 words |\n| a | b | c |\n";
        assert_eq!(
            rows(source, 16),
            [
                "first: 1 word",
                "second: 2 words",
                "third: 3 words",
                "────────────────",
                "first: a",
                "second: b",
                "third: c"
            ]
        );
    }

    #[test]
    fn room_is_shared() {
        assert_eq!(share(&[4, 30, 30], 44), Some(vec![4, 20, 20]));
        assert_eq!(share(&[4, 10, 90], 44), Some(vec![4, 10, 30]));
        assert_eq!(share(&[90, 90], 21), Some(vec![11, 10]));
        assert_eq!(share(&[90, 90], 10), None);
        assert_eq!(share(&[1, 1], 10), Some(vec![1, 1]));
    }
}
