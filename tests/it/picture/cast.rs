//! A recording of a terminal in asciicast's second version: a line that tells the size, then a line for each piece that was
//! written, with the seconds since the start. No time of day, no environment, no command. What asks the terminal something,
//! or changes how it takes keys, is left out: who plays it has a shell there.

use std::time::Duration;

use serde_json::json;

/// The recording of what was written when, on a terminal of this size.
pub fn write(columns: u16, rows: u16, title: &str, pieces: &[(Duration, Vec<u8>)]) -> String {
    let header = json!({ "version": 2, "width": columns, "height": rows, "title": title });
    let mut cast = format!("{header}\n");
    let mut rest: Vec<u8> = Vec::new();
    for (at, bytes) in pieces {
        rest.extend_from_slice(bytes);
        // A character that is not whole yet comes with the next piece.
        let whole = match std::str::from_utf8(&rest) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => rest.len(),
        };
        if whole > 0 {
            let text = shown(&String::from_utf8_lossy(&rest[..whole]));
            let seconds = (at.as_secs_f64() * 1000.0).round() / 1000.0;
            if !text.is_empty() {
                cast.push_str(&format!("{}\n", json!([seconds, "o", text])));
            }
            rest.drain(..whole);
        }
    }
    cast
}

/// What of a text is seen: without modes of keys, paste and wheel, and without questions. Another screen is a cleared one.
fn shown(text: &str) -> String {
    let unseen =
        regex::Regex::new(r"\x1b\[(?:\?(?:2004|1007)[hl]|[<>=][0-9;]*u|6n|c)|\x1b\]11;\?(?:\x1b\\|\x07)");
    unseen.expect("a pattern").replace_all(text, "").replace("\x1b[?1049h", "\x1b[2J\x1b[H")
}

/// Size and pieces of a recording.
pub type Read = ((u16, u16), Vec<(f64, String)>);

/// Reads one again.
pub fn read(cast: &str) -> Result<Read, String> {
    let mut lines = cast.lines();
    let header: serde_json::Value =
        serde_json::from_str(lines.next().unwrap_or_default()).map_err(|error| error.to_string())?;
    let number = |name: &str| header[name].as_u64().and_then(|number| u16::try_from(number).ok());
    let (Some(2), Some(columns), Some(rows)) = (number("version"), number("width"), number("height")) else {
        return Err(format!("a header of version 2 with a size, and not {header}"));
    };
    let mut pieces = Vec::new();
    for line in lines {
        let (seconds, kind, text): (f64, String, String) =
            serde_json::from_str(line).map_err(|error| format!("{line}: {error}"))?;
        if kind != "o" {
            return Err(format!("output only, and not {line}"));
        }
        pieces.push((seconds, text));
    }
    Ok(((columns, rows), pieces))
}
