//! The findings of the exactness check: a list for people, an object for scripts.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Check;
use super::found::{Compared, Drawn};
use super::plan::sampling_name;
use crate::cli::printer::tame;
use crate::exact::{Floor, Judgement, NOISE_FACTOR, Test, test};
use crate::experiment::{Cell, Gap, Standing};
use crate::llama::build_info;
use crate::token::TokenId;

/// Differences listed for people; the JSON has all.
const LISTED: usize = 10;

/// The tests of a place: its own, and that of the place after a guess.
fn tests(drawn: &Drawn, floor: f64) -> impl Iterator<Item = (Option<TokenId>, &[Cell], Test)> {
    let second = drawn.tally.second.as_ref().map(|(after, cells)| (Some(*after), cells.as_slice()));
    let both = std::iter::once((None, drawn.tally.first.as_slice())).chain(second);
    both.map(move |(after, cells)| (after, cells, test(cells, NOISE_FACTOR * floor)))
}

fn floor(check: &Check<'_>) -> f64 {
    check.found.floor().map_or(0.0, |floor| floor.floor)
}

/// The list for people, the verdict its last line.
pub fn list(check: &Check<'_>, judgement: &Judgement) -> String {
    let mut text = String::new();
    table(check, &mut text);
    let floor = floor(check);
    let differing = check.found.compared.iter().filter(|compared| compared.difference.is_some());
    for compared in differing.clone().take(LISTED) {
        let _ = writeln!(text, "{}", difference_line(check, compared));
    }
    if differing.clone().count() > LISTED {
        let _ = writeln!(text, "… and {} more differences (--json)", differing.count() - LISTED);
    }
    for drawn in &check.found.drawn {
        for (after, _, test) in tests(drawn, floor) {
            let place = drawn.place + usize::from(after.is_some());
            let note =
                if drawn.tally.tested > 0 { "" } else { "; without a single guess, so it does not count" };
            let _ = writeln!(text, "{}, token {place}: {}{note}", drawn.kind, test_line(&test));
        }
    }
    let _ = writeln!(text, "{}", rows_line(check));
    let _ = writeln!(text, "{}", verdict_line(check, judgement));
    text
}

/// Whether the rows of scores are those of plain replies, bit for bit.
fn rows_line(check: &Check<'_>) -> String {
    let rows = check.found.rows();
    let head = format!("identical logits: {} of {} rows", rows.compared - rows.differing, rows.compared);
    let head = format!("{head} in {} rounds", rounds(check));
    match (check.found.rows_promised, rows.differing) {
        (true, _) => format!("{head}; with our kernels all must be"),
        (false, 0) => head,
        (false, _) => format!("{head}; the others differ by the noise of batches (not so with --kernels on)"),
    }
}

/// Rounds of all replies with the drafter.
fn rounds(check: &Check<'_>) -> u32 {
    check.found.compared.iter().map(|compared| compared.rounds).sum()
}

fn verdict_line(check: &Check<'_>, judgement: &Judgement) -> String {
    if check.found.incomplete {
        format!("incomplete, interrupted; so far {}", judgement.line)
    } else {
        judgement.line.clone()
    }
}

/// Equal texts of each kind and draft length, with the noise along the kind.
fn table(check: &Check<'_>, text: &mut String) {
    let width =
        check.plan.prompts.iter().map(|prompt| prompt.kind.chars().count()).max().unwrap_or(0).max(12);
    let _ = write!(text, "{:<width$}", "equal texts");
    for (setting, _) in &check.plan.settings {
        let _ = write!(text, "{setting:>8}");
    }
    let _ = writeln!(text, "{:>15}", "largest noise");
    for prompt in &check.plan.prompts {
        let _ = write!(text, "{:<width$}", prompt.kind);
        for (setting, _) in &check.plan.settings {
            let here = check.found.compared.iter();
            let here: Vec<&Compared> =
                here.filter(|it| it.kind == prompt.kind && it.setting == *setting).collect();
            let equal = here.iter().filter(|it| it.difference.is_none()).count();
            let _ = write!(text, "{:>8}", format!("{equal}/{}", here.len()));
        }
        let noise = check.found.noise.iter().find(|(kind, _)| *kind == prompt.kind);
        let _ = match noise.and_then(|(_, noise)| Floor::over(&noise.places)) {
            Some(floor) => writeln!(text, "{:>15.4}", floor.largest),
            None => writeln!(text, "{:>15}", "-"),
        };
    }
    // Equal texts prove nothing where nothing was guessed.
    let _ = write!(text, "{:<width$}", "guesses");
    for (setting, _) in &check.plan.settings {
        let here = check.found.compared.iter().filter(|it| it.setting == *setting);
        let _ = write!(text, "{:>8}", here.map(|it| it.tested).sum::<u32>());
    }
    text.push('\n');
}

fn difference_line(check: &Check<'_>, compared: &Compared) -> String {
    let Some((difference, gap)) = &compared.difference else { return String::new() };
    let at = difference.at;
    let head = format!("{}, {}, draft {}: token {at}", compared.kind, compared.sampling, compared.setting);
    let Some(gap) = gap else { return format!("{head} differs, not measured") };
    let edge =
        if gap.ours.kept && gap.theirs.kept { "" } else { ", at the edge of what is left to draw from" };
    let judged = if check.found.is_near_tie(compared, gap) { "a near tie" } else { "no near tie" };
    format!(
        "{head} is {:?} instead of {:?}: gap {:.4}{edge}; noise of {:.4} would turn it: {judged}",
        tame(&gap.theirs.text),
        tame(&gap.ours.text),
        gap.ours.score - gap.theirs.score,
        gap.ours.distance.max(gap.theirs.distance),
    )
}

