//! The store, and the tree that a screen keeps beside it, against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use proptest::prelude::*;
use slipstream::sessions::{
    Change, DeletionId, Moment, NewReply, Node, SessionId, Speaker, Store, Tree, TurnId,
};

use super::{answers, asks, ends, pieces};

/// What is done. Numbers choose among what is there, by remainder.
#[derive(Clone, Debug)]
enum Step {
    Ask {
        after: Option<usize>,
        text: String,
    },
    Reply {
        after: usize,
        texts: Vec<String>,
        finished: bool,
    },
    Continue {
        which: usize,
        text: String,
    },
    Delete {
        which: usize,
    },
    Restore {
        which: usize,
    },
    /// The same change again, as after a failure whose outcome is unknown.
    Again,
    Look {
        at: Option<usize>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-zä]{0,6}";
    prop_oneof![
        4 => (prop::option::of(any::<usize>()), text).prop_map(|(after, text)| Step::Ask { after, text }),
        4 => (any::<usize>(), prop::collection::vec(text, 0..4), any::<bool>())
            .prop_map(|(after, texts, finished)| Step::Reply { after, texts, finished }),
        1 => (any::<usize>(), text).prop_map(|(which, text)| Step::Continue { which, text }),
        2 => any::<usize>().prop_map(|which| Step::Delete { which }),
        2 => any::<usize>().prop_map(|which| Step::Restore { which }),
        1 => Just(Step::Again),
        1 => prop::option::of(any::<usize>()).prop_map(|at| Step::Look { at }),
    ]
}

#[derive(Clone, Debug)]
struct Turn {
    parent: Option<TurnId>,
    speaker: Speaker,
    text: String,
    finished: bool,
    deleted_by: Option<DeletionId>,
}

/// All that was ever said.
#[derive(Default)]
struct Model {
    turns: BTreeMap<TurnId, Turn>,
    deletions: Vec<DeletionId>,
    head: Option<TurnId>,
}

impl Model {
    fn add(&mut self, id: TurnId, turn: Turn) {
        self.revive(turn.parent);
        // What someone goes on from has ended.
        if let Some(parent) = turn.parent.and_then(|parent| self.turns.get_mut(&parent)) {
            parent.finished = true;
        }
        self.turns.insert(id, turn);
        self.head = Some(id);
    }

    fn revive(&mut self, mut turn: Option<TurnId>) {
        while let Some(found) = turn.and_then(|id| self.turns.get_mut(&id)) {
            found.deleted_by = None;
            turn = found.parent;
        }
    }

    fn delete(&mut self, id: TurnId, deletion: DeletionId) {
        if self.turns[&id].deleted_by.is_some() {
            return;
        }
        self.deletions.push(deletion);
        let below: Vec<TurnId> = self.turns.keys().copied().filter(|each| self.hangs_on(*each, id)).collect();
        for each in below {
            self.turns.get_mut(&each).unwrap().deleted_by.get_or_insert(deletion);
        }
    }

    fn hangs_on(&self, mut turn: TurnId, on: TurnId) -> bool {
        loop {
            if turn == on {
                return true;
            }
            let Some(parent) = self.turns[&turn].parent else { return false };
            turn = parent;
        }
    }

    fn restore(&mut self, deletion: DeletionId) {
        self.deletions.retain(|each| *each != deletion);
        let marked: Vec<TurnId> = self
            .turns
            .iter()
            .filter(|(_, turn)| turn.deleted_by == Some(deletion))
            .map(|(id, _)| *id)
            .collect();
        for id in marked {
            self.revive(Some(id));
        }
    }

    fn tree(&self) -> Tree {
        let live = self.turns.iter().filter(|(_, turn)| turn.deleted_by.is_none());
        Tree::of(live.map(|(id, turn)| Node {
            id: *id,
            parent: turn.parent,
            speaker: turn.speaker,
            finished: turn.finished,
        }))
    }
}

struct Run {
    store: Store,
    session: SessionId,
    model: Model,
    replies: Vec<NewReply>,
    last: Vec<Change>,
}

impl Run {
    fn choose(&self, number: usize) -> Option<TurnId> {
        let ids: Vec<TurnId> = self.model.turns.keys().copied().collect();
        (!ids.is_empty()).then(|| ids[number % ids.len()])
    }

    fn write(&mut self, changes: Vec<Change>) {
        self.store.write(&changes).unwrap();
        self.last = changes;
    }

