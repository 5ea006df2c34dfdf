use super::*;

fn id(number: i64) -> TurnId {
    TurnId(number)
}

fn node(number: i64, parent: Option<i64>, speaker: Speaker) -> Node {
    Node { id: id(number), parent: parent.map(id), speaker, finished: true }
}

/// 1 asks; 2 and 3 answer; 4 asks after 2; 5 asks after 3, 6 asks otherwise after 3, 7 answers 5.
fn tree() -> Tree {
    use Speaker::{Model, User};
    Tree::of([
        node(7, Some(5), Model),
        node(1, None, User),
        node(2, Some(1), Model),
        node(3, Some(1), Model),
        node(4, Some(2), User),
        node(5, Some(3), User),
        node(6, Some(3), User),
    ])
}

#[test]
fn branches_are_followed_and_counted() {
    let tree = tree();
    assert_eq!(tree.path(Some(id(7))), [1, 3, 5, 7].map(id));
    assert_eq!(tree.path(Some(id(9))), []);
    assert_eq!(tree.path(None), []);
    assert_eq!((tree.version(id(2)), tree.version(id(3))), (Some((1, 2)), Some((2, 2))));
    assert_eq!(tree.version(id(6)), Some((2, 2)));
    assert_eq!(tree.version(id(1)), Some((1, 1)));
    assert_eq!(tree.version(id(9)), None);
    assert_eq!(tree.beside(id(2), 1), Some(id(7)));
    assert_eq!(tree.beside(id(3), -1), Some(id(4)));
    assert_eq!(tree.beside(id(3), 5), Some(id(7)));
    assert_eq!((tree.newest(), tree.newest_below(id(2))), (Some(id(7)), id(4)));
}

#[test]
fn undo_goes_back_to_before_the_last_question() {
    let tree = tree();
    assert_eq!(tree.undo(Some(id(7))), Some(Undone { question: id(5), head: Some(id(3)) }));
    assert_eq!(tree.undo(Some(id(3))), Some(Undone { question: id(1), head: None }));
    assert_eq!(tree.undo(None), None);
}

#[test]
fn what_is_removed_can_come_back() {
    let mut tree = tree();
    let before = tree.clone();
    assert_eq!(tree.head_without(id(3)), Some(id(4)));
    assert_eq!(tree.head_without(id(4)), Some(id(2)));
    let removed = tree.remove(id(3));
    assert_eq!(removed.len(), 4);
    assert_eq!((tree.len(), tree.version(id(2))), (3, Some((1, 1))));
    assert!(tree.remove(id(3)).is_empty());
    tree.insert_all(removed);
    assert_eq!(tree, before);
    tree.remove(id(1));
    assert_eq!(tree, Tree::default());
    assert!(tree.is_empty() && tree.newest().is_none());
}

#[test]
fn what_a_damaged_file_says_is_no_circle() {
    let tree = Tree::of([
        node(1, Some(2), Speaker::User),
        node(2, Some(1), Speaker::Model),
        node(3, Some(3), Speaker::User),
        node(4, Some(99), Speaker::User),
    ]);
    assert_eq!(tree.children(None), [1, 3, 4].map(id));
    assert_eq!(tree.path(Some(id(2))), [1, 2].map(id));
}
