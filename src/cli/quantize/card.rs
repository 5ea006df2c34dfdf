//! The card beside a new pair: what the files are, and what they are worth, as measured.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value as Json, json};

use super::check::{Checked, GUESSES};
use super::report::lattice_words;
use crate::gguf::printable;
use crate::llama::build_info;
use crate::models::human_bytes;

/// All of it.
pub(super) struct Card {
    /// The target: as `slipstream quantize --json` tells of it, and its classes of tensors.
    pub target: Json,
    /// Its drafter.
    pub drafter: Json,
    /// The importance matrix.
    pub imatrix: Option<PathBuf>,
    /// Where the two do not come from one training.
    pub lineage: Option<String>,
    /// What was measured.
    pub checked: Option<Checked>,
}

/// For a program.
pub(super) fn object(card: &Card) -> Json {
    json!({
        "target": card.target,
        "drafter": card.drafter,
        "imatrix": card.imatrix,
        "lineage": card.lineage,
        "measured": card.checked.as_ref().map(measured),
        "version": env!("CARGO_PKG_VERSION"),
        "llama_build": build_info(),
    })
}

fn measured(checked: &Checked) -> Json {
    let quality = checked.quality.as_ref().ok().map(|quality| {
        let found = &quality.divergence;
        json!({
            "reference": quality.reference, "places": found.places(), "kld_mean": found.mean(),
            "kld_standard_error": found.standard_error(), "kld_99": found.quantile(0.99),
            "kld_max": found.quantile(1.0), "same_top": found.same_top_share(),
        })
    });
    json!({
        "processor": checked.processor, "threads": checked.threads, "memory_bytes": checked.memory_bytes,
        "plain_per_second": checked.plain_per_second, "predicted_per_second": checked.draft_per_second,
        "gain": gain(checked), "draft_length": GUESSES, "tested_by_position": checked.tested,
        "accepted_by_position": checked.accepted, "accept_len": checked.length,
        "same_text_n": checked.same_text.0, "same_text_of": checked.same_text.1,
        "quality": quality, "quality_reason": checked.quality.as_ref().err(),
    })
}

fn gain(checked: &Checked) -> Option<f64> {
    (checked.plain_per_second > 0.0).then(|| checked.draft_per_second / checked.plain_per_second)
}

/// For a person.
pub(super) fn text(card: &Card) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let _ = write_text(&mut out, card);
    out
}

fn write_text(out: &mut String, card: &Card) -> std::fmt::Result {
    let word = |part: &Json, key: &str| printable(part[key].as_str().unwrap_or_default()).to_string();
    let bytes = |part: &Json| part["bytes"].as_u64().unwrap_or(0);
    writeln!(out, "# {}\n", word(&card.target, "file").trim_end_matches(".gguf"))?;
    writeln!(out, "| file | is | type | size | bits per weight |\n|---|---|---|---|---|")?;
    for (part, role) in [(&card.target, "target"), (&card.drafter, "drafter")] {
        writeln!(
            out,
            "| `{}` | {role} | {} | {:.2} GB ({}) | {:.2} |",
            word(part, "file"),
            word(part, "file_type"),
            bytes(part) as f64 / 1e9,
            human_bytes(bytes(part)),
            part["bits_per_weight"].as_f64().unwrap_or(0.0),
        )?;
    }
    let target = word(&card.target, "file");
    writeln!(out, "\n    slipstream chat {target} -d {}\n", word(&card.drafter, "file"))?;
    if let Some(checked) = &card.checked {
        write_measured(out, checked)?;
    }
    for (part, role) in [(&card.target, "target"), (&card.drafter, "drafter")] {
        writeln!(out, "## Types of the {role}\n\n| tensors | types |\n|---|---|")?;
        let mut plain = 0;
        for class in part["classes"].as_array().into_iter().flatten() {
            let text = |key: &str| class[key].as_str().unwrap_or_default();
            // Norms and scales are of no interest one by one.
            if text("types").ends_with("F32") && !text("types").contains(',') {
                plain += class["tensors"].as_u64().unwrap_or(0);
                continue;
            }
            writeln!(out, "| {} | {} |", printable(text("class")), text("types"))?;
        }
        writeln!(out, "| norms, scales, routers | {plain} x F32 |")?;
        writeln!(out)?;
        for note in part["notes"].as_array().into_iter().flatten().filter_map(Json::as_str) {
            writeln!(out, "* {}", printable(note))?;
        }
        if let Some(words) = lattice_words(&part["lattice"]) {
            writeln!(out, "* {words}")?;
        }
    }
    if let Some(lineage) = &card.lineage {
        writeln!(out, "* {lineage}")?;
    }
    writeln!(out, "\n## Made from\n")?;
    for part in [&card.target, &card.drafter] {
        writeln!(
            out,
            "* `{}`, fingerprint {} (lengths and samples of its files)",
            word(part, "source"),
            word(part, "source_fingerprint")
        )?;
    }
    if let Some(imatrix) = &card.imatrix {
        writeln!(out, "* importance matrix `{}`", printable(&imatrix.to_string_lossy()))?;
    }
    writeln!(out, "* slipstream {}, {}\n", env!("CARGO_PKG_VERSION"), build_info())?;
    writeln!(out, "## SHA-256\n")?;
    for part in [&card.target, &card.drafter] {
        writeln!(out, "    {}  {}", word(part, "sha256"), word(part, "file"))?;
    }
    Ok(())
}

fn write_measured(out: &mut String, checked: &Checked) -> std::fmt::Result {
    writeln!(out, "## Measured\n")?;
    writeln!(
        out,
        "On {} with {} threads, on built-in chat texts ({} replies, greedy). {} of memory.\n",
        printable(&checked.processor),
        checked.threads,
        checked.same_text.1,
        human_bytes(checked.memory_bytes),
    )?;
    writeln!(out, "| | |\n|---|---|")?;
    writeln!(out, "| tokens per second, plain | {:.1} |", checked.plain_per_second)?;
    let gain = gain(checked).map_or_else(|| "…".to_owned(), |gain| format!("{gain:.2}x"));
    writeln!(
        out,
        "| tokens per second, {GUESSES} guesses a round | {:.1} ({gain}) |",
        checked.draft_per_second
    )?;
    let shares = checked.tested.iter().zip(&checked.accepted);
    let shares = shares.map(|(tested, accepted)| {
        format!("{:.0} %", f64::from(*accepted) * 100.0 / f64::from((*tested).max(1)))
    });
    writeln!(out, "| accepted, by place | {} |", shares.collect::<Vec<_>>().join(", "))?;
    writeln!(out, "| tokens per round | {:.2} |", checked.length)?;
    writeln!(
        out,
        "| same text with guesses | {} of {} (`slipstream bench --exact` tells why not) |",
        checked.same_text.0, checked.same_text.1
    )?;
    match &checked.quality {
        Ok(quality) => {
            let found = &quality.divergence;
            let number =
                |value: Option<f64>| value.map_or_else(|| "…".to_owned(), |value| format!("{value:.4}"));
            writeln!(
                out,
                "| mean KL divergence from {} | {} ± {} ({} places) |",
                quality.reference,
                number(found.mean()),
                number(found.standard_error()),
                found.places()
            )?;
            writeln!(out, "| of 99 % of the places at most | {} |", number(found.quantile(0.99)))?;
            let share = found.same_top_share().unwrap_or(0.0) * 100.0;
            writeln!(out, "| same likeliest token | {share:.1} % |")?;
        }
        Err(reason) => writeln!(out, "| KL divergence | not measured: {reason} |")?,
    }
    writeln!(out)
}
