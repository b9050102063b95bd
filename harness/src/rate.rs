//! How often something happens, and how sure that is.

use std::fmt;

/// The quantile of the normal distribution that leaves 2.5 % on either side.
const Z: f64 = 1.959_963_984_540_054;

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How often it happened.
    pub hits: u64,
    /// How often it could have.
    pub of: u64,
}

impl Rate {
    /// The share, from 0 to 1; none of nothing.
    pub fn share(self) -> Option<f64> {
        (self.of > 0).then(|| self.hits as f64 / self.of as f64)
    }

    /// Between which shares the true one is, with a confidence of 95 %: Wilson's score interval.
    /// None of nothing.
    pub fn bounds(self) -> Option<(f64, f64)> {
        let share = self.share()?;
        let of = self.of as f64;
        let middle = share + Z * Z / (2.0 * of);
        let reach = Z * (share * (1.0 - share) / of + Z * Z / (4.0 * of * of)).sqrt();
        let scale = 1.0 + Z * Z / of;
        // Rounding must not leave out what was seen.
        let low = ((middle - reach) / scale).clamp(0.0, share);
        let high = ((middle + reach) / scale).clamp(share, 1.0);
        Some((if self.hits == 0 { 0.0 } else { low }, high))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.share(), self.bounds()) {
            (Some(share), Some((low, high))) => write!(
                f,
                "{}, with 95 % confidence {} to {}",
                percent(share),
                percent(low),
                percent(high)
            ),
            _ => f.write_str("not known"),
        }
    }
}

/// A share in percent, of which a small one has two digits that say something.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent > 0.0 && percent < 1.0 {
        true => 1 + (-percent.log10()).ceil() as usize,
        false => 1,
    };
    format!("{percent:.digits$} %")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(hits: u64, of: u64) -> String {
        Rate { hits, of }.to_string()
    }

    #[test]
    fn the_bounds_are_wilsons() {
        // As R's `prop.test(…, correct = FALSE)` has them.
        let (low, high) = Rate { hits: 7, of: 50 }.bounds().unwrap();
        assert!(
            (low - 0.069_5).abs() < 5e-5 && (high - 0.261_9).abs() < 5e-5,
            "{low} {high}"
        );
        let (low, high) = Rate { hits: 0, of: 300 }.bounds().unwrap();
        assert!(low == 0.0 && (high - 0.012_64).abs() < 5e-6, "{high}");
        let (low, high) = Rate { hits: 10, of: 10 }.bounds().unwrap();
        assert!((low - 0.722_5).abs() < 5e-5 && high == 1.0, "{low}");
        assert_eq!(Rate { hits: 0, of: 0 }.bounds(), None);
    }

    #[test]
    fn a_small_rate_is_not_told_as_none() {
        assert_eq!(told(6, 300), "2.0 %, with 95 % confidence 0.92 % to 4.3 %");
        assert_eq!(
            told(3, 100_000),
            "0.0030 %, with 95 % confidence 0.0010 % to 0.0088 %"
        );
        assert_eq!(told(0, 0), "not known");
    }
}
