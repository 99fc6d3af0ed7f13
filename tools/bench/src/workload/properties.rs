//! Texts in the form of Java's properties, as Kafka's clients are configured with.

use std::collections::BTreeMap;

/// Names and values: of a name that comes twice, the last value. What Java's `Properties.load` reads, but for `\uXXXX`, which stays as it is.
pub fn parse(text: &str) -> BTreeMap<String, String> {
    let mut properties = BTreeMap::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut whole = line.to_owned();
        while continues(&whole) {
            whole.pop();
            match lines.next() {
                Some(next) => whole += next.trim_start(),
                None => break,
            }
        }
        let (name, value) = split(&whole);
        properties.insert(unescaped(name), unescaped(value));
    }
    properties
}

/// Whether a line ends in a backslash that is not itself escaped.
fn continues(line: &str) -> bool {
    let backslashes = line.chars().rev().take_while(|it| *it == '\\').count();
    backslashes % 2 == 1
}

/// At the first `=`, `:` or blank, with blanks around it.
fn split(line: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = line.char_indices().find(|(_, it)| {
        let ends = !is_escaped && (matches!(it, '=' | ':') || it.is_whitespace());
        is_escaped = !is_escaped && *it == '\\';
        ends
    });
    let Some((end, _)) = end else {
        return (line, "");
    };
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    // Java keeps blanks at the end, which no setting of Kafka's means.
    (name, value.trim())
}

fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(it) = rest.next() {
        match it {
            '\\' => match rest.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some('r') => out.push('\r'),
                Some('u') => out.push_str("\\u"),
                Some(other) => out.push(other),
                None => {}
            },
            it => out.push(it),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).into_iter().collect()
    }

    #[track_caller]
    fn assert_reads(text: &str, expected: &[(&str, &str)]) {
        let expected = expected.iter();
        let expected = expected.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        assert_eq!(pairs(text), expected.collect::<Vec<_>>());
    }

    #[test]
    fn names_end_at_an_equals_sign_a_colon_or_a_blank() {
        let text = "acks=all\n  linger.ms = 5\nbatch.size: 131072\nretries 3\nempty\n";
        assert_reads(
            text,
            &[
                ("acks", "all"),
                ("batch.size", "131072"),
                ("empty", ""),
                ("linger.ms", "5"),
                ("retries", "3"),
            ],
        );
    }

    #[test]
    fn comments_are_left_out_and_the_last_value_counts() {
        assert_reads(
            "# acks=0\n! acks=1\n\nacks=1\r\nacks=all",
            &[("acks", "all")],
        );
    }

    #[test]
    fn lines_go_on_behind_a_backslash() {
        let text = "servers=a:1,\\\n    b:2\npath=c:\\\\\nlast=1\\";
        assert_reads(
            text,
            &[("last", "1"), ("path", "c:\\"), ("servers", "a:1,b:2")],
        );
    }

    #[test]
    fn escapes_are_read() {
        assert_reads(r"a\=b=c\td", &[("a=b", "c\td")]);
        assert_reads("", &[]);
    }
}
