//! The settings that are checked, kept and shown, and do nothing yet. Setting one of them for the broker is answered with a warning.

/// Names of the broker's and of topics' settings.
const NOT_YET: &[&str] = &[
    // Transactions.
    "transaction.max.timeout.ms",
    "transactional.id.expiration.ms",
];

/// Whether a setting does nothing yet.
pub(super) fn is_not_yet(name: &str) -> bool {
    NOT_YET.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::{Settings, topic_definition};
    use super::NOT_YET;

    #[test]
    fn every_name_is_one_of_a_setting() {
        let settings = Settings::defaults();
        for name in NOT_YET {
            let is_brokers = settings
                .honoured()
                .any(|setting| setting.definition.name == *name);
            assert!(is_brokers || topic_definition(name).is_some(), "{name}");
        }
    }
}