    fn reply(&mut self, new: NewReply, texts: &[String], finished: bool) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut changes = vec![Change::Begin(new.clone())];
        changes.extend(pieces(&new, &texts));
        if finished {
            changes.push(ends(&new, "eot"));
        }
        self.write(changes);
        let text = format!("{}{}", new.text, texts.concat());
        let (parent, speaker) = (new.parent, Speaker::Model);
        self.model.add(new.id, Turn { parent, speaker, text, finished, deleted_by: None });
        self.replies.push(new);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Ask { after, text } => {
                let parent = after.and_then(|after| self.choose(after));
                let new = asks(self.session, parent, &text);
                let turn = Turn { parent, speaker: Speaker::User, text, finished: true, deleted_by: None };
                let id = new.id;
                self.write(vec![Change::Append(new)]);
                self.model.add(id, turn);
            }
            Step::Reply { after, texts, finished } => {
                let parent = self.choose(after);
                self.reply(answers(self.session, parent), &texts, finished);
            }
            Step::Continue { which, text } => {
                let Some(old) =
                    self.choose(which).filter(|id| self.model.turns[id].speaker == Speaker::Model)
                else {
                    return;
                };
                let turn = self.model.turns[&old].clone();
                let new =
                    NewReply { continues: Some(old), text: turn.text, ..answers(self.session, turn.parent) };
                self.reply(new, &[text], true);
            }
            Step::Delete { which } => {
                let Some(id) = self.choose(which) else { return };
                let deletion = DeletionId::fresh();
                self.model.delete(id, deletion);
                self.write(vec![Change::DeleteTurn(id, deletion, Moment::now())]);
            }
            Step::Restore { which } => {
                if self.model.deletions.is_empty() {
                    return;
                }
                let deletion = self.model.deletions[which % self.model.deletions.len()];
                self.model.restore(deletion);
                self.write(vec![Change::Restore(deletion)]);
            }
            Step::Again => {
                let last = self.last.clone();
                self.write(last);
            }
            Step::Look { at } => {
                let head = at.and_then(|at| self.choose(at));
                self.model.head = head;
                self.write(vec![Change::Head(self.session, head)]);
            }
        }
    }

    fn check(&self) {
        if self.model.turns.is_empty() {
            return;
        }
        let found = self.store.session(self.session).unwrap();
        let tree = self.model.tree();
        assert_eq!(found.tree, tree);
        assert_eq!(found.info.turns as usize, tree.len());
        let head = match self.model.head {
            Some(head) if tree.node(head).is_none() => tree.newest(),
            other => other,
        };
        assert_eq!(found.head, head);
        assert_eq!(found.turns.iter().map(|turn| turn.id).collect::<Vec<_>>(), tree.path(head));
        let ids: Vec<TurnId> = tree.nodes().map(|node| node.id).collect();
        for turn in self.store.turns(&ids).unwrap() {
            assert_eq!(turn.text, self.model.turns[&turn.id].text);
            assert_eq!(turn.ended.is_some(), self.model.turns[&turn.id].finished);
            let trace = self.store.trace(turn.id).unwrap().text;
            if turn.speaker == Speaker::Model {
                assert_eq!(trace.bytes(), turn.text.len(), "of {:?}: {trace:?}", turn.text);
            }
        }
        // What lives hangs on what lives.
        for node in tree.nodes() {
            let parent = self.model.turns[&node.id].parent;
            assert_eq!(node.parent, parent);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn the_store_does_what_the_model_does(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run {
            store: Store::in_memory().unwrap(),
            session: SessionId::fresh(),
            model: Model::default(),
            replies: Vec::new(),
            last: Vec::new(),
        };
        for step in steps {
            run.step(step);
            run.check();
        }
        // What was deleted is gone for good, what is there stays.
        run.store.purge(Moment(i64::MAX)).unwrap();
        if !run.model.tree().is_empty() {
            run.check();
        }
        prop_assert_eq!(run.store.deletions().unwrap(), []);
        // Out and in again: the same tree under other names.
        if !run.model.tree().is_empty() {
            run.step(Step::Look { at: Some(0) });
            let text = run.store.export_json(&[run.session]).unwrap();
            let document = slipstream::sessions::parse_export(&text).unwrap();
            let copy = run.store.import(&document).unwrap()[0];
            let again = run.store.export_json(&[copy]).unwrap();
            let ended = |text: &str| text.replace(",\"ended\":\"interrupted\"", "");
            prop_assert_eq!(ended(&again), ended(&text));
        }
    }
}
