//! What a part of a program is, in the few words that sixteen colours can tell apart.

use std::sync::OnceLock;

use syntect::parsing::{BasicScopeStackOp, ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use super::LONGEST_LINE;

/// What a part of a program is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Class {
    /// Nothing of the below.
    #[default]
    Plain,
    /// A comment.
    Comment,
    /// A keyword, an operator in words, a modifier.
    Keyword,
    /// Text in quotes.
    Text,
    /// A number or a constant.
    Value,
    /// A function's name.
    Function,
    /// A type's name.
    Type,
    /// A tag, a key or an attribute.
    Name,
    /// An added line of a difference.
    Added,
    /// A removed one.
    Removed,
    /// A heading.
    Title,
}

/// Where each part of a line ends, in bytes, and what it is.
pub(in crate::tui::markdown) type Runs = Vec<(usize, Class)>;

/// Scopes and what they are; a scope is what the longest of its beginnings in here is.
const CLASSES: &[(&str, Class)] = &[
    ("comment", Class::Comment),
    ("punctuation.definition.comment", Class::Comment),
    ("string", Class::Text),
    ("punctuation.definition.string", Class::Text),
    ("constant", Class::Value),
    ("constant.other.color", Class::Value),
    ("keyword", Class::Keyword),
    ("keyword.operator", Class::Plain),
    ("keyword.operator.word", Class::Keyword),
    ("keyword.operator.logical.python", Class::Keyword),
    ("keyword.other.unit", Class::Value),
    ("storage", Class::Keyword),
    ("storage.type.numeric", Class::Value),
    ("variable.language", Class::Keyword),
    ("entity.name.function", Class::Function),
    ("support.function", Class::Function),
    ("variable.function", Class::Function),
    ("support.macro", Class::Function),
    ("entity.name.macro", Class::Function),
    ("entity.name.type", Class::Type),
    ("entity.name.class", Class::Type),
    ("entity.name.struct", Class::Type),
    ("entity.name.enum", Class::Type),
    ("entity.name.trait", Class::Type),
    ("entity.name.impl", Class::Type),
    ("entity.other.inherited-class", Class::Type),
    ("support.type", Class::Type),
    ("support.class", Class::Type),
    ("entity.name.tag", Class::Name),
    ("entity.other.attribute-name", Class::Name),
    ("meta.mapping.key", Class::Name),
    ("support.type.property-name", Class::Name),
    ("markup.inserted", Class::Added),
    ("markup.deleted", Class::Removed),
    ("markup.heading", Class::Title),
    ("markup.bold", Class::Title),
    ("markup.raw", Class::Text),
    ("meta.diff.header", Class::Title),
    ("meta.diff.range", Class::Name),
];

fn class(scope: Scope) -> Option<Class> {
    static TABLE: OnceLock<Vec<(Scope, Class)>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        CLASSES.iter().filter_map(|(name, class)| Some((Scope::new(name).ok()?, *class))).collect()
    });
    let fitting = table.iter().filter(|(beginning, _)| beginning.is_prefix_of(scope));
    fitting.max_by_key(|(beginning, _)| beginning.len()).map(|(_, class)| *class)
}

/// Reads the lines of one block, one after the other.
#[derive(Clone)]
pub(super) struct Grammar {
    state: ParseState,
    scopes: ScopeStack,
    /// The class of each scope on the stack: its own, or that of the scope around it.
    classes: Vec<Class>,
}

impl Grammar {
    pub(super) fn new(syntax: &SyntaxReference) -> Grammar {
        Grammar { state: ParseState::new(syntax), scopes: ScopeStack::new(), classes: Vec::new() }
    }

