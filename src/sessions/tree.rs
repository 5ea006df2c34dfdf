//! The turns of a session as a tree, without their texts: every turn follows one, several may follow the same one
//! (branches), and nothing that was said is ever changed. To edit a turn is to add another one in the same place;
//! to undo is to look at an earlier place.
//!
//! Pure. A turn's name is greater than its parent's, which keeps circles out even of a damaged file.

use std::collections::BTreeMap;

use super::ids::TurnId;
use super::turn::Speaker;

/// A turn without its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub id: TurnId,
    /// The turn it follows.
    pub parent: Option<TurnId>,
    /// Who speaks.
    pub speaker: Speaker,
    /// It will not grow.
    pub finished: bool,
}

/// All turns of a session that are not deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    nodes: BTreeMap<TurnId, Node>,
    /// Rising, so in the order in which they were made.
    children: BTreeMap<Option<TurnId>, Vec<TurnId>>,
}

/// What remains to be seen after taking a question back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The question, which goes back to where it was typed.
    pub question: TurnId,
    /// The last turn that is seen now.
    pub head: Option<TurnId>,
}

impl Tree {
    /// The tree of these turns. One whose parent is not among them counts as a first one.
    #[must_use]
    pub fn of(nodes: impl IntoIterator<Item = Node>) -> Tree {
        let mut tree = Tree::default();
        tree.insert_all(nodes);
        tree
    }

    /// Adds turns, in any order; those that are there already stay.
    pub fn insert_all(&mut self, nodes: impl IntoIterator<Item = Node>) {
        let mut nodes: Vec<Node> = nodes.into_iter().collect();
        // Parents first.
        nodes.sort_by_key(|node| node.id);
        for node in nodes {
            self.insert(node);
        }
    }

    /// Adds a turn.
    pub fn insert(&mut self, node: Node) {
        if self.nodes.contains_key(&node.id) {
            return;
        }
        let parent = node.parent.filter(|parent| *parent < node.id && self.nodes.contains_key(parent));
        self.nodes.insert(node.id, Node { parent, ..node });
        let siblings = self.children.entry(parent).or_default();
        let at = siblings.partition_point(|each| *each < node.id);
        siblings.insert(at, node.id);
    }

    /// Notes that a reply has ended.
    pub fn finish(&mut self, id: TurnId) {
        if let Some(node) = self.nodes.get_mut(&id) {
            node.finished = true;
        }
    }

    /// Removes a turn and all that follow it, and gives them back for `insert_all`.
    pub fn remove(&mut self, id: TurnId) -> Vec<Node> {
        let Some(node) = self.nodes.get(&id) else { return Vec::new() };
        let parent = node.parent;
        let removed: Vec<Node> =
            self.below(id).into_iter().filter_map(|each| self.nodes.remove(&each)).collect();
        for node in &removed {
            self.children.remove(&Some(node.id));
        }
        if let Some(siblings) = self.children.get_mut(&parent) {
            siblings.retain(|each| *each != id);
            if siblings.is_empty() {
                self.children.remove(&parent);
            }
        }
        removed
    }

    /// A turn and all that follow it.
    fn below(&self, id: TurnId) -> Vec<TurnId> {
        let mut found = vec![id];
        let mut at = 0;
        while let Some(&each) = found.get(at) {
            found.extend_from_slice(self.children(Some(each)));
            at += 1;
        }
        found
    }

    /// How many turns there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All turns, in the order in which they were made.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// A turn.
    #[must_use]
    pub fn node(&self, id: TurnId) -> Option<&Node> {
        self.nodes.get(&id)
    }

    /// The turns that follow one, or the first turns.
    #[must_use]
    pub fn children(&self, of: Option<TurnId>) -> &[TurnId] {
        self.children.get(&of).map_or(&[], Vec::as_slice)
    }

    /// The branch that ends with this turn, first to last; empty where there is no such turn.
    #[must_use]
    pub fn path(&self, head: Option<TurnId>) -> Vec<TurnId> {
        let up = |id: &TurnId| self.nodes.get(id)?.parent;
        let mut path: Vec<TurnId> =
            std::iter::successors(head.filter(|id| self.nodes.contains_key(id)), up).collect();
        path.reverse();
        path
    }

    /// All versions of a turn, itself among them: what follows the same turn.
    #[must_use]
    pub fn versions(&self, id: TurnId) -> &[TurnId] {
        self.nodes.get(&id).map_or(&[], |node| self.children(node.parent))
    }

    /// Which version it is, from 1, and of how many.
    #[must_use]
    pub fn version(&self, id: TurnId) -> Option<(usize, usize)> {
        let versions = self.versions(id);
        versions.iter().position(|each| *each == id).map(|at| (at + 1, versions.len()))
    }

    /// The end of the branch to look at when `steps` versions on from this turn; where there are not so many, of the
    /// first or last one.
    #[must_use]
    pub fn beside(&self, id: TurnId, steps: isize) -> Option<TurnId> {
        let versions = self.versions(id);
        let at = versions.iter().position(|each| *each == id)?;
        let chosen = at.saturating_add_signed(steps).min(versions.len() - 1);
        Some(self.newest_below(versions[chosen]))
    }

    /// The turn made last among this one and all that follow it: the end of a branch, since names rise.
    #[must_use]
    pub fn newest_below(&self, id: TurnId) -> TurnId {
        self.below(id).into_iter().max().unwrap_or(id)
    }

    /// The turn made last of all.
    #[must_use]
    pub fn newest(&self) -> Option<TurnId> {
        self.nodes.last_key_value().map(|(id, _)| *id)
    }

    /// What to look at once this turn is removed: another version of it, else the turn before.
    #[must_use]
    pub fn head_without(&self, id: TurnId) -> Option<TurnId> {
        let other = self.versions(id).iter().rev().find(|each| **each != id);
        match other {
            Some(other) => Some(self.newest_below(*other)),
            None => self.nodes.get(&id)?.parent,
        }
    }

    /// The person's last question on a branch, and what is seen without it; `None` where there is none.
    #[must_use]
    pub fn undo(&self, head: Option<TurnId>) -> Option<Undone> {
        let is_question = |id: &TurnId| self.nodes.get(id).is_some_and(|node| node.speaker == Speaker::User);
        let question = self.path(head).into_iter().rev().find(is_question)?;
        Some(Undone { question, head: self.nodes.get(&question)?.parent })
    }
}

#[cfg(test)]
#[path = "tree_tests.rs"]
mod tests;
