//! Numbers as short as a screen wants them.

/// A count of tokens: `412`, `4.1k`, `128k`.
#[must_use]
pub fn count(count: u32) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..10_000 => format!("{:.1}k", f64::from(count) / 1000.0),
        _ => format!("{:.0}k", f64::from(count) / 1000.0),
    }
}

/// Bytes, decimal as drives and download pages count them.
#[must_use]
pub fn bytes(count: u64) -> String {
    // A display figure of three digits: the lost bits are far below it.
    #[expect(clippy::cast_precision_loss)]
    let count = count as f64;
    if count >= 1e9 { format!("{:.1} GB", count / 1e9) } else { format!("{:.0} MB", count / 1e6) }
}

/// A bar of `columns` for a share from 0 to 1, in eighths of a column.
#[must_use]
pub fn bar(share: f64, columns: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    // Both factors are small: the product fits by far.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let eighths = (share * (columns * 8) as f64).round() as usize;
    format!("{}{}", "█".repeat(eighths / 8), EIGHTHS[eighths % 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        assert_eq!([0, 999, 4130, 16_384].map(count), ["0", "999", "4.1k", "16k"]);
        assert_eq!([23_000_000, 15_900_000_000].map(bytes), ["23 MB", "15.9 GB"]);
        assert_eq!([0.0, 0.5, 1.0, 9.0, f64::NAN].map(|share| bar(share, 2)), ["", "█", "██", "██", ""]);
    }
}
