//! "Did you mean".

/// The candidate that is nearest to what was written, if it is near enough to be a slip of the fingers.
pub(crate) fn near<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Comparing takes the product of the lengths, and no name is that long.
    if written.len() > 80 {
        return None;
    }
    let most = (written.chars().count() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&written.to_lowercase(), &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= most && distance < candidate.chars().count())
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean `near`?", else what there is to choose from, else nothing.
pub(crate) fn did_you_mean<'a>(
    written: &str,
    what: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(candidate) = near(written, candidates.iter().copied()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    // A long list helps nobody.
    (1..=12).contains(&candidates.len()).then(|| format!("{what}: `{}`", candidates.join("`, `")))
}
