//! Which leaders a decision elects, for who counts them.

use std::ops::AddAssign;

use protocol::model::BrokerId;

use crate::record::PartitionChangeRecord;
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
                Some(former) if has_proposed(former, change) => elections.from_isr += 1,
                _ if before.elr.contains(&leader) => elections.from_elr += 1,
                _ => elections.unclean += 1,
            }
        }
        elections
    }
}

/// Whether the leader before has said in this very change that its successor is in sync: it stays in the ISR, or it goes with a reassignment that is complete. Who is
/// elected from beyond is alone in the ISR, and the leader before keeps its replica.
fn has_proposed(former: BrokerId, change: &PartitionChangeRecord) -> bool {
    let stays = change.isr.iter().flatten().any(|id| *id == former);
    let replicas = change.replicas.as_ref();
    let goes = replicas.is_some_and(|it| it.iter().all(|replica| replica.broker_id != former));
    stays || goes
}

impl AddAssign for Elections {
    fn add_assign(&mut self, more: Elections) {
        self.from_isr += more.from_isr;
        self.from_elr += more.from_elr;
        self.unclean += more.unclean;
    }
}
