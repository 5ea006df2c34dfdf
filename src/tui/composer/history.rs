//! What was sent before: browsed with Up and Down, searched with Ctrl+R.

/// Inputs that are kept.
pub const MOST: usize = 1000;
/// Bytes of an input that is worth keeping for the next run.
const LONGEST: usize = 64 * 1024;

/// The inputs, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    inputs: Vec<String>,
    /// Those that were added since somebody asked.
    fresh: Vec<String>,
    /// Which one is shown, and what was being written before.
    browsing: Option<(usize, String)>,
    pub(super) search: Option<Search>,
}

/// A search under way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// What is looked for.
    pub query: String,
    /// The input found, by its number.
    found: Option<usize>,
}

impl History {
    /// Inputs of earlier runs, before those of this one.
    pub(super) fn load(&mut self, mut earlier: Vec<String>) {
        earlier.append(&mut self.inputs);
        self.inputs = earlier;
        self.browsing = None;
    }

    pub(super) fn add(&mut self, text: &str) {
        if text.trim().is_empty() || self.inputs.last().is_some_and(|last| last == text) {
            return;
        }
        self.inputs.push(text.to_string());
        if self.inputs.len() > 2 * MOST {
            self.inputs.drain(..MOST);
        }
        if text.len() <= LONGEST {
            self.fresh.push(text.to_string());
        }
    }

    pub(super) fn take_fresh(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fresh)
    }

    /// The input before the one that is shown; `draft` is what is being written, if none is.
    pub(super) fn back(&mut self, draft: impl FnOnce() -> String) -> Option<String> {
        let shown = self.browsing.as_ref().map_or(self.inputs.len(), |(at, _)| *at);
        let at = shown.checked_sub(1)?;
        let draft = self.browsing.take().map_or_else(draft, |(_, draft)| draft);
        self.browsing = Some((at, draft));
        Some(self.inputs[at].clone())
    }

    /// The input after the one that is shown, or at the end what was being written.
    pub(super) fn forward(&mut self) -> Option<String> {
        let (at, draft) = self.browsing.take()?;
        match self.inputs.get(at + 1) {
            Some(text) => {
                self.browsing = Some((at + 1, draft));
                Some(text.clone())
            }
            None => Some(draft),
        }
    }

    pub(super) fn leave(&mut self) {
        self.browsing = None;
    }

    /// Looks for `query` from the newest input on.
    pub(super) fn look_for(&mut self, query: String) {
        let found = self.find(&query, self.inputs.len());
        self.search = Some(Search { query, found });
    }

    /// The next older input with the same words; the one found stays where there is none.
    pub(super) fn look_further(&mut self) {
        let Some(search) = &self.search else { return };
        let before = search.found.unwrap_or(self.inputs.len());
        if let Some(at) = self.find(&search.query.clone(), before)
            && let Some(search) = &mut self.search
        {
            search.found = Some(at);
        }
    }

    /// The input found.
    pub(super) fn found(&self) -> Option<&str> {
        let at = self.search.as_ref()?.found?;
        self.inputs.get(at).map(String::as_str)
    }

    /// The youngest input before `end` that has the query in it. Capital letters count where the query has
    /// some.
    fn find(&self, query: &str, end: usize) -> Option<usize> {
        if query.is_empty() {
            return None;
        }
        let exact = query.chars().any(char::is_uppercase);
        let has =
            |text: &String| if exact { text.contains(query) } else { text.to_lowercase().contains(query) };
        self.inputs[..end].iter().rposition(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history() -> History {
        let mut history = History::default();
        for text in ["Why is the sky blue?", "merge two slices", "why not", "why not"] {
            history.add(text);
        }
        history
    }

    #[test]
    fn a_search_finds_the_newest_then_older_ones() {
        let mut history = history();
        history.look_for("why".into());
        assert_eq!(history.found(), Some("why not"));
        history.look_further();
        assert_eq!(history.found(), Some("Why is the sky blue?"));
        history.look_further();
        assert_eq!(history.found(), Some("Why is the sky blue?"), "there is none older");
        history.look_for("Why".into());
        assert_eq!(history.found(), Some("Why is the sky blue?"));
        history.look_for("no such thing".into());
        assert_eq!(history.found(), None);
        history.look_for(String::new());
        assert_eq!(history.found(), None);
    }

    #[test]
    fn what_was_loaded_is_older_and_not_fresh() {
        let mut history = history();
        assert_eq!(history.take_fresh().len(), 3, "the same twice is once");
        history.load(vec!["from another day".into()]);
        assert_eq!(history.take_fresh(), Vec::<String>::new());
        let mut seen = Vec::new();
        while let Some(text) = history.back(|| "draft".into()) {
            seen.push(text);
        }
        assert_eq!(seen.last().unwrap(), "from another day");
        history.add(&"x".repeat(LONGEST + 1));
        assert!(history.take_fresh().is_empty(), "too long for the file");
    }

    #[test]
    fn it_does_not_grow_for_ever() {
        let mut history = History::default();
        for number in 0..5 * MOST {
            history.add(&number.to_string());
        }
        assert!(history.inputs.len() <= 2 * MOST);
        assert_eq!(history.back(String::new).unwrap(), (5 * MOST - 1).to_string());
    }
}
