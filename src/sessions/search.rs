//! Finding words in everything that was said, on every branch. Languages that put no spaces between words are searched
//! for the letters as they stand.

use std::ops::Range;

use rusqlite::params;

use super::error::StoreError;
use super::ids::{SessionId, TurnId};
use super::moment::Moment;
use super::read::words_of;
use super::store::Store;
use super::turn::Speaker;

/// Words around what was found.
const SNIPPET_WORDS: u32 = 16;
/// Letters before and after what was found, where there are no words.
const SNIPPET_LETTERS: usize = 30;
/// Around what was found, between SQLite and us: text has other uses for them than none.
const BEGIN: char = '\u{1}';
const END: char = '\u{2}';

/// One place where something was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The session.
    pub session: SessionId,
    /// Its title.
    pub title: String,
    /// The turn; `None` where it was found in the title.
    pub turn: Option<TurnId>,
    /// Who speaks there.
    pub speaker: Option<Speaker>,
    /// When.
    pub created: Moment,
    /// The words around it, on one line.
    pub snippet: String,
    /// The bytes of the snippet that were found.
    pub found: Vec<Range<usize>>,
}

impl Store {
    /// Where all these words are: titles first, then turns, the latest first. The last word may be the beginning of one;
    /// words in quotation marks are found one after the other only.
    ///
    /// # Errors
    /// The file's.
    pub fn search(&self, text: &str, most: u32) -> Result<Vec<Hit>, StoreError> {
        let words = words(text);
        if words.is_empty() || most == 0 {
            return Ok(Vec::new());
        }
        let mut hits = self.in_titles(&words, most)?;
        let left = most - u32::try_from(hits.len()).unwrap_or(most).min(most);
        if left > 0 {
            let unspaced = words.iter().any(|word| word.chars().any(is_unspaced));
            hits.extend(if unspaced { self.by_letters(&words, left)? } else { self.by_words(text, left)? });
        }
        Ok(hits)
    }

    fn in_titles(&self, words: &[String], most: u32) -> Result<Vec<Hit>, StoreError> {
        let mut hits = Vec::new();
        for info in self.sessions()? {
            let found: Option<Vec<_>> = words.iter().map(|word| place(&info.title, word)).collect();
            if let Some(mut found) = found.filter(|_| hits.len() < most as usize) {
                found.sort_by_key(|range| range.start);
                hits.push(Hit {
                    session: info.id,
                    snippet: info.title.clone(),
                    title: info.title,
                    turn: None,
                    speaker: None,
                    created: info.created,
                    found,
                });
            }
        }
        Ok(hits)
    }

    fn by_words(&self, text: &str, most: u32) -> Result<Vec<Hit>, StoreError> {
        let Some(query) = query(text) else { return Ok(Vec::new()) };
        self.read(|connection| {
            let mut statement = connection.prepare(
                "SELECT sessions.id, title, turns.id, speaker, turns.created,
                   snippet(found, 0, ?2, ?3, '…', ?4)
                 FROM found JOIN turns ON turns.id = found.rowid JOIN sessions ON sessions.id = turns.session
                 WHERE found MATCH ?1 AND turns.deletion IS NULL AND sessions.deletion IS NULL
                 ORDER BY found.rowid DESC LIMIT ?5",
            )?;
            let values = params![query, BEGIN.to_string(), END.to_string(), SNIPPET_WORDS, most];
            let hits = statement.query_map(values, |row| {
                let marked = words_of(row, 5)?;
                let (snippet, found) = unmark(&marked);
                hit(row, snippet, found)
            })?;
            Ok(hits.collect::<Result<_, _>>()?)
        })
    }

    fn by_letters(&self, words: &[String], most: u32) -> Result<Vec<Hit>, StoreError> {
        self.read(|connection| {
            let tests: Vec<String> =
                (1..=words.len()).map(|at| format!("instr(lower(text), ?{at}) > 0")).collect();
            let mut statement = connection.prepare(&format!(
                "SELECT sessions.id, title, turns.id, speaker, turns.created, text
                 FROM turns JOIN sessions ON sessions.id = turns.session
                 WHERE turns.deletion IS NULL AND sessions.deletion IS NULL AND {}
                 ORDER BY turns.id DESC LIMIT {most}",
                tests.join(" AND ")
            ))?;
            // As SQLite's `lower` does it.
            let words: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
            let hits = statement.query_map(rusqlite::params_from_iter(&words), |row| {
                let (snippet, found) = around(&words_of(row, 5)?, &words[0]);
                hit(row, snippet, found)
            })?;
            Ok(hits.collect::<Result<_, _>>()?)
        })
    }
}

