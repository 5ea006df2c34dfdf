//! The fence around code that is being written.

/// Code being written.
#[derive(Debug)]
pub(super) struct Fence {
    pub(super) mark: char,
    pub(super) count: usize,
    pub(super) indent: usize,
    /// Its number among the colours, and its next line's number.
    pub(super) code: usize,
    pub(super) line: usize,
}

impl Fence {
    /// Whether a line closes the code.
    pub(super) fn closes(&self, line: &str) -> bool {
        let rest = line.trim_start_matches(' ');
        let marks = rest.chars().take_while(|c| *c == self.mark).count();
        line.len() - rest.len() < 4 && marks >= self.count && rest[marks..].trim().is_empty()
    }

    /// Whether a line that is not whole may come to close the code.
    pub(super) fn may_close(&self, line: &str) -> bool {
        let rest = line.trim_start_matches(' ');
        line.len() - rest.len() < 4 && !rest.is_empty() && rest.trim_end().chars().all(|c| c == self.mark)
    }

    /// A line without the indent that the fence has too.
    pub(super) fn unindented<'a>(&self, line: &'a str) -> &'a str {
        let spaces = line.bytes().take_while(|b| *b == b' ').count();
        &line[spaces.min(self.indent)..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_closes_with_as_many_marks_and_nothing_else() {
        let fence = Fence { mark: '`', count: 4, indent: 2, code: 0, line: 0 };
        for (line, closes) in [
            ("````", true),
            ("   `````  ", true),
            ("```", false),
            ("    ````", false),
            ("```` x", false),
            ("~~~~", false),
        ] {
            assert_eq!(fence.closes(line), closes, "{line:?}");
        }
        assert!(fence.may_close("  ``") && !fence.may_close("") && !fence.may_close("`x"));
        assert_eq!((fence.unindented("    a"), fence.unindented(" a")), ("  a", "a"));
    }
}
