//! Rounds that ran side by side: medians, and ratios with their spread.

/// The middle of some numbers; of an even count, the mean of the two in the middle.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let lower = sorted.get(sorted.len().checked_sub(1)? / 2)?;
    let upper = sorted.get(sorted.len() / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// A ratio of rounds that ran side by side.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ratio {
    /// The median.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The greatest.
    pub greatest: f64,
}

/// Of each round of the one and the round of the other beside it.
pub fn ratio(ours: &[f64], theirs: &[f64]) -> Option<Ratio> {
    let ratios = ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs);
    let ratios: Vec<f64> = ratios.filter(|ratio| ratio.is_finite()).collect();
    Some(Ratio {
        median: median(&ratios)?,
        least: ratios.iter().copied().min_by(f64::total_cmp)?,
        greatest: ratios.iter().copied().max_by(f64::total_cmp)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_spread() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        let expected = Ratio {
            median: 1.5,
            least: 0.5,
            greatest: 2.0,
        };
        assert_eq!(ratio(&[1.0, 4.0, 3.0], &[2.0, 2.0, 2.0]), Some(expected));
        assert_eq!(ratio(&[1.0], &[0.0]), None);
    }
}
