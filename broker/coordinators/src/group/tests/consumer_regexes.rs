//! Members that are subscribed by regular expressions.

use super::consumer::{beat, first, owning};
use super::*;

#[test]
fn a_regular_expression_stands_for_the_topics_whose_whole_names_match() {
    let mut rig = rig();
    let matching = |member: &str, regex: &str| ConsumerHeartbeat {
        names: None,
        regex: Some(regex.into()),
        ..first(member)
    };
    assert_eq!(
        rig.told(matching("a", "t[0-9]*")),
        (1, Some(vec![])),
        "nothing, so far"
    );
    rig.topic("xt1", 5);
    rig.topic("t1x", 5);
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 1)), (1, None));
    let topic = rig.topic("t1", 2);
    rig.pass(1_000);
    assert_eq!(rig.told(beat("a", 1)), (2, Some(vec![0, 1])));
    rig.pass(1_000);
    assert_eq!(rig.told(matching("b", "t[0-9]*")), (3, Some(vec![])));
    assert_eq!(rig.told(beat("a", 2)), (2, Some(vec![0])));
    rig.reload();
    rig.delete_topic("t1");
    rig.pass(1_000);
    assert_eq!(rig.told(owning("a", 2, topic, &[0])), (2, Some(vec![])));
    assert_eq!(rig.described().members[0].regex.as_deref(), Some("t[0-9]*"));
    // The last one that wanted it is gone: so is the expression.
    rig.told(beat("a", -1));
    let none = ConsumerHeartbeat {
        regex: Some("".into()),
        ..beat("b", 3)
    };
    rig.told(none);
    let last = rig.log.iter().rev().find_map(|record| match record {
        GroupRecord::RegularExpression { value, .. } => Some(value.is_none()),
        _ => None,
    });
    assert_eq!(last, Some(true));
}

#[test]
fn regular_expressions_that_would_take_too_long_are_given_up() {
    let mut rig = rig();
    rig.topic("abbaabab-c", 1);
    // Engines that never give up take seconds for it, with ten thousand names.
    let with = |member: &str, regex: &str| ConsumerHeartbeat {
        member: member.into(),
        names: None,
        regex: Some(regex.into()),
        ..first(member)
    };
    let hard = "(?:(?:[ab]|a[ab]|[ab]*b)?){100}.*c";
    let answer = rig.ask(with("a", hard)).expect("there are few topics");
    assert_eq!(answer.assignment.expect("told").len(), 1);
    for number in 1..500_u64 {
        // As good as random.
        let letters = (1..240).map(|at| match (number * at * at * 0x9e37_79b9) >> 32 & 1 {
            0 => 'a',
            _ => 'b',
        });
        rig.topic(&letters.collect::<String>(), 1);
    }
    let (_, told) = rig.told(beat("a", 1));
    assert_eq!(told, Some(vec![0]), "it has what it had");

    let harder = format!("{hard}?");
    let refusal = rig.ask(with("b", &harder)).expect_err("too hard by now");
    assert_eq!(refusal.error, ErrorCode::InvalidRegularExpression);
    let mut message = "SubscribedTopicRegex `".to_owned();
    message += &harder;
    message += "` is not a valid regular expression: it takes too long to match the names of the topics with it.";
    assert_eq!(refusal.message, message);
    assert_eq!(rig.described().members.len(), 1);
}

#[test]
fn regular_expressions_are_bounded_and_cannot_break_out() {
    let mut rig = rig();
    rig.topic("t", 1);
    rig.topic("tt", 1);
    let with = |regex: &str| ConsumerHeartbeat {
        names: None,
        regex: Some(regex.into()),
        ..first("a")
    };
    let huge = "a".repeat(5_000);
    let nested = format!("{}{}", "(".repeat(1_000), ")".repeat(1_000));
    for regex in [
        "[",
        "(",
        "t)|(t",
        "*",
        r"(?x) t #",
        "(.*){1000}{1000}",
        "a{1000000}",
        &huge,
        &nested,
    ] {
        let refusal = rig.ask(with(regex)).expect_err(regex);
        assert_eq!(
            refusal.error,
            ErrorCode::InvalidRegularExpression,
            "{regex}"
        );
        assert!(!refusal.message.is_empty());
        assert_eq!(rig.state(), None, "{regex}: nothing is left of it");
    }
    for (regex, matches) in [
        ("t", 1),
        ("t+", 2),
        (r"\w", 1),
        (r"\p{L}t", 1),
        ("(?i)T", 1),
        ("t|tt", 2),
    ] {
        let answer = rig.ask(with(regex)).expect(regex);
        assert_eq!(answer.assignment.expect("told").len(), matches, "{regex}");
        rig.told(beat("a", -1));
        rig.pass(1_000);
    }
    for number in 0..64 {
        let member = format!("m{number}");
        let ask = ConsumerHeartbeat {
            member: member.as_str().into(),
            ..with(&format!("x{number}"))
        };
        assert!(rig.ask(ask).is_ok());
    }
    assert_eq!(rig.refused(with("one more")), ErrorCode::InvalidRequest);
}
