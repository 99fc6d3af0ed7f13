//! Whether what is written is read.

use super::{Finding, Severity, or_ok, some_of};
use crate::{doctor::GroupsLook, groups::Described};

/// So many records behind is far.
const LAG_LARGE: i64 = 100_000;

fn named(look: &GroupsLook, is_so: impl Fn(&Described) -> bool) -> Vec<String> {
    let groups = look.groups.iter().filter(|it| is_so(it));
    let names = groups.map(|it| format!("{} ({} behind)", it.group, it.lag));
    names.collect()
}

fn is_beyond(group: &Described) -> bool {
    let mut offsets = group.offsets.iter();
    offsets.any(|it| it.end.is_some_and(|end| it.committed > end))
}

/// Groups that are behind, that nobody is in, or that have read what is not there.
pub(super) fn groups(look: &GroupsLook) -> Vec<Finding> {
    let kinds = [
        (
            Severity::Warning,
            "group-beyond-end",
            "have committed offsets beyond the end of a partition",
            named(look, is_beyond),
            "The records that they have read are gone: the topic was made anew, or records were lost. They go on by their `auto.offset.reset`, at the start or at the end.",
            "Find out what became of the records; then `holdfast-ctl group seek GROUP --topic TOPIC --to start|end|OFFSET`, with the members stopped.",
        ),
        (
            Severity::Note,
            "group-behind",
            "have members, and are far behind",
            named(look, |it| !it.members.is_empty() && it.lag > LAG_LARGE),
            "Records may be deleted by `retention.ms` before they are read.",
            "See whether the lag grows (`holdfast-ctl group describe GROUP`). If so, the members are too few or too slow, or one is stuck.",
        ),
        (
            Severity::Note,
            "group-idle",
            "have committed offsets, and no members",
            named(look, |it| it.members.is_empty() && !it.offsets.is_empty()),
            "Nobody reads for them. After `offsets.retention.minutes` what they have committed is forgotten.",
            "Start their members; or delete the group with `holdfast-ctl group delete GROUP`, if nobody comes back.",
        ),
    ];
    let kinds = kinds
        .into_iter()
        .filter(|(_, _, _, names, ..)| !names.is_empty());
    let findings = kinds.map(|(severity, check, what, names, why, remedy)| Finding {
        check,
        severity,
        seen: format!("{} groups {what}: {}", names.len(), some_of(names)),
        why,
        remedy,
    });
    let mut findings: Vec<Finding> = findings.collect();
    if look.left_out > 0 {
        findings.push(Finding {
            check: "groups-left-out",
            severity: Severity::Note,
            seen: format!("{} groups were not looked at", look.left_out),
            why: "With many groups only some are looked at.",
            remedy: "`holdfast-ctl group describe GROUP` for those that matter, or the metrics `kafka_consumergroup_lag_sum`.",
        });
    }
    or_ok(findings, "groups", || {
        format!("nothing against {} groups", look.groups.len())
    })
}
