//! A stored result: JSON, checked as any foreign file is.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::spec::{CostRecord, VerifyCost};

/// Raised when fields change their meaning. An older number is read no more: tuning again takes a minute.
const VERSION: u32 = 1;

/// Slowest batch or step that makes sense, in seconds.
const SLOWEST: f64 = 3600.0;
/// Fastest: no batch of any model takes less than a tenth of a microsecond.
const FASTEST: f64 = 1e-7;
/// Cells of a table at most: every width at every depth, several times over.
const MOST_CELLS: usize = 1024;
/// Threads at most: llama.cpp's limit.
const MOST_THREADS: u32 = 512;

/// What a result holds for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Fingerprint of the target's file.
    pub target: String,
    /// Of the drafter's, or its kind where it has no file.
    pub drafter: String,
    /// Processor, cores, and layers on a GPU.
    pub device: String,
    /// This program's version and llama.cpp's.
    pub build: String,
}

/// A result.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuned {
    /// What it holds for.
    pub key: Key,
    /// Threads for one token.
    pub threads: u32,
    /// Threads for several.
    pub threads_batch: u32,
    /// Threads for a draft step.
    pub threads_draft: u32,
    /// Element type of the cache that was measured: the costs hold for no other.
    pub kv_type: String,
    /// The cache type was looked for, not only measured: it is to be used.
    pub kv_type_chosen: bool,
    /// What rounds cost.
    pub costs: CostRecord,
}

/// Why a stored result is not used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Misfit {
    /// No result at all.
    #[error("it is not a tune result: {0}")]
    Malformed(String),
    /// A number that cannot be.
    #[error("its {what} is {found}, expected {expected}")]
    Nonsense {
        /// Which.
        what: &'static str,
        /// What was found.
        found: String,
        /// What could be.
        expected: String,
    },
    /// Written by another version.
    #[error("it has format {0}, this program reads {VERSION}")]
    Version(u32),
    /// For something else, although the file's name says it is for this.
    #[error("it was measured for another pair, machine or build")]
    OtherKey,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    key: Key,
    threads: u32,
    threads_batch: u32,
    threads_draft: u32,
    kv_type: String,
    kv_type_chosen: bool,
    /// Seconds.
    draft_step: Option<f64>,
    /// Seconds.
    change_of_width: Option<f64>,
    verify: Vec<Cell>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    context: u32,
    width: u32,
    seconds: f64,
    rounds: u32,
}

/// The text of a file.
#[must_use]
pub fn render(tuned: &Tuned) -> String {
    let cell = |cell: &VerifyCost| Cell {
        context: cell.context,
        width: cell.width,
        seconds: cell.seconds,
        rounds: cell.rounds,
    };
    let file = File {
        format: VERSION,
        key: tuned.key.clone(),
        threads: tuned.threads,
        threads_batch: tuned.threads_batch,
        threads_draft: tuned.threads_draft,
        kv_type: tuned.kv_type.clone(),
        kv_type_chosen: tuned.kv_type_chosen,
        draft_step: tuned.costs.draft_step,
        change_of_width: tuned.costs.change,
        verify: tuned.costs.verify.iter().map(cell).collect(),
    };
    // Plain data of strings and numbers: there is nothing in it that JSON cannot say.
    let text = serde_json::to_string_pretty(&file).unwrap_or_default();
    text + "\n"
}

