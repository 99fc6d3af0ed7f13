//! The members of one group, and what they have read.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use rand::{Rng, rngs::SmallRng};
use rustix::process::{Pid, Signal, kill_process};

use crate::{PARTITIONS, TOPIC, history::History, member};

const MEMBERS_MAX: usize = 4;
/// How long a member may take to leave.
const LEAVE_PATIENCE: Duration = Duration::from_secs(30);

/// Which protocols the members speak.
#[derive(Clone, Copy, Debug)]
pub enum Protocols {
    /// The classic one; some cooperative, as one group can only be if all of them are.
    Classic,
    /// That of KIP-848.
    Consumer,
    /// One or the other.
    Both,
}

/// How a member ended, or has been paused.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    started: u32,
    killed: u32,
    left: u32,
    paused: u32,
}

struct Member {
    process: Child,
    output: JoinHandle<Vec<(i32, i64)>>,
    /// With one it is paused until then.
    resume_at: Option<Instant>,
}

/// A member that is not there any more.
struct Gone {
    read: Vec<(i32, i64)>,
    /// It did not end by itself in time, though nobody disturbed it.
    is_stuck: bool,
}

/// A group.
pub struct Group {
    id: &'static str,
    protocols: Protocols,
    members: Vec<Member>,
    gone: Vec<JoinHandle<Gone>>,
    /// Nobody disturbs it any more.
    is_in_peace: bool,
    counts: Counts,
    history: History,
}

impl Group {
    /// One without members.
    pub fn new(id: &'static str, protocols: Protocols, history: &History) -> Group {
        Group {
            history: history.clone(),
            id,
            protocols,
            members: Vec::new(),
            gone: Vec::new(),
            is_in_peace: false,
            counts: Counts::default(),
        }
    }

    /// Its id.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Does something to it, or nothing.
    pub fn disturb(&mut self, address: &str, random: &mut SmallRng) -> Result<(), Failed> {
        let now = Instant::now();
        for member in &mut self.members {
            if member.resume_at.is_some_and(|at| at <= now) {
                member.signal(Signal::CONT);
                member.resume_at = None;
                let text = format!("{} goes on", member.process.id());
                self.history.note(Some(self.id), text);
            }
        }
        let count = self.members.len();
        if count < 2 || (count < MEMBERS_MAX && random.random_bool(0.1)) {
            let is_consumer = match self.protocols {
                Protocols::Classic => false,
                Protocols::Consumer => true,
                Protocols::Both => random.random_bool(0.5),
            };
            return self.start(address, is_consumer);
        }
        let at = random.random_range(0..count);
        match random.random_range(0..100) {
            0..4 => self.kill(at),
            4..8 => {
                self.counts.left += 1;
                self.leave(at);
            }
            8..12 if self.members[at].resume_at.is_none() => {
                // Sometimes longer than a session.
                let millis = random.random_range(200..6_000);
                self.members[at].signal(Signal::STOP);
                self.members[at].resume_at = Some(now + Duration::from_millis(millis));
                self.counts.paused += 1;
                let name = self.members[at].process.id();
                let text = format!("{name} is paused for {millis} ms");
                self.history.note(Some(self.id), text);
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, address: &str, is_consumer: bool) -> Result<(), Failed> {
        let settings: &[&str] = match is_consumer {
            true => &["group.protocol=consumer"],
            false => &[
                "session.timeout.ms=3000",
                "heartbeat.interval.ms=500",
                "partition.assignment.strategy=cooperative-sticky",
            ],
        };
        let mut process = Command::new(env::current_exe()?)
            .arg(member::COMMAND)
            .args([address, TOPIC, self.id])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let output = process.stdout.take().ok_or("no output")?;
        let (name, id, history) = (process.id(), self.id, self.history.clone());
        let protocol = if is_consumer { "consumer" } else { "classic" };
        history.note(Some(id), format!("{name} starts, {protocol}"));
        let output = std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let mut read = Vec::new();
            for line in lines {
                match line.strip_prefix("does ") {
                    Some(deed) => history.note(Some(id), format!("{name} {deed}")),
                    None => read.extend(parse(&line)),
                }
            }
            history.note(Some(id), format!("{name} is gone"));
            read
        });
        self.members.push(Member {
            process,
            output,
            resume_at: None,
        });
        self.counts.started += 1;
        Ok(())
    }