fn hit(row: &rusqlite::Row<'_>, snippet: String, found: Vec<Range<usize>>) -> rusqlite::Result<Hit> {
    Ok(Hit {
        session: SessionId(row.get(0)?),
        title: words_of(row, 1)?,
        turn: Some(TurnId(row.get(2)?)),
        speaker: Speaker::named(&words_of(row, 3)?),
        created: Moment(row.get(4)?),
        snippet,
        found,
    })
}

/// What was typed, cut at spaces; what stands in quotation marks is one piece.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in text.split('"').enumerate() {
        // Between an odd quotation mark and the next.
        if number % 2 == 1 {
            words.push(part.split_whitespace().collect::<Vec<_>>().join(" "));
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words.retain(|word| !word.is_empty());
    // More would be a mistake: a pasted page.
    words.truncate(32);
    words
}

/// The same for FTS5: every word is a string, so that nothing in it is an operator. `None` where nothing in it is a word.
fn query(text: &str) -> Option<String> {
    let words: Vec<String> =
        words(text).into_iter().filter(|word| word.chars().any(char::is_alphanumeric)).collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{}\"", word.replace('\0', " "))).collect();
    let open_end = text.ends_with(|c: char| c.is_alphanumeric());
    (!quoted.is_empty()).then(|| quoted.join(" ") + if open_end { "*" } else { "" })
}

/// Letters of scripts that are written without spaces: Thai to Myanmar, Khmer, kana, Han.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0E00}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
}

/// Where a word stands in a text, whatever the case of its letters from A to Z.
fn place(text: &str, word: &str) -> Option<Range<usize>> {
    let at = text.to_ascii_lowercase().find(&word.to_ascii_lowercase())?;
    Some(at..at + word.len())
}

/// The text without the marks, on one line, and the places that were marked.
fn unmark(marked: &str) -> (String, Vec<Range<usize>>) {
    let (mut text, mut found, mut begun) = (String::with_capacity(marked.len()), Vec::new(), None);
    for c in marked.chars() {
        match c {
            BEGIN => begun = Some(text.len()),
            END => {
                found.extend(begun.take().map(|begun| begun..text.len()).filter(|range| !range.is_empty()))
            }
            c if c.is_whitespace() => text.push(' '),
            c => text.push(c),
        }
    }
    (text, found)
}

/// The letters around a word.
fn around(text: &str, word: &str) -> (String, Vec<Range<usize>>) {
    let Some(range) = place(text, word) else { return (String::new(), Vec::new()) };
    let letters = SNIPPET_LETTERS;
    let from = text[..range.start].char_indices().rev().nth(letters - 1).map_or(0, |(at, _)| at);
    let to = text[range.end..].char_indices().nth(letters).map_or(text.len(), |(at, _)| range.end + at);
    let ends = [if from > 0 { "…" } else { "" }, if to < text.len() { "…" } else { "" }];
    let [before, word, after] = [&text[from..range.start], &text[range.clone()], &text[range.end..to]];
    unmark(&format!("{}{before}{BEGIN}{word}{END}{after}{}", ends[0], ends[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_typed_is_an_operator() {
        assert_eq!(query("merge sorted").as_deref(), Some("\"merge\" \"sorted\"*"));
        assert_eq!(query("NEAR(a b) OR x-y* ").as_deref(), Some("\"NEAR(a\" \"b)\" \"OR\" \"x-y*\""));
        assert_eq!(query("\"two words\" \"open").as_deref(), Some("\"two words\" \"open\"*"));
        assert_eq!(query(" -- \"\" * "), None);
        assert_eq!(query("a\0b").as_deref(), Some("\"a b\"*"));
    }

    #[test]
    fn snippets_are_one_line_with_places() {
        let at = |text: &str, range| (text.to_owned(), Vec::from([range]));
        assert_eq!(unmark("a\n\u{1}bc\u{2}\td\u{1}e"), at("a bc de", 2..4));
        let (snippet, found) = around(&format!("{}在这里 Hello{}", "前".repeat(50), "后".repeat(50)), "这里");
        assert_eq!(&snippet[found[0].clone()], "这里");
        assert!(snippet.starts_with('…') && snippet.ends_with('…'), "{snippet}");
        assert_eq!(around("ab", "ab"), at("ab", 0..2));
        assert_eq!(around("ÄB", "b"), at("ÄB", 2..3));
        assert!(is_unspaced('中') && is_unspaced('ค') && is_unspaced('の') && !is_unspaced('é'));
    }
}
