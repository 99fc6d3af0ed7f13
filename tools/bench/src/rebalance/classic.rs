//! A member of the classic protocol, eager: before each rebalance it gives up all it has.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use client::ClientError;
use protocol::ErrorCode;
use protocol::codec::StrBytes;
use protocol::messages::join_group_request::JoinGroupRequestProtocol;
use protocol::messages::leave_group_request::MemberIdentity;
use protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use protocol::messages::{
    HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, SyncGroupRequest,
};

use super::{HEARTBEAT_INTERVAL, Order, Orders, SESSION_TIMEOUT, World};

const REBALANCE_TIMEOUT_MS: i32 = 60_000;
const RETRY: Duration = Duration::from_millis(20);
/// A kind of group whose assignments brokers do not read.
const PROTOCOL_TYPE: &str = "bench";

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(super) fn run(world: &World, number: usize, orders: &mut Orders) -> Result<(), ClientError> {
    let mut connection = world.connect()?;
    let mut id = StrBytes::default();
    loop {
        world.set(number, &BTreeSet::new());
        let joined = connection.call(&join_request(world, &id))?;
        match ErrorCode::from_code(joined.error_code) {
            Some(ErrorCode::None) => id = joined.member_id.clone(),
            Some(ErrorCode::MemberIdRequired) => {
                id = joined.member_id;
                continue;
            }
            Some(ErrorCode::UnknownMemberId) => {
                id = StrBytes::default();
                continue;
            }
            _ => {
                // What it hears meanwhile it follows as a member.
                orders.wait(RETRY);
                continue;
            }
        }
        let synced = connection.call(&sync_request(world, &joined))?;
        if ErrorCode::from_code(synced.error_code) != Some(ErrorCode::None) {
            continue;
        }
        let mut assignment = synced.assignment;
        let mut owned = BTreeSet::new();
        while assignment.remaining() >= 4 {
            owned.insert(assignment.get_i32());
        }
        world.set(number, &owned);
        loop {
            match orders.wait(HEARTBEAT_INTERVAL) {
                Order::Stay => {}
                Order::Leave => {
                    let identity = MemberIdentity::default().with_member_id(id);
                    let request = LeaveGroupRequest::default()
                        .with_group_id(text(&world.group).into())
                        .with_members(vec![identity]);
                    return connection.call(&request).map(drop);
                }
                Order::Die => return Ok(()),
            }
            let heartbeat = HeartbeatRequest::default()
                .with_group_id(text(&world.group).into())
                .with_generation_id(joined.generation_id)
                .with_member_id(id.clone());
            let answer = connection.call(&heartbeat)?;
            if ErrorCode::from_code(answer.error_code) != Some(ErrorCode::None) {
                break;
            }
        }
    }
}

fn join_request(world: &World, id: &StrBytes) -> JoinGroupRequest {
    let offered = JoinGroupRequestProtocol::default()
        .with_name(text("even"))
        .with_metadata(Bytes::new());
    let session_ms = i32::try_from(SESSION_TIMEOUT.as_millis()).unwrap_or(i32::MAX);
    JoinGroupRequest::default()
        .with_group_id(text(&world.group).into())
        .with_session_timeout_ms(session_ms)
        .with_rebalance_timeout_ms(REBALANCE_TIMEOUT_MS)
        .with_member_id(id.clone())
        .with_protocol_type(text(PROTOCOL_TYPE))
        .with_protocols(vec![offered])
}

/// The leader deals the partitions out.
fn sync_request(world: &World, joined: &JoinGroupResponse) -> SyncGroupRequest {
    let count = joined.members.len();
    let assignments = joined.members.iter().enumerate().map(|(at, member)| {
        let mut bytes = BytesMut::new();
        let all = 0..world.topic.partitions;
        all.skip(at)
            .step_by(count)
            .for_each(|partition| bytes.put_i32(partition));
        SyncGroupRequestAssignment::default()
            .with_member_id(member.member_id.clone())
            .with_assignment(bytes.freeze())
    });
    SyncGroupRequest::default()
        .with_group_id(text(&world.group).into())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_protocol_type(Some(text(PROTOCOL_TYPE)))
        .with_protocol_name(joined.protocol_name.clone())
        .with_assignments(assignments.collect())
}
