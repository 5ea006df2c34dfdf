//! The open session: its tree, and which turn each entry of the transcript is.

use std::collections::HashSet;

use crate::sessions::{NewReply, Node, Session, SessionId, SessionSettings, Speaker, Tree, TurnId, title_of};

/// The open session. Without a name nothing was said yet, and the store knows nothing of it.
#[derive(Debug, Default)]
pub struct Chat {
    pub(super) id: Option<SessionId>,
    pub(super) title: String,
    pub(super) tree: Tree,
    /// Entries of the transcript and the turns they are, both rising: the branch that is looked at.
    pub(super) places: Vec<(usize, TurnId)>,
    /// The reply that is being written.
    pub(super) growing: Option<NewReply>,
    /// The last question, where nothing at all came of it: asked anew in the same place, it goes.
    pub(super) fruitless: Option<TurnId>,
    /// As the store has it.
    pub(super) kept: Kept,
    /// The question that is being written anew, and the turn that was looked at before.
    pub(super) editing: Option<(TurnId, Option<TurnId>)>,
    /// Turns whose tokens were asked for.
    pub(super) traced: HashSet<TurnId>,
    /// Turns of another branch that were asked for, and how many of this one stay.
    pub(super) expected: Option<(usize, Vec<TurnId>)>,
}

/// What the store knows beside the turns.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) head: Option<TurnId>,
    pub(super) sent_from: Option<TurnId>,
    pub(super) settings: SessionSettings,
}

impl Chat {
    /// A stored session, nothing of it shown yet.
    pub(super) fn of(session: &Session) -> Chat {
        Chat {
            id: Some(session.info.id),
            title: session.info.title.clone(),
            tree: session.tree.clone(),
            kept: Kept {
                head: session.head,
                sent_from: session.sent_from,
                settings: session.info.settings.clone(),
            },
            ..Chat::default()
        }
    }

    /// Its name, once something was said.
    #[must_use]
    pub fn id(&self) -> Option<SessionId> {
        self.id
    }

    /// Its title; empty where nothing was said.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The turns of all branches.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether a question of it is being written anew.
    #[must_use]
    pub fn is_editing(&self) -> bool {
        self.editing.is_some()
    }

    /// The last turn that is shown.
    #[must_use]
    pub fn head(&self) -> Option<TurnId> {
        self.places.last().map(|(_, turn)| *turn)
    }

    /// The turn that an entry is.
    #[must_use]
    pub fn turn_at(&self, entry: usize) -> Option<TurnId> {
        let at = self.places.binary_search_by_key(&entry, |(entry, _)| *entry).ok()?;
        Some(self.places[at].1)
    }

    /// The entry that a turn is.
    #[must_use]
    pub fn entry_of(&self, turn: TurnId) -> Option<usize> {
        self.places.iter().rev().find(|(_, each)| *each == turn).map(|(entry, _)| *entry)
    }

    /// Which version of a turn an entry shows, and of how many, where there are several.
    #[must_use]
    pub fn version_at(&self, entry: usize) -> Option<(usize, usize)> {
        self.tree.version(self.turn_at(entry)?).filter(|(_, count)| *count > 1)
    }

    /// The last turn on the branch that has other versions.
    #[must_use]
    pub fn fork(&self) -> Option<TurnId> {
        let turns = self.places.iter().rev().map(|(_, turn)| *turn);
        turns.into_iter().find(|turn| self.tree.versions(*turn).len() > 1)
    }

    /// A turn is shown at this entry from now on.
    pub(super) fn place(&mut self, entry: usize, node: Node) {
        self.tree.insert(node);
        self.places.push((entry, node.id));
    }

    /// The transcript has only so many entries left.
    pub(in crate::tui) fn cut(&mut self, entries: usize) {
        let kept = self.places.partition_point(|(entry, _)| *entry < entries);
        self.places.truncate(kept);
    }

    /// The first question names the session.
    pub(super) fn entitle(&mut self, question: &str) {
        if self.title.is_empty() {
            self.title = title_of(question);
        }
    }

    /// The last entry that is the person's, and its turn.
    pub(super) fn last_question(&self) -> Option<(usize, TurnId)> {
        let is_question = |turn| self.tree.node(turn).is_some_and(|node| node.speaker == Speaker::User);
        self.places.iter().rev().find(|(_, turn)| is_question(*turn)).copied()
    }
}
