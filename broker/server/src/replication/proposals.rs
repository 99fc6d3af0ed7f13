//! Proposals of who is in sync, on their way from leaders to the controller: Kafka's `AlterPartitionManager`.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use broker_controller::Command;
use broker_controller::decide::{AlterPartition, AlterPartitionResult, IsrProposal};
use broker_replication::ProposedIsr;
use protocol::model::{BrokerEpoch, BrokerId, TopicIdPartition};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::LAG_MS_MAX;
use crate::broker::Partitions;
use crate::liveness::Contact;
use crate::partition::IsrProposals;
use crate::quorum::{Metadata, MetadataQuorum};

/// Between two looks at who is behind.
const TICK: Duration = Duration::from_millis(LAG_MS_MAX.cast_unsigned() / 8);
/// Before a proposal that the controller did not answer is made again.
const RETRY: Duration = Duration::from_millis(100);
/// Proposals of one request.
const BATCH_MAX: usize = 10_000;

type Proposal = (TopicIdPartition, ProposedIsr);

/// Where leaders put what they propose: one proposal of each at a time, so the queue is bounded by the partitions.
pub struct Proposals(mpsc::UnboundedSender<Proposal>);

/// Where it is taken out.
pub struct ProposalsInbox(mpsc::UnboundedReceiver<Proposal>);

impl IsrProposals for Proposals {
    fn propose(&self, partition: TopicIdPartition, proposal: ProposedIsr) {
        // Without anybody at the other end the broker is stopping.
        let _ = self.0.send((partition, proposal));
    }
}

impl Proposals {
    /// Both ends.
    pub fn new() -> (Proposals, ProposalsInbox) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Proposals(sender), ProposalsInbox(receiver))
    }
}

impl ProposalsInbox {
    /// Takes proposals to the controller, and has leaders look at who is behind, until the other end is gone.
    pub async fn run<Q: MetadataQuorum>(
        mut self,
        (broker_id, broker_epoch): (BrokerId, BrokerEpoch),
        metadata: Arc<Metadata<Q>>,
        partitions: Arc<Partitions>,
        contact: Contact,
    ) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut batch = Vec::new();
            tokio::select! {
                taken = self.0.recv_many(&mut batch, BATCH_MAX) => {
                    if taken == 0 {
                        return;
                    }
                }
                _ = tick.tick() => {
                    look(&partitions, &contact);
                    continue;
                }
            }
            // Of one partition the newest counts: an older one is of another leadership.
            let batch: BTreeMap<_, _> = batch.into_iter().collect();
            let command = AlterPartition {
                broker_id,
                broker_epoch,
                proposals: batch.iter().map(record).collect(),
            };
            let answer = {
                let submitted = submit(&metadata, &command);
                let mut submitted = pin!(submitted);
                loop {
                    tokio::select! {
                        answer = &mut submitted => break answer,
                        // Whoever is not answered may be abandoned.
                        _ = tick.tick() => look(&partitions, &contact),
                    }
                }
            };
            match answer {
                Ok(results) => tell(&partitions, &batch, &results),
                // Another life of this broker has begun: this one leads nothing any more.
                Err(error) => tracing::error!(%error, "proposals of who is in sync are refused"),
            }
        }
    }
}

/// Time has passed for all that is led here.
fn look(partitions: &Partitions, contact: &Contact) {
    for partition in partitions.all() {
        partition.on_tick(contact);
    }
}

async fn submit<Q: MetadataQuorum>(
    metadata: &Metadata<Q>,
    command: &AlterPartition,
) -> <AlterPartition as Command>::Response {
    loop {
        match metadata.submit(command).await {
            Ok(answer) => return answer,
            // It may have been decided: asked again, it changes nothing, or is refused for its epoch.
            Err(error) => {
                tracing::warn!(%error, "the controller does not answer who is in sync");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn record((partition, proposal): (&TopicIdPartition, &ProposedIsr)) -> IsrProposal {
    IsrProposal {
        topic_id: partition.topic_id,
        partition: partition.partition,
        leader_epoch: proposal.leader_epoch,
        partition_epoch: proposal.partition_epoch,
        isr: proposal.isr.clone(),
    }
}

/// What was decided has been applied here, and leaders know it. What was refused they have to be told.
fn tell(
    partitions: &Partitions,
    batch: &BTreeMap<TopicIdPartition, ProposedIsr>,
    results: &[AlterPartitionResult],
) {
    for AlterPartitionResult { partition, result } in results {
        let proposal = batch.get(partition);
        let (Some(partition), Some(proposal)) = (partitions.get(*partition), proposal) else {
            continue;
        };
        match result {
            // It is decided, and nothing has changed.
            Ok(epoch) if *epoch == proposal.partition_epoch => partition.on_refused(proposal),
            Ok(_) => {}
            Err(code) => {
                tracing::debug!(?partition, ?code, "a proposal of who is in sync is refused");
                partition.on_refused(proposal);
            }
        }
    }
}
