use super::*;
use crate::sessions::{Moment, NewReply, ReplyEnd, SessionId};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn reply(number: i64) -> NewReply {
    NewReply {
        id: TurnId(number),
        session: SessionId(77),
        parent: None,
        created: Moment(0),
        continues: None,
        text: String::new(),
        reasoning: String::new(),
    }
}

fn says(turn: i64, text: &str) -> Growth {
    let by = Grown::Text(text.to_owned(), Origin::Accepted);
    Growth { turn: TurnId(turn), channel: Channel::Answer, by }
}

fn full() -> StoreError {
    StoreError::Full { path: "x".into(), what: String::new() }
}

/// The texts of the pieces among some changes.
fn pieces(changes: &[Change]) -> Vec<(u32, usize, &str)> {
    let mut found = Vec::new();
    for change in changes {
        if let Change::Grow(piece) = change {
            found.push((piece.number, piece.text_at, piece.text.as_str()));
        }
    }
    found
}

#[test]
fn a_growing_reply_is_written_within_a_second_and_not_more_often() {
    let mut journal = Journal::default();
    let mut written = Vec::new();
    assert_eq!(journal.due(), None);
    journal.change(Change::Begin(reply(1)), ms(0));
    assert_eq!(journal.due(), Some(ms(0)), "a change is written at once");
    // A token each 10 ms for ten seconds; each millisecond, what is due is written.
    let mut last_written = ms(0);
    for now in 0..10_000 {
        if journal.due().is_some_and(|due| due <= ms(now)) {
            journal.write(ms(now), &mut |changes| {
                written.extend_from_slice(changes);
                Ok(())
            });
            last_written = ms(now);
        }
        if now % 10 == 0 {
            journal.grow(says(1, "ab"), ms(now));
        }
        assert!(ms(now) - last_written <= WRITE_AFTER + ms(10), "at {now} ms");
    }
    assert!(written.len() <= 14, "{} writes in ten seconds", written.len());
    // Every piece begins where the one before it ended.
    let mut length = 0;
    for (at, (number, text_at, text)) in pieces(&written).into_iter().enumerate() {
        assert_eq!((number as usize, text_at), (at, length));
        length += text.len();
    }
    assert!(length >= 2 * 900);
}

#[test]
fn the_end_takes_the_whole_text_with_it() {
    let mut journal = Journal::default();
    journal.change(Change::Begin(NewReply { text: "Once ".to_owned(), ..reply(1) }), ms(0));
    journal.grow(says(1, "upon"), ms(1));
    journal.grow(Growth { by: Grown::Rejected(" at".to_owned()), ..says(1, "") }, ms(2));
    journal.grow(says(1, " a time"), ms(3));
    journal.change(Change::Finish(reply(1), ReplyEnd::default()), ms(4));
    let mut written = Vec::new();
    let outcomes = journal.write(ms(4), &mut |changes| {
        written.extend_from_slice(changes);
        Ok(())
    });
    assert_eq!(outcomes, [], "it runs no more");
    assert_eq!(pieces(&written), [(0, 5, "upon a time")]);
    let Some(Change::Finish(_, end)) = written.last() else { panic!("{written:?}") };
    assert_eq!(end.text.as_deref(), Some("Once upon a time"));
    assert_eq!(journal.due(), None);
}

#[test]
fn a_full_disk_is_told_once_and_loses_nothing() {
    let mut journal = Journal::default();
    let mut outcomes = Vec::new();
    journal.change(Change::Begin(reply(1)), ms(0));
    for second in 0..5 {
        journal.grow(says(1, "word "), ms(1000 * second));
        outcomes.extend(journal.write(ms(1000 * second), &mut |_| Err(full())));
        assert_eq!(journal.due(), Some(ms(1000 * second) + RETRY_AFTER));
    }
    assert_eq!(outcomes, [Outcome::Trouble(full())]);
    assert_eq!(journal.trouble(), Some(&full()));
    let busy = StoreError::Busy { path: "x".into(), seconds: 1 };
    let other = journal.write(ms(5000), &mut |_| Err(busy.clone()));
    assert_eq!(other, [Outcome::Trouble(busy)], "another trouble is told");
    let mut written = Vec::new();
    let outcomes = journal.write(ms(6000), &mut |changes| {
        written.extend_from_slice(changes);
        Ok(())
    });
    assert_eq!(outcomes, [Outcome::Saved(TurnId(1), 25), Outcome::TroubleOver]);
    assert!(matches!(written[0], Change::Begin(_)));
    assert_eq!(pieces(&written).iter().map(|(.., text)| *text).collect::<String>(), "word ".repeat(5));
    assert_eq!((journal.due(), journal.trouble()), (None, None));
}

#[test]
fn one_impossible_change_does_not_hold_up_the_others() {
    let mut journal = Journal::default();
    for number in 1..=3 {
        journal.change(Change::Begin(reply(number)), ms(0));
    }
    let refused = StoreError::Taken(TurnId(2));
    let mut written = Vec::new();
    let outcomes = journal.write(ms(0), &mut |changes| {
        if changes.contains(&Change::Begin(reply(2))) {
            return Err(refused.clone());
        }
        written.extend_from_slice(changes);
        Ok(())
    });
    assert_eq!(outcomes, [Outcome::Refused(refused.clone())]);
    assert_eq!(written, [Change::Begin(reply(1)), Change::Begin(reply(3))]);
    // What was written singly before a disk filled up is not written again.
    journal.change(Change::Begin(reply(4)), ms(1));
    journal.change(Change::Begin(reply(2)), ms(1));
    journal.change(Change::Begin(reply(5)), ms(1));
    let mut calls = 0;
    journal.write(ms(1), &mut |changes| {
        calls += 1;
        match changes {
            [Change::Begin(reply)] if reply.id == TurnId(4) => Ok(()),
            [Change::Begin(reply)] if reply.id == TurnId(5) => Err(full()),
            _ => Err(refused.clone()),
        }
    });
    let mut written = Vec::new();
    journal.write(ms(2), &mut |changes| {
        written.extend_from_slice(changes);
        Ok(())
    });
    assert_eq!(written, [Change::Begin(reply(5))]);
    assert_eq!(calls, 4);
}
