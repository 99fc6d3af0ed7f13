//! Which leaders a decision elects, for who counts them.

use std::ops::AddAssign;

use crate::{MetadataImage, MetadataRecord};

/// Leaders elected, by why they could be. A partition's first leader, and none at all, is no election.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elections {
    /// Members of the ISR.
    pub from_isr: u64,
    /// Eligible leader replicas (KIP-966).
    pub from_elr: u64,
    /// Others, which may not have all that was acknowledged: `unclean.leader.election.enable`.
    pub unclean: u64,
}

impl Elections {
    /// Those of records that were decided on an image.
    pub fn of(image: &MetadataImage, records: &[MetadataRecord]) -> Elections {
        let mut elections = Elections::default();
        for record in records {
            let MetadataRecord::PartitionChange(change) = record else {
                continue;
            };
            let before = image.partition(change.topic_id, change.partition);
            let (Some(before), Some(leader)) = (before, change.leader) else {
                continue;
            };
            match before.leader {
                Some(former) if former == leader => {}
                _ if before.isr.contains(&leader) => elections.from_isr += 1,
                // A reassignment is complete: the leader before has said that its successor is in sync.
                _ if change.replicas.is_some() => elections.from_isr += 1,
                _ if before.elr.contains(&leader) => elections.from_elr += 1,
                _ => elections.unclean += 1,
            }
        }
        elections
    }
}

impl AddAssign for Elections {
    fn add_assign(&mut self, more: Elections) {
        self.from_isr += more.from_isr;
        self.from_elr += more.from_elr;
        self.unclean += more.unclean;
    }
}
