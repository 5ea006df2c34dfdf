//! The chi-square distribution, as far as a test needs it.

/// Terms at most; each loop ends far earlier where its own half of the plane is used.
const MOST_TERMS: usize = 10_000;

/// The chance that a chi-square variable of so many degrees of freedom is larger than `statistic`: the p-value.
///
/// It is the regularized upper incomplete gamma function Q(freedom ÷ 2, statistic ÷ 2), by the series of P below the
/// mean and the continued fraction of Q above it (Abramowitz and Stegun 6.5.29 and 6.5.31).
#[must_use]
pub fn chance_of_more(statistic: f64, freedom: usize) -> f64 {
    let (shape, x) = (freedom as f64 / 2.0, statistic / 2.0);
    if freedom == 0 || x <= 0.0 {
        return 1.0;
    }
    if !x.is_finite() {
        return 0.0;
    }
    let scale = (shape * x.ln() - x - ln_gamma(freedom)).exp();
    let chance = if x < shape + 1.0 {
        let (mut term, mut sum) = (1.0 / shape, 1.0 / shape);
        for step in 1..MOST_TERMS {
            term *= x / (shape + step as f64);
            sum += term;
            if term < sum * f64::EPSILON {
                break;
            }
        }
        1.0 - scale * sum
    } else {
        // Lentz's method.
        let mut b = x + 1.0 - shape;
        let (mut c, mut d) = (f64::INFINITY, 1.0 / b);
        let mut fraction = d;
        for step in 1..MOST_TERMS {
            let a = -(step as f64) * (step as f64 - shape);
            b += 2.0;
            d = 1.0 / (a * d + b);
            c = b + a / c;
            fraction *= c * d;
            if (c * d - 1.0).abs() < f64::EPSILON {
                break;
            }
        }
        scale * fraction
    };
    chance.clamp(0.0, 1.0)
}

/// ln Γ(freedom ÷ 2), from Γ(½) = √π and Γ(1) = 1 upwards: exact, and a test has few degrees of freedom.
fn ln_gamma(freedom: usize) -> f64 {
    let odd = freedom % 2 == 1;
    let first = if odd { std::f64::consts::PI.ln() / 2.0 } else { 0.0 };
    let start = if odd { 0.5 } else { 1.0 };
    (0..(freedom - 1) / 2).map(|step| (start + step as f64).ln()).sum::<f64>() + first
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles as printed in every table, and exact values: e^(−x÷2) for two degrees of freedom, and
    /// e^(−x÷2)(1 + x÷2) for four.
    #[test]
    fn agrees_with_known_values() {
        let near = |got: f64, expected: f64, within: f64| {
            assert!((got - expected).abs() < within, "{got}, not {expected}");
        };
        near(chance_of_more(3.841_459, 1), 0.05, 1e-7);
        near(chance_of_more(6.634_897, 1), 0.01, 1e-7);
        near(chance_of_more(11.070_498, 5), 0.05, 1e-7);
        near(chance_of_more(18.307_038, 10), 0.05, 1e-7);
        near(chance_of_more(124.342_113, 100), 0.05, 1e-7);
        near(chance_of_more(29.588_298, 10), 0.001, 1e-8);
        for x in [0.1, 1.0, 2.9, 3.1, 10.0, 60.0_f64] {
            near(chance_of_more(x, 2), (-x / 2.0).exp(), 1e-12);
            near(chance_of_more(x, 4), (-x / 2.0).exp() * (1.0 + x / 2.0), 1e-12);
        }
    }

    #[test]
    fn stays_a_probability_at_the_ends() {
        assert_eq!(chance_of_more(0.0, 3), 1.0);
        assert_eq!(chance_of_more(f64::INFINITY, 3), 0.0);
        assert!(chance_of_more(1e6, 3) < 1e-12);
        assert!(chance_of_more(1e-9, 1) > 0.999);
        assert!((0.0..=1.0).contains(&chance_of_more(1000.0, 1000)));
    }
}
