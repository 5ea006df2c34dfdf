//! The middle of the latest few measurements.

/// The latest `N` values. Its middle is the lower median: a machine is never too fast by accident, so that of two
/// measurements the faster one is believed, and a single slow round (a paused laptop) moves nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recent<const N: usize> {
    values: [f64; N],
    count: usize,
    next: usize,
    middle: f64,
}

impl<const N: usize> Default for Recent<N> {
    fn default() -> Recent<N> {
        Recent { values: [0.0; N], count: 0, next: 0, middle: 0.0 }
    }
}

impl<const N: usize> Recent<N> {
    pub fn push(&mut self, value: f64) {
        self.values[self.next] = value;
        self.next = (self.next + 1) % N;
        self.count = (self.count + 1).min(N);
        let mut sorted = self.values;
        let sorted = &mut sorted[..self.count];
        let place = (self.count - 1) / 2;
        self.middle = *sorted.select_nth_unstable_by(place, f64::total_cmp).1;
    }

    /// `None` before the first value.
    pub fn middle(&self) -> Option<f64> {
        (self.count > 0).then_some(self.middle)
    }

    /// The value that so many others are not above.
    pub fn lowest(&self, place: usize) -> Option<f64> {
        let mut sorted = self.values;
        let sorted = &mut sorted[..self.count];
        (place < self.count).then(|| *sorted.select_nth_unstable_by(place, f64::total_cmp).1)
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn scale(&mut self, factor: f64) {
        for value in &mut self.values {
            *value *= factor;
        }
        self.middle *= factor;
    }

    pub fn clear(&mut self) {
        *self = Recent::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_ignores_what_is_far_off() {
        let mut recent = Recent::<5>::default();
        assert_eq!(recent.middle(), None);
        for (value, middle) in [(10.0, 10.0), (1.0, 1.0), (1.1, 1.1), (900.0, 1.1), (1.2, 1.2), (1.0, 1.1)] {
            recent.push(value);
            assert_eq!(recent.middle(), Some(middle));
        }
        assert_eq!((recent.lowest(0), recent.lowest(4), recent.lowest(5)), (Some(1.0), Some(900.0), None));
        recent.scale(2.0);
        assert_eq!((recent.middle(), recent.count()), (Some(2.2), 5));
        recent.clear();
        assert_eq!(recent.middle(), None);
    }
}
