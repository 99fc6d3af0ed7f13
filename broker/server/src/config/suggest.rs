//! The name someone probably meant.

/// The candidate nearest to `name`, if one is near enough to be a likely slip.
pub(super) fn nearest<'a>(
    name: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    let distance_max = (name.len() / 4).clamp(1, 6);
    candidates
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance over bytes: names are ASCII, and anything else is far from all of them.
fn edit_distance(a: &str, b: &str) -> usize {
    let mut previous: Vec<usize> = (0..=b.len()).collect();
    let mut current = vec![0; b.len() + 1];
    for (i, x) in a.bytes().enumerate() {
        current[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let substituted = previous[j] + usize::from(!x.eq_ignore_ascii_case(&y));
            current[j + 1] = substituted.min(previous[j + 1] + 1).min(current[j] + 1);
        }
        std::mem::swap(&mut previous, &mut current);
    }
    previous[b.len()]
}