fn test_line(test: &Test) -> String {
    let mut line = format!("{} draws", test.draws);
    let _ = match test.p {
        Some(p) if p < 0.001 => write!(line, ", {} cells, p {p:.0e}", test.cells),
        Some(p) => write!(line, ", {} cells, p {p:.3}", test.cells),
        None => write!(line, ", too few that differ to compare"),
    };
    if test.at_an_edge > 0 {
        let _ = write!(line, "; {} more at an edge of what is left to draw from", test.at_an_edge);
    }
    if test.impossible > 0 {
        let _ = write!(line, "; {} of tokens that cannot be drawn", test.impossible);
    }
    line
}

/// The object of `bench --exact --json`.
pub fn object(check: &Check<'_>, judgement: &Judgement) -> Value {
    let (found, ready) = (&check.found, check.conversation.ready());
    let evidence = found.evidence();
    let floor_value = floor(check);
    let sampling = &check.settings.sampling;
    let distribution: Vec<Value> = found
        .drawn
        .iter()
        .flat_map(|drawn| {
            tests(drawn, floor_value).map(|(after, cells, test)| distribution(drawn, after, cells, &test))
        })
        .collect();
    json!({
        "verdict": if found.incomplete { "incomplete" } else { judgement.verdict.name() },
        "summary": verdict_line(check, judgement),
        "model": ready.model,
        "drafter": ready.drafter,
        "draft_kind": ready.draft_kind,
        "drafter_failed": found.drafter_failed,
        "version": env!("CARGO_PKG_VERSION"),
        "llama_build": build_info(),
        "threads": check.settings.engine.threads,
        "threads_batch": check.settings.engine.threads_batch,
        "max_tokens": check.plan.max_tokens,
        "kinds": check.plan.prompts.iter().map(|prompt| prompt.kind.clone()).collect::<Vec<_>>(),
        "drafts": check.plan.settings.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(),
        "draws": check.plan.samplings.iter().map(sampling_name).collect::<Vec<_>>(),
        "sampling": {
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
        },
        "texts": {
            "compared": evidence.texts,
            "equal": evidence.texts - evidence.near_ties - evidence.different,
            "near_ties": evidence.near_ties,
            "different": evidence.different,
        },
        "identical_logits": {
            "promised": evidence.rows_promised,
            "rounds": rounds(check),
            "rows": evidence.rows.compared,
            "differing": evidence.rows.differing,
        },
        "draft_n": evidence.tested,
        "draft_n_accepted": found.compared.iter().map(|compared| compared.accepted).sum::<u32>(),
        "noise": found.floor().map(|floor| json!({
            "floor": floor.floor,
            "median": floor.median,
            "largest": floor.largest,
            "places": floor.places,
            "widths": check.plan.widths(),
            "factor": NOISE_FACTOR,
            "prompt": found.prompt_noise(),
        })),
        "replies": found.compared.iter().map(|compared| reply(check, compared)).collect::<Vec<_>>(),
        "distribution": { "smallest_p": judgement.smallest_p, "tests": distribution },
    })
}

fn reply(check: &Check<'_>, compared: &Compared) -> Value {
    json!({
        "kind": compared.kind,
        "draw": compared.sampling,
        "draft": compared.setting,
        "predicted_n": compared.tokens,
        "draft_n": compared.tested,
        "draft_n_accepted": compared.accepted,
        "equal": compared.difference.is_none(),
        "rows": compared.rows.compared,
        "rows_differing": compared.rows.differing,
        "first_row_differing": compared.rows.first,
        "difference": compared.difference.as_ref().map(|(difference, gap)| json!({
            "at": difference.at,
            "plain": difference.ours.map(|token| token.0),
            "drafted": difference.theirs.map(|token| token.0),
            "measured": gap.as_ref().map(|gap| measured(gap, check.found.is_near_tie(compared, gap))),
        })),
    })
}

fn measured(gap: &Gap, near_tie: bool) -> Value {
    let standing = |standing: &Standing| {
        json!({
            "token": standing.token.0,
            "text": standing.text,
            "score": standing.score,
            "kept": standing.kept,
            "noise_needed": standing.distance,
        })
    };
    json!({
        "plain": standing(&gap.ours),
        "drafted": standing(&gap.theirs),
        "gap": gap.ours.score - gap.theirs.score,
        "noise_needed": gap.ours.distance.max(gap.theirs.distance),
        "noise_here": gap.spread,
        "near_tie": near_tie,
    })
}

fn distribution(drawn: &Drawn, after: Option<TokenId>, cells: &[Cell], test: &Test) -> Value {
    let cells: Vec<Value> = cells
        .iter()
        .map(|cell| json!({ "token": cell.token.0, "probability": cell.probability, "drawn": cell.drawn }))
        .collect();
    json!({
        "kind": drawn.kind,
        "at": drawn.place + usize::from(after.is_some()),
        "after_accepted": after.map(|token| token.0),
        "rounds": drawn.tally.draws,
        "draft_n": drawn.tally.tested,
        "draft_n_accepted": drawn.tally.accepted,
        "draws": test.draws,
        "at_an_edge": test.at_an_edge,
        "impossible": test.impossible,
        "compared_cells": test.cells,
        "statistic": test.statistic,
        "p": test.p,
        "cells": cells,
    })
}
