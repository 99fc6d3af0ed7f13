//! What stands behind the question mark of a path.

use std::collections::BTreeMap;

use super::Refusal;

/// Names and values, decoded. Of a name that is there twice the last value counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn of(text: Option<&str>) -> Result<Query, Refusal> {
        let pairs = text.unwrap_or_default().split('&');
        let mut values = BTreeMap::new();
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some((name, value)) = decoded(name).zip(decoded(value)) else {
                let why = "what is asked for is not percent-encoded UTF-8";
                return Err(Refusal::invalid(why));
            };
            values.insert(name, value);
        }
        Ok(Query(values))
    }

    /// A text, empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A number, 0 where there is none.
    pub(super) fn number(&self, name: &str) -> Result<usize, Refusal> {
        match self.text(name) {
            "" => Ok(0),
            text => text
                .parse()
                .map_err(|_| Refusal::invalid(format!("{name} is no number"))),
        }
    }

    pub(super) fn is_set(&self, name: &str) -> bool {
        self.text(name) == "true"
    }

    pub(super) fn filter(&self) -> Filter {
        Filter(self.text("filter").to_lowercase())
    }
}

/// Names that contain a text, whatever the case.
#[derive(Debug)]
pub(super) struct Filter(String);

impl Filter {
    pub(super) fn matches(&self, name: &str) -> bool {
        self.0.is_empty() || name.to_lowercase().contains(&self.0)
    }
}

/// `None` where a percent sign stands without two digits, or what comes of it is no UTF-8. A plus is a plus: it is only a space in forms.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
        bytes.push(u8::try_from(high? * 16 + low?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