    /// What the parts of the next line are. A line that is too long, or that the grammar fails on, is
    /// plain.
    pub(super) fn line(&mut self, text: &str, set: &SyntaxSet) -> Runs {
        if text.len() > LONGEST_LINE {
            return Vec::new();
        }
        let line = format!("{text}\n");
        let Ok(changes) = self.state.parse_line(&line, set) else { return Vec::new() };
        let mut runs: Runs = Vec::new();
        let mut push = |end: usize, class: Class| match runs.last_mut() {
            Some((last, _)) if *last >= end => {}
            None if end == 0 => {}
            Some((last, same)) if *same == class => *last = end,
            _ => runs.push((end, class)),
        };
        for (at, change) in &changes {
            push((*at).min(text.len()), self.classes.last().copied().unwrap_or_default());
            let classes = &mut self.classes;
            let applied = self.scopes.apply_with_hook(change, |basic, _| match basic {
                BasicScopeStackOp::Push(scope) => {
                    let around = classes.last().copied().unwrap_or_default();
                    classes.push(class(scope).unwrap_or(around));
                }
                BasicScopeStackOp::Pop => {
                    classes.pop();
                }
            });
            if applied.is_err() {
                return Vec::new();
            }
        }
        push(text.len(), self.classes.last().copied().unwrap_or_default());
        runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(language: &str, source: &str) -> Vec<(String, Class)> {
        let set = two_face::syntax::extra_newlines();
        let mut grammar = Grammar::new(set.find_syntax_by_token(language).expect("a known language"));
        let mut out = Vec::new();
        for line in source.lines() {
            let mut from = 0;
            for (end, class) in grammar.line(line, &set) {
                out.push((line[from..end].trim().to_string(), class));
                from = end;
            }
            assert_eq!(from, line.len(), "the runs cover the line");
        }
        out.retain(|(text, _)| !text.is_empty());
        out
    }

    #[track_caller]
    fn has(parts: &[(String, Class)], text: &str, class: Class) {
        assert!(parts.iter().any(|(t, c)| t == text && *c == class), "no {class:?} {text:?} in {parts:?}");
    }

    #[test]
    fn the_parts_of_programs_are_told_apart() {
        let rust = parts("rust", "// say\nfn main() {\n    let x = \"a\" + 12;\n}");
        has(&rust, "// say", Class::Comment);
        has(&rust, "fn", Class::Keyword);
        has(&rust, "main", Class::Function);
        has(&rust, "\"a\"", Class::Text);
        has(&rust, "12", Class::Value);
        let python = parts("python", "def f(a):\n    return not None");
        has(&python, "f", Class::Function);
        has(&python, "None", Class::Value);
        let diff = parts("diff", "+ new\n- old\n");
        has(&diff, "+ new", Class::Added);
        has(&diff, "- old", Class::Removed);
    }

    #[test]
    fn a_state_is_kept_from_line_to_line() {
        let parts = parts("rust", "/* one\ntwo */ let");
        has(&parts, "two */", Class::Comment);
        has(&parts, "let", Class::Keyword);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

        /// Grammars are foreign: none may panic on what a model writes, and the runs always fit the line.
        #[test]
        fn any_text_can_be_read_in_any_language(
            language in proptest::sample::select(vec![
                "rust", "python", "javascript", "ts", "c", "cpp", "html", "css", "bash", "json", "yaml", "toml", "sql", "md", "diff",
                "go", "java", "ruby", "php", "lua", "hs", "tex", "makefile", "dockerfile",
            ]),
            lines in proptest::collection::vec("[ -~]{0,40}|[\"'`{}<>/*#$]{0,12}|\\PC{0,12}", 1..8),
        ) {
            static SET: OnceLock<SyntaxSet> = OnceLock::new();
            let set = SET.get_or_init(two_face::syntax::extra_newlines);
            let mut grammar = Grammar::new(set.find_syntax_by_token(language).expect("a known language"));
            for line in &lines {
                let mut from = 0;
                for (end, _) in grammar.line(line, set) {
                    proptest::prop_assert!(from < end && end <= line.len() && line.is_char_boundary(end));
                    from = end;
                }
            }
        }
    }

    #[test]
    fn a_very_long_line_is_plain() {
        let set = two_face::syntax::extra_newlines();
        let mut grammar = Grammar::new(set.find_syntax_by_token("rust").unwrap());
        assert!(grammar.line(&"let x; ".repeat(1000), &set).is_empty());
        assert!(!grammar.line("let x;", &set).is_empty());
    }
}
