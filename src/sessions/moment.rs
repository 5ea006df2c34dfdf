//! Points in time, as a session keeps and shows them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Milliseconds since 1970, UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// By the system's clock.
    #[must_use]
    pub fn now() -> Moment {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// So many days earlier.
    #[must_use]
    pub fn days_before(self, days: u32) -> Moment {
        Moment(self.0.saturating_sub(i64::from(days) * DAY))
    }

    /// How long ago it was, in the largest unit that tells it: "3 hours ago".
    #[must_use]
    pub fn ago(self, now: Moment) -> String {
        let past = now.0.saturating_sub(self.0);
        let (count, unit) = match past {
            ..MINUTE => return "just now".to_owned(),
            MINUTE..HOUR => (past / MINUTE, "minute"),
            HOUR..DAY => (past / HOUR, "hour"),
            _ => (past / DAY, "day"),
        };
        format!("{count} {unit}{} ago", if count == 1 { "" } else { "s" })
    }
}

impl fmt::Display for Moment {
    /// `2026-11-25 10:11:12 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE / SECOND);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

/// The civil date of a day counted from 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days.saturating_add(719_468);
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Years that begin in March: the leap day is the last.
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_right() {
        assert_eq!(Moment(0).to_string(), "1970-01-01 00:00:00 UTC");
        assert_eq!(Moment(951_782_400_000).to_string(), "2000-02-29 00:00:00 UTC");
        assert_eq!(Moment(1_795_601_472_999).to_string(), "2026-11-25 10:11:12 UTC");
        assert_eq!(Moment(-1).to_string(), "1969-12-31 23:59:59 UTC");
        // Whatever a damaged file says.
        let _ = (Moment(i64::MIN).to_string(), Moment(i64::MAX).to_string());
    }

    #[test]
    fn the_past_has_units() {
        let now = Moment(100 * DAY);
        assert_eq!(Moment(now.0 - 59 * SECOND).ago(now), "just now");
        assert_eq!(Moment(now.0 - MINUTE).ago(now), "1 minute ago");
        assert_eq!(Moment(now.0 - 5 * HOUR).ago(now), "5 hours ago");
        assert_eq!(now.days_before(3).ago(now), "3 days ago");
        // A clock that went back.
        assert_eq!(Moment(now.0 + HOUR).ago(now), "just now");
        assert_eq!(Moment(i64::MIN).ago(Moment(i64::MAX)), format!("{} days ago", i64::MAX / DAY));
    }
}
