//! How far a file is whole and durable: a line of JSON for each time that was so.
//!
//! The first line names the job, a hash over everything the file depends on. Each further line gives pieces written,
//! the file's length and the SHA-256 of its bytes so far, and what was found on the way about lattices. A line that was
//! cut off, or whose bytes are not there any more, counts as not written.

use std::fs::File;
use std::io::{self, Read, Write as _};

use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use crate::quantize::lattice::Exactness;

/// A point from which a file can be continued.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Mark {
    /// Pieces written.
    pub pieces: usize,
    /// Bytes written.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: String,
    /// What was found since the mark before: the tensor's number in the plan, and its weights.
    pub exactness: Vec<(usize, Exactness)>,
}

/// A whole journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Journal {
    /// The job.
    pub job: String,
    /// The marks, in order.
    pub marks: Vec<Mark>,
}

/// Bytes of a journal at most that are believed.
const MOST: u64 = 64 << 20;

/// The first line.
pub(super) fn first_line(job: &str) -> String {
    format!("{}\n", json!({ "slipstream_journal": 1, "job": job }))
}

impl Mark {
    /// Its line.
    pub(super) fn line(&self) -> String {
        let exactness: Vec<Json> = self
            .exactness
            .iter()
            .map(|(row, found)| json!([row, found.weights, found.exact, found.squared_error, found.squared]))
            .collect();
        let line = json!({ "pieces": self.pieces, "bytes": self.bytes, "sha256": self.sha256, "exactness": exactness });
        format!("{line}\n")
    }

    fn parse(line: &str) -> Option<Mark> {
        let json: Json = serde_json::from_str(line).ok()?;
        let exactness = json.get("exactness")?.as_array()?.iter().map(|each| {
            let found = Exactness {
                weights: each.get(1)?.as_u64()?,
                exact: each.get(2)?.as_u64()?,
                squared_error: each.get(3)?.as_f64()?,
                squared: each.get(4)?.as_f64()?,
            };
            Some((usize::try_from(each.get(0)?.as_u64()?).ok()?, found))
        });
        Some(Mark {
            pieces: usize::try_from(json.get("pieces")?.as_u64()?).ok()?,
            bytes: json.get("bytes")?.as_u64()?,
            sha256: json.get("sha256")?.as_str()?.to_owned(),
            exactness: exactness.collect::<Option<_>>()?,
        })
    }
}

impl Journal {
    /// Reads a journal as far as it is one; `None` where it does not even name a job.
    pub(super) fn read(file: &mut File) -> io::Result<Option<Journal>> {
        let mut bytes = Vec::new();
        file.take(MOST).read_to_end(&mut bytes)?;
        Ok(Journal::parse(&String::from_utf8_lossy(&bytes)))
    }

    fn parse(text: &str) -> Option<Journal> {
        // What has no line break at its end was cut off.
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let first: Json = serde_json::from_str(lines.next()?).ok()?;
        first.get("slipstream_journal").filter(|version| version.as_u64() == Some(1))?;
        let job = first.get("job")?.as_str()?.to_owned();
        let mut marks: Vec<Mark> = Vec::new();
        for mark in lines.map_while(Mark::parse) {
            if marks.last().is_some_and(|last| last.bytes >= mark.bytes || last.pieces > mark.pieces) {
                break;
            }
            marks.push(mark);
        }
        Some(Journal { job, marks })
    }
}

/// How many of the marks agree with the bytes that `file`, at its beginning, really has, and the hash of those bytes.
pub(super) fn agreeing(file: &mut impl Read, marks: &[Mark]) -> io::Result<(usize, Sha256)> {
    let mut hash = Sha256::new();
    let mut last_good = hash.clone();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    for (number, mark) in marks.iter().enumerate() {
        let mut left = mark.bytes - at;
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let count = file.read(&mut buffer[..most])?;
            if count == 0 {
                return Ok((number, last_good));
            }
            hash.update(&buffer[..count]);
            left -= count as u64;
        }
        if hexadecimal(&hash) != mark.sha256 {
            return Ok((number, last_good));
        }
        (at, last_good) = (mark.bytes, hash.clone());
    }
    Ok((marks.len(), last_good))
}

/// The hash of what it has seen, as hexadecimal digits.
pub(super) fn hexadecimal(hash: &Sha256) -> String {
    hex::encode(hash.clone().finalize())
}

/// Appends a line and makes it durable.
pub(super) fn append(mut journal: &File, line: &str) -> io::Result<()> {
    journal.write_all(line.as_bytes())?;
    journal.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(pieces: usize, bytes: &[u8]) -> Mark {
        let mut hash = Sha256::new();
        hash.update(bytes);
        let found = Exactness { weights: 64, exact: 63, squared_error: 0.125, squared: 2.0 };
        Mark {
            pieces,
            bytes: bytes.len() as u64,
            sha256: hexadecimal(&hash),
            exactness: vec![(pieces, found)],
        }
    }

    #[test]
    fn a_journal_is_read_as_far_as_it_is_one() {
        let marks = [mark(1, b"ab"), mark(2, b"abcd")];
        let text = first_line("job") + &marks[0].line() + &marks[1].line();
        let journal = Journal::parse(&text).expect("a journal");
        assert_eq!((journal.job.as_str(), &journal.marks[..]), ("job", &marks[..]));
        let cut = Journal::parse(&text[..text.len() - 1]).expect("a journal");
        assert_eq!(cut.marks, marks[..1]);
        let backwards = text.clone() + &mark(1, b"abc").line();
        assert_eq!(Journal::parse(&backwards).expect("a journal").marks.len(), 2);
        assert_eq!(Journal::parse("{}\n"), None);
        assert_eq!(Journal::parse(""), None);
    }

    #[test]
    fn only_bytes_that_are_still_the_same_count() {
        let marks = [mark(1, b"ab"), mark(2, b"abcd"), mark(3, b"abcdef")];
        let good = |bytes: &[u8]| {
            let (count, hash) = agreeing(&mut &bytes[..], &marks).expect("memory can be read");
            let expected =
                if count == 0 { hexadecimal(&Sha256::new()) } else { marks[count - 1].sha256.clone() };
            assert_eq!(hexadecimal(&hash), expected);
            count
        };
        assert_eq!(good(b"abcdefgh"), 3);
        assert_eq!(good(b"abcde"), 2);
        assert_eq!(good(b"abXdef"), 1);
        assert_eq!(good(b"Xbcdef"), 0);
        assert_eq!(good(b""), 0);
    }
}