    fn kill(&mut self, at: usize) {
        self.members[at].signal(Signal::KILL);
        let text = format!("{} is killed", self.members[at].process.id());
        self.history.note(Some(self.id), text);
        self.counts.killed += 1;
        self.end(at);
    }

    fn leave(&mut self, at: usize) {
        self.members[at].signal(Signal::CONT);
        let text = format!("{} is to leave", self.members[at].process.id());
        self.history.note(Some(self.id), text);
        drop(self.members[at].process.stdin.take());
        self.end(at);
    }

    /// It is about to end, or has.
    fn end(&mut self, at: usize) {
        let mut member = self.members.swap_remove(at);
        let (id, history, is_in_peace) = (self.id, self.history.clone(), self.is_in_peace);
        self.gone.push(std::thread::spawn(move || {
            let deadline = Instant::now() + LEAVE_PATIENCE;
            let mut is_stuck = false;
            while member
                .process
                .try_wait()
                .is_ok_and(|status| status.is_none())
            {
                if Instant::now() > deadline {
                    history.note(Some(id), format!("{} is stuck", member.process.id()));
                    is_stuck = is_in_peace;
                    let _ = member.process.kill();
                    let _ = member.process.wait();
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Gone {
                read: member.output.join().unwrap_or_default(),
                is_stuck,
            }
        }));
    }

    /// From now on it is left in peace, with some members.
    pub fn settle(&mut self, address: &str) -> Result<(), Failed> {
        self.is_in_peace = true;
        for member in &mut self.members {
            member.signal(Signal::CONT);
            member.resume_at = None;
        }
        while self.members.len() < 2 {
            self.start(address, !matches!(self.protocols, Protocols::Classic))?;
        }
        Ok(())
    }

    /// Ends all members, and sees whether they have read everything up to `ends`.
    pub fn finish(&mut self, ends: &[i64], failures: &mut Vec<String>) -> String {
        while !self.members.is_empty() {
            self.leave(0);
        }
        let count = |end: &i64| usize::try_from(*end).unwrap_or(0);
        let mut read: Vec<Vec<u32>> = ends.iter().map(|end| vec![0; count(end)]).collect();
        for gone in self.gone.drain(..) {
            let gone = gone.join().expect("it does not panic");
            if gone.is_stuck {
                failures.push(format!("{}: a member does not leave", self.id));
            }
            for (partition, offset) in gone.read {
                let partition = usize::try_from(partition).ok();
                let of_partition = partition.and_then(|at| read.get_mut(at));
                let offset = usize::try_from(offset).ok();
                match of_partition.zip(offset).and_then(|(it, at)| it.get_mut(at)) {
                    Some(times) => *times += 1,
                    None => failures.push(format!("{}: a record that is not there", self.id)),
                }
            }
        }
        for (partition, read) in (0..PARTITIONS).zip(&read) {
            let missing = read.iter().filter(|times| **times == 0).count();
            if let Some(first) = read.iter().position(|times| *times == 0) {
                failures.push(format!(
                    "{}: {missing} records of partition {partition} were never read, the first at offset {first}",
                    self.id
                ));
            }
        }
        let all = read.iter().flatten();
        let (records, times) = all.fold((0_u64, 0_u64), |(records, sum), times| {
            (records + 1, sum + u64::from(*times))
        });
        let Counts {
            started,
            killed,
            left,
            paused,
        } = self.counts;
        format!(
            "{}: {records} records read {times} times by {started} members, of which {killed} were killed and {left} left; {paused} pauses",
            self.id
        )
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        for member in &mut self.members {
            let _ = member.process.kill();
            let _ = member.process.wait();
        }
    }
}

impl Member {
    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.process.id())
            .ok()
            .and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended by itself.
            let _ = kill_process(id, signal);
        }
    }
}

fn parse(line: &str) -> Option<(i32, i64)> {
    let (partition, offset) = line.strip_prefix("read ")?.split_once(' ')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}
