//! How long something goes on, as a user gives it.

use std::time::Duration;

/// A time with its unit, or a number of seconds.
///
/// # Errors
/// It is none, or less than a second.
pub fn time(text: &str) -> Result<Duration, String> {
    let units = [("h", 3600), ("m", 60), ("s", 1), ("", 1)];
    let read = |(unit, seconds): &(&str, u64)| {
        let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*seconds).filter(|seconds| *seconds > 0)
    };
    let seconds = units.iter().find_map(read);
    let seconds = seconds.ok_or("it is a time of a second or more, such as 90s, 10m or 2h")?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::time;
    use std::time::Duration;

    #[test]
    fn a_time_has_a_unit_or_is_in_seconds() {
        let secs = |text: &str| time(text).ok().as_ref().map(Duration::as_secs);
        assert_eq!(
            ["90", "90s", "10m", "2h"].map(secs),
            [90, 90, 600, 7200].map(Some)
        );
        assert_eq!(
            ["", "0", "m", "-1", "1d", "99999999999999999h"].map(secs),
            [None; 6]
        );
    }
}