/// Reads a file that should hold a result for `key`.
///
/// # Errors
/// Why it is not to be trusted.
pub fn parse(text: &str, key: &Key) -> Result<Tuned, Misfit> {
    // The format first: another version may have other fields.
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| Misfit::Malformed(error.to_string()))?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(VERSION) => {}
        Some(format) => return Err(Misfit::Version(u32::try_from(format).unwrap_or(u32::MAX))),
        None => return Err(Misfit::Malformed("it does not tell its format".to_owned())),
    }
    let file: File = serde_json::from_value(value).map_err(|error| Misfit::Malformed(error.to_string()))?;
    if file.key != *key {
        return Err(Misfit::OtherKey);
    }
    for (what, threads) in [
        ("threads", file.threads),
        ("threads_batch", file.threads_batch),
        ("threads_draft", file.threads_draft),
    ] {
        check(what, threads, (1..=MOST_THREADS).contains(&threads), "1 to 512")?;
    }
    let known = matches!(file.kv_type.as_str(), "f16" | "q8_0");
    check("kv_type", &file.kv_type, known, "f16 or q8_0")?;
    check("number of costs", file.verify.len(), file.verify.len() <= MOST_CELLS, "at most 1024")?;
    let sound = |seconds: f64| seconds > FASTEST && seconds < SLOWEST;
    let possible = "0.0000001 to 3600 seconds";
    for cell in &file.verify {
        check("cost of a batch", cell.seconds, sound(cell.seconds), possible)?;
        check("width of a batch", cell.width, (1..=64).contains(&cell.width), "1 to 64")?;
        check("number of rounds", cell.rounds, cell.rounds > 0, "at least 1")?;
    }
    let step = file.draft_step;
    check("cost of a draft step", step.unwrap_or(0.0), step.is_none_or(sound), possible)?;
    let change = file.change_of_width;
    // Noise may make a small one negative.
    let small = |seconds: f64| seconds.is_finite() && seconds.abs() < SLOWEST;
    check(
        "cost of a change of width",
        change.unwrap_or(0.0),
        change.is_none_or(small),
        "less than 3600 seconds",
    )?;
    let cell = |cell: &Cell| VerifyCost {
        context: cell.context,
        width: cell.width,
        seconds: cell.seconds,
        rounds: cell.rounds,
    };
    Ok(Tuned {
        key: file.key,
        threads: file.threads,
        threads_batch: file.threads_batch,
        threads_draft: file.threads_draft,
        kv_type: file.kv_type,
        kv_type_chosen: file.kv_type_chosen,
        costs: CostRecord { verify: file.verify.iter().map(cell).collect(), draft_step: step, change },
    })
}

fn check(
    what: &'static str,
    found: impl std::fmt::Display,
    sound: bool,
    expected: &str,
) -> Result<(), Misfit> {
    if sound {
        return Ok(());
    }
    Err(Misfit::Nonsense { what, found: found.to_string(), expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tuned() -> Tuned {
        let key = Key {
            target: "ab12".to_owned(),
            drafter: "lookup".to_owned(),
            device: "a processor, 2 cores".to_owned(),
            build: "1".to_owned(),
        };
        let cell = |width, seconds| VerifyCost { context: 0, width, seconds, rounds: 6 };
        Tuned {
            key,
            threads: 2,
            threads_batch: 2,
            threads_draft: 1,
            kv_type: "f16".to_owned(),
            kv_type_chosen: false,
            costs: CostRecord {
                verify: vec![cell(1, 0.07), cell(4, 0.217)],
                draft_step: Some(0.007),
                change: Some(0.002),
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let tuned = tuned();
        assert_eq!(parse(&render(&tuned), &tuned.key), Ok(tuned));
    }

    #[test]
    fn nothing_foreign_is_trusted() {
        let tuned = tuned();
        let text = render(&tuned);
        let read = |text: &str| parse(text, &tuned.key).unwrap_err().to_string();
        for cut in 0..text.len() - 2 {
            assert!(parse(&text[..cut], &tuned.key).is_err(), "a file that ends after {cut} bytes");
        }
        assert!(read(&text.replace("ab12", "ab13")).contains("another pair"));
        assert!(read(&text.replace("\"format\": 1", "\"format\": 9")).contains("format 9"));
        assert!(read(&text.replace("\"threads\": 2", "\"threads\": 0")).contains("threads is 0"));
        assert!(read(&text.replace("0.217", "-0.217")).contains("cost of a batch is -0.217"));
        assert!(read(&text.replace("0.217", "1e999")).contains("not a tune result"));
        assert!(read(&text.replace("\"width\": 4", "\"width\": 4000000")).contains("width of a batch"));
        assert!(read(&text.replace("f16", "f17")).contains("kv_type is f17"));
        assert!(read(&text.replace("threads_draft", "threads_daft")).contains("not a tune result"));
        assert!(read("[1, 2]").contains("format"));
    }

    /// Whatever one wrong character makes of a file: it is refused, or all it says is possible.
    #[test]
    fn a_changed_character_is_refused_or_harmless() {
        let tuned = tuned();
        let text = render(&tuned);
        let mut read = 0;
        for at in 0..text.len() {
            for changed in ["9", "-", "e", "\"", "}", ",", " ", "\u{0}"] {
                let damaged = format!("{}{changed}{}", &text[..at], &text[at + 1..]);
                let Ok(tuned) = parse(&damaged, &tuned.key) else { continue };
                read += 1;
                let threads = [tuned.threads, tuned.threads_batch, tuned.threads_draft];
                assert!(threads.iter().all(|count| (1..=MOST_THREADS).contains(count)), "{damaged}");
                let times = tuned.costs.verify.iter().map(|cell| cell.seconds).chain(tuned.costs.draft_step);
                assert!(times.into_iter().all(|time| time > FASTEST && time < SLOWEST), "{damaged}");
            }
        }
        assert!(read > 0, "some changes of digits are harmless");
    }
}
