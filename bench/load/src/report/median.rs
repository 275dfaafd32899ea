//! The arithmetic of figures that were measured several times.

use std::time::Duration;

pub(crate) fn cores(cpu: Duration, wall: Duration) -> f64 {
    cpu.as_secs_f64() / wall.as_secs_f64()
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = figures.collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (None, _) => 0.0,
        (Some(upper), 0) => f64::midpoint(*upper, sorted[middle - 1]),
        (Some(only), _) => *only,
    }
}

/// None where one of them is missing.
pub(crate) fn median_of_all(figures: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    figures.collect::<Option<Vec<f64>>>().filter(|it| !it.is_empty()).map(|it| median(it.into_iter()))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::report::median::{cores, median, median_of_all, micros};

    fn of(figures: &[f64]) -> f64 {
        median(figures.iter().copied())
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these are exact in binary")]
    fn the_middle_one_or_between_the_middle_two() {
        assert_eq!([of(&[]), of(&[2.0]), of(&[9.0, 1.0]), of(&[9.0, 1.0, 2.0])], [0.0, 2.0, 5.0, 2.0]);
        assert_eq!(median_of_all([Some(3.0), Some(1.0)].into_iter()), Some(2.0));
        assert_eq!(median_of_all([Some(3.0), None].into_iter()), None);
        assert_eq!(median_of_all(std::iter::empty()), None);
        assert_eq!(cores(Duration::from_secs(1), Duration::from_secs(4)), 0.25);
        assert_eq!(micros(Duration::from_millis(2)), 2000.0);
    }
}
