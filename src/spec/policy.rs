//! Policies: how many guesses the next round makes.

use super::seam::{DraftPolicy, Guess, RoundOutcome};

/// Always the same number of guesses. Both fields may be changed between two rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FixedLength {
    /// Guesses a round; 0 is plain decoding.
    pub length: usize,
    /// Below this probability a guess is not tested.
    pub p_min: f32,
}

impl DraftPolicy for FixedLength {
    fn next_length(&mut self, room: usize) -> usize {
        self.length.min(room)
    }

    fn floor(&self, _draft: &[Guess]) -> Option<f32> {
        Some(self.p_min)
    }

    fn observe(&mut self, _outcome: &RoundOutcome<'_>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_to_its_length_and_to_the_room() {
        let mut policy = FixedLength { length: 3, p_min: 0.5 };
        assert_eq!((policy.next_length(8), policy.next_length(2), policy.next_length(0)), (3, 2, 0));
        policy.length = 0;
        assert_eq!(policy.next_length(8), 0);
        assert_eq!(policy.floor(&[]), Some(0.5));
    }
}
