//! Sizes as people write them.

use super::error::PlanError;

/// Units, the longest first. A plain `G` is what memory is sold in.
const UNITS: [(&str, f64); 11] = [
    ("kib", 1024.0),
    ("mib", 1_048_576.0),
    ("gib", 1_073_741_824.0),
    ("kb", 1e3),
    ("mb", 1e6),
    ("gb", 1e9),
    ("k", 1024.0),
    ("m", 1_048_576.0),
    ("g", 1_073_741_824.0),
    ("t", 1_099_511_627_776.0),
    ("b", 1.0),
];

/// Bytes of `13.5GiB`, `14.2 GB`, `16G` or `1000000`.
///
/// # Errors
/// [`PlanError::BadSize`] where it is none of these, or not above 0.
pub fn parse_size(text: &str) -> Result<u64, PlanError> {
    let bad = || PlanError::BadSize { text: text.to_owned() };
    let lower = text.trim().to_ascii_lowercase();
    let unit = UNITS.iter().find(|(unit, _)| lower.ends_with(unit));
    let (number, unit) =
        unit.map_or((lower.as_str(), 1.0), |(name, unit)| (&lower[..lower.len() - name.len()], *unit));
    let number: f64 = number.trim().parse().map_err(|_| bad())?;
    let bytes = number * unit;
    // Larger than any disk; also refuses what is not finite.
    if !(1.0..1e18).contains(&bytes) {
        return Err(bad());
    }
    Ok(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_mean_them() {
        for (text, bytes) in [
            ("13.5GiB", 14_495_514_624),
            ("16G", 17_179_869_184),
            ("14.2 GB", 14_200_000_000),
            ("900m", 943_718_400),
            ("1000", 1000),
            ("1000b", 1000),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "-1G", "0", "1e40G", "nan", "inf", "12 parsecs"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
