//! Regular expressions for the names of topics: whatever they are, matching all names takes little time and memory.
//!
//! They are matched by the states of an automaton that are built as they are needed, and an expression of which too many are needed is refused. Engines that
//! never give up take time in proportion to its size for each byte: seconds for a crafted expression and the names of ten thousand topics.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::ErrorCode;
use regex::bytes::RegexBuilder;
use regex_automata::hybrid::dfa::DFA;
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::super::cluster::Cluster;
use super::Refusal;

/// Bytes of a regular expression.
const CHARS_MAX: usize = 4_096;
/// Bytes of the program it is compiled to.
const PROGRAM_BYTES_MAX: usize = 64 << 10;
/// Bytes of the states that are built while names are matched; with more, matching is given up. That is a few milliseconds.
const STATES_BYTES_MAX: usize = 256 << 10;

/// A compiled expression.
#[derive(Clone, Debug)]
pub(super) struct TopicPattern {
    dfa: DFA,
}

/// Matching was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooHard;

fn refusal(regex: &str, why: &str) -> Refusal {
    let message =
        format!("SubscribedTopicRegex `{regex}` is not a valid regular expression: {why}.");
    Refusal::new(ErrorCode::InvalidRegularExpression, message)
}

impl TooHard {
    pub(super) fn refusal(self, regex: &str) -> Refusal {
        refusal(
            regex,
            "it takes too long to match the names of the topics with it",
        )
    }
}

/// Compiles an expression that has to match the whole name. Time and memory are bounded.
///
/// Classes such as `\w` are those of ASCII, as in RE2, unless the expression asks for Unicode with `\p`: names of topics are ASCII.
pub(super) fn compile(regex: &str) -> Result<TopicPattern, Refusal> {
    if regex.len() > CHARS_MAX {
        let message = "SubscribedTopicRegex is too long.";
        return Err(Refusal::new(ErrorCode::InvalidRegularExpression, message));
    }
    // For what its errors say.
    let check = |pattern: &str, unicode: bool| {
        let mut builder = RegexBuilder::new(pattern);
        let builder = builder.unicode(unicode).size_limit(PROGRAM_BYTES_MAX);
        builder.build().map(drop)
    };
    // By itself first, so that it cannot close the group that is put around it.
    let unicode = match check(regex, false) {
        Ok(()) => false,
        Err(_) => match check(regex, true) {
            Ok(()) => true,
            Err(error) => return Err(refusal(regex, &first_line_of(&error))),
        },
    };
    let pattern = format!(r"\A(?:{regex})\z");
    check(&pattern, unicode).map_err(|error| refusal(regex, &first_line_of(&error)))?;
    let config = DFA::config()
        .cache_capacity(STATES_BYTES_MAX)
        .skip_cache_capacity_check(true)
        .minimum_cache_clear_count(Some(1))
        // What is not ASCII is not matched, and names are.
        .unicode_word_boundary(true);
    let dfa = DFA::builder()
        .configure(config)
        .syntax(syntax::Config::new().unicode(unicode).utf8(false))
        .thompson(
            thompson::Config::new()
                .utf8(false)
                .nfa_size_limit(Some(2 * PROGRAM_BYTES_MAX)),
        )
        .build(&pattern);
    dfa.map(|dfa| TopicPattern { dfa })
        .map_err(|error| refusal(regex, &error.to_string()))
}

/// What is wrong, without the drawing of where.
fn first_line_of(error: &regex::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default();
    last.trim_start_matches("error: ").to_owned()
}

impl TopicPattern {
    /// The names that match.
    pub(super) fn resolve(&self, cluster: &dyn Cluster) -> Result<BTreeSet<Arc<str>>, TooHard> {
        let mut cache = self.dfa.create_cache();
        let mut topics = BTreeSet::new();
        for name in cluster.names() {
            let input = Input::new(name.as_bytes())
                .anchored(Anchored::Yes)
                .earliest(true);
            match self.dfa.try_search_fwd(&mut cache, &input) {
                Ok(Some(_)) => topics.insert(name),
                Ok(None) => false,
                Err(_) => return Err(TooHard),
            };
        }
        Ok(topics)
    }
}
