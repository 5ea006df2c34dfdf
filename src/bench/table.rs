//! Tables of a benchmark: for people, for documents, for spreadsheets.

use std::fmt::Write as _;

use super::{Overall, Row, Run, Setting, Spread, overall};

fn spread(spread: Spread) -> String {
    format!("{:.2} ({:.2}–{:.2})", spread.median, spread.least, spread.most)
}

fn speed(spread: Spread) -> String {
    // Three figures, whatever the machine.
    let places = if spread.median >= 100.0 { 0 } else { 1 };
    format!("{:.places$} ({:.places$}–{:.places$})", spread.median, spread.least, spread.most)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.0} %", share * 100.0))
}

/// Acceptance by place, e.g. `.85 .71 .55`.
fn by_place(row: &Row) -> String {
    let share = |(tested, accepted): (&u32, &u32)| f64::from(*accepted) / f64::from((*tested).max(1));
    let shares = row.tested.iter().zip(&row.accepted).map(share);
    shares.map(|share| format!("{share:.2}").trim_start_matches('0').to_owned()).collect::<Vec<_>>().join(" ")
}

const HEADINGS: [&str; 8] =
    ["text", "guesses", "t/s", "× plain", "of best fixed", "accepted", "by place", "per round"];

fn cells(row: &Row, kinds: &[String]) -> [String; 8] {
    let optional = |value: Option<Spread>| value.map_or_else(String::new, spread);
    [
        kinds.get(row.kind).cloned().unwrap_or_default(),
        row.setting.name(),
        speed(row.per_second),
        optional(row.ratio),
        optional(row.of_best_fixed),
        percent(row.accepted_share()),
        by_place(row),
        if row.tested.is_empty() { String::new() } else { format!("{:.2}", row.length) },
    ]
}

/// For a terminal: aligned columns, a kind's name once, and what it comes to.
#[must_use]
pub fn text(rows: &[Row], kinds: &[String]) -> String {
    let width = |text: &str| text.chars().count();
    let lines: Vec<[String; 8]> = rows.iter().map(|row| cells(row, kinds)).collect();
    let widths: Vec<usize> = (0..HEADINGS.len())
        .map(|column| {
            let cells = lines.iter().map(|line| width(&line[column]));
            cells.chain([width(HEADINGS[column])]).max().unwrap_or(0)
        })
        .collect();
    let mut table = String::new();
    let mut put = |cells: &[&str]| {
        let mut line = String::new();
        for (cell, wanted) in cells.iter().zip(&widths) {
            let _ = write!(line, "{cell}{:fill$}  ", "", fill = wanted - width(cell));
        }
        let _ = writeln!(table, "{}", line.trim_end());
    };
    put(&HEADINGS);
    let mut before = "";
    for line in &lines {
        let mut cells: Vec<&str> = line.iter().map(String::as_str).collect();
        if line[0] == before {
            cells[0] = "";
        }
        before = &line[0];
        put(&cells);
    }
    for each in overall(rows) {
        let _ = write!(table, "\n{}", sentence(&each, kinds));
    }
    table.push('\n');
    table
}

fn sentence(overall: &Overall, kinds: &[String]) -> String {
    let kind = |index: usize| kinds.get(index).map_or("", String::as_str);
    let name = match overall.setting {
        Setting::Fixed(1) => "1 guess".to_owned(),
        Setting::Fixed(length) => format!("{length} guesses"),
        other => other.name(),
    };
    let (least, where_least) = overall.least;
    let mut sentence =
        format!("{name}: ×{:.2} of plain (least ×{least:.2}: {})", overall.ratio, kind(where_least));
    if let Some((least, where_least)) = overall.of_best_fixed {
        let _ = write!(sentence, ", at least {least:.2} of the best fixed length ({})", kind(where_least));
    }
    sentence
}

/// For documents.
#[must_use]
pub fn markdown(rows: &[Row], kinds: &[String]) -> String {
    let mut table = format!("| {} |\n|---|---:|---:|---:|---:|---:|---|---:|\n", HEADINGS.join(" | "));
    for row in rows {
        let _ = writeln!(table, "| {} |", cells(row, kinds).map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    for each in overall(rows) {
        let _ = write!(table, "\n{}  ", sentence(&each, kinds));
    }
    table.push('\n');
    table
}

/// For spreadsheets: one line for each run, as it was measured.
#[must_use]
pub fn csv(runs: &[Run], kinds: &[String]) -> String {
    let mut lines = "kind,setting,repeat,predicted_n,predicted_per_second,draft_rounds,tested_by_position,\
                     accepted_by_position,own_ms,same_text\n"
        .to_owned();
    let counts = |counts: &[u32]| counts.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
    for run in runs {
        let kind = kinds.get(run.kind).map_or("", String::as_str);
        let quoted = format!("\"{}\"", kind.replace('"', "\"\""));
        let _ = writeln!(
            lines,
            "{},{},{},{},{:.3},{},{},{},{:.3},{}",
            if kind.contains([',', '"', '\n']) { &quoted } else { kind },
            run.setting.name(),
            run.repeat + 1,
            run.tokens,
            run.per_second,
            run.rounds,
            counts(&run.tested),
            counts(&run.accepted),
            run.own_seconds * 1000.0,
            run.same_text.map_or("", |same| if same { "yes" } else { "no" }),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::rows;

    fn runs() -> Vec<Run> {
        let run = |setting, per_second, tested: &[u32], accepted: &[u32]| Run {
            kind: 0,
            setting,
            repeat: 0,
            tokens: 20,
            per_second,
            rounds: 10,
            tested: tested.to_vec(),
            accepted: accepted.to_vec(),
            own_seconds: 0.001,
            same_text: (setting != Setting::Plain).then_some(true),
            state: None,
        };
        vec![
            run(Setting::Plain, 100.0, &[], &[]),
            run(Setting::Fixed(2), 125.0, &[10, 8], &[8, 4]),
            run(Setting::Auto, 130.0, &[10, 8], &[9, 4]),
        ]
    }

    #[test]
    fn the_table_is_read_line_by_line() {
        let kinds = ["code".to_owned()];
        let expected = "\
text  guesses  t/s            × plain           of best fixed     accepted  by place  per round
code  plain    100 (100–100)
      2        125 (125–125)  1.25 (1.25–1.25)                    67 %      .80 .50   2.00
      auto     130 (130–130)  1.30 (1.30–1.30)  1.04 (1.04–1.04)  72 %      .90 .50   2.00

2 guesses: ×1.25 of plain (least ×1.25: code)
auto: ×1.30 of plain (least ×1.30: code), at least 1.04 of the best fixed length (code)
";
        assert_eq!(text(&rows(&runs()), &kinds), expected);
        let document = markdown(&rows(&runs()), &kinds);
        assert!(document.contains("| code | auto | 130 (130–130) | 1.30 (1.30–1.30) |"), "{document}");
    }

    #[test]
    fn csv_has_a_line_a_run_and_quotes_what_it_must() {
        let lines = csv(&runs(), &["a, \"b\"".to_owned()]);
        assert_eq!(lines.lines().count(), 4);
        assert_eq!(lines.lines().nth(2), Some("\"a, \"\"b\"\"\",2,1,20,125.000,10,10 8,8 4,1.000,yes"));
    }
}
