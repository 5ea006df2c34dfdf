//! Names of sessions and turns. Whoever makes one names it: nothing has to wait for the disk to learn its name, a
//! change that is written twice changes nothing, and two processes never choose the same.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicI64, Ordering};

use super::moment::Moment;

/// Bits of a session's name: eight letters of five bits.
const SESSION_BITS: u32 = 40;
const LETTERS: u32 = 8;
/// Crockford's: no letter looks like another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Chance bits below a turn's millisecond.
const CHANCE_BITS: u32 = 20;
/// Milliseconds that fit above them, with room for a parent from a clock that ran ahead: the year 2109.
const LAST_MILLISECOND: i64 = (1 << 42) - 1;

/// A session's name: eight letters and digits, by chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(super) i64);

impl SessionId {
    /// A new one.
    #[must_use]
    pub fn fresh() -> SessionId {
        // Zero and its neighbours look like mistakes.
        SessionId(chance(SESSION_BITS).max(32))
    }

    /// The names that begin with these letters; capitals, and letters that look like digits, are understood. `None`
    /// where no name can.
    #[must_use]
    pub fn beginning_with(letters: &str) -> Option<Range<i64>> {
        let count =
            u32::try_from(letters.chars().count()).ok().filter(|count| (1..=LETTERS).contains(count))?;
        let mut value = 0_i64;
        for letter in letters.chars() {
            let letter = match letter.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|&each| char::from(each) == letter)?;
            value = value << 5 | digit as i64;
        }
        let free = 5 * (LETTERS - count);
        Some(value << free..(value + 1) << free)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..LETTERS).rev() {
            let digit = (self.0 >> (5 * place)) & 31;
            write!(f, "{}", char::from(ALPHABET[digit as usize]))?;
        }
        Ok(())
    }
}

/// A turn's name: its millisecond and chance. A turn is always greater than the one it follows, so that no chain of
/// turns can run in a circle, and turns of one process rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TurnId(pub(super) i64);

/// The greatest name given by this process: names rise within a millisecond, too.
static LAST: AtomicI64 = AtomicI64::new(0);

impl TurnId {
    /// A new one for a turn that follows `parent`.
    #[must_use]
    pub fn fresh(parent: Option<TurnId>) -> TurnId {
        let now = Moment::now().0.clamp(0, LAST_MILLISECOND) << CHANCE_BITS;
        let noise = chance(CHANCE_BITS);
        // Where a clock went back, two processes that follow the same turn still differ.
        let least = parent.map_or(0, |parent| parent.0.saturating_add(1 + noise));
        let wanted = (now | noise).max(least);
        let raise = |last: i64| Some(wanted.max(last.saturating_add(1)));
        let before = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raise);
        TurnId(wanted.max(before.unwrap_or(0).saturating_add(1)))
    }
}

/// The name of one deletion, so that it can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DeletionId(pub(super) i64);

impl DeletionId {
    /// A new one.
    #[must_use]
    pub fn fresh() -> DeletionId {
        DeletionId(TurnId::fresh(None).0)
    }
}

/// A number below 2^bits that nobody can foresee: the standard library keys its hash tables by the system's chance.
fn chance(bits: u32) -> i64 {
    let noise = RandomState::new().hash_one((std::process::id(), LAST.load(Ordering::Relaxed)));
    (noise >> (64 - bits)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_rise_and_exceed_their_parents() {
        let mut last = TurnId::fresh(None);
        for _ in 0..10_000 {
            let next = TurnId::fresh(None);
            assert!(next > last);
            last = next;
        }
        let ahead = TurnId(last.0 + (1 << 50));
        assert!(TurnId::fresh(Some(ahead)) > ahead);
    }

    #[test]
    fn a_session_is_found_by_the_beginning_of_its_name() {
        let id = SessionId::fresh();
        let name = id.to_string();
        assert_eq!(name.len(), 8);
        for count in 1..=8 {
            let range = SessionId::beginning_with(&name[..count].to_uppercase()).unwrap();
            assert!(range.contains(&id.0), "{name} {count}");
        }
        assert_eq!(SessionId::beginning_with(&name).unwrap(), id.0..id.0 + 1);
        for wrong in ["", "abcdefghj", "u", "a b", "ä"] {
            assert_eq!(SessionId::beginning_with(wrong), None, "{wrong}");
        }
        assert_eq!(SessionId::beginning_with("o"), SessionId::beginning_with("0"));
    }

    #[test]
    fn sessions_differ() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| SessionId::fresh()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| (32..1 << SESSION_BITS).contains(&id.0)));
    }
}
