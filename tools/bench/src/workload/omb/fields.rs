//! Fields of a YAML file by name, each of which is taken once; what is left is not known.

use std::collections::BTreeMap;

use serde_json::Value;

use super::wrong;
use crate::BenchError;

/// What a file says.
pub(super) struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// Of a text, which is called so in errors.
    pub(super) fn parse(text: &str, of: &str) -> Result<Fields, BenchError> {
        let values = serde_yaml::from_str(text);
        values
            .map(Fields)
            .map_err(|error| wrong(format!("{of}: {error}")))
    }

    /// Whatever it is. What is null is not there.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A whole number, from 0 to `greatest`.
    pub(super) fn number(&mut self, name: &str, greatest: u64) -> Result<Option<u64>, BenchError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let number = value.as_u64().filter(|number| *number <= greatest);
        let expected = format!("a whole number up to {greatest}");
        number
            .map(Some)
            .ok_or_else(|| is_not(name, &value, &expected))
    }

    /// A whole number without which there is no load.
    pub(super) fn needed(&mut self, name: &str, greatest: u64) -> Result<u64, BenchError> {
        let number = self.number(name, greatest)?;
        number.ok_or_else(|| wrong(format!("{name}: is missing")))
    }

    /// From 0 to 1.
    pub(super) fn share(&mut self, name: &str) -> Result<Option<f64>, BenchError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let share = value.as_f64().filter(|share| (0.0..=1.0).contains(share));
        share
            .map(Some)
            .ok_or_else(|| is_not(name, &value, "a number from 0 to 1"))
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, BenchError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let flag = value.as_bool();
        flag.map(Some)
            .ok_or_else(|| is_not(name, &value, "true or false"))
    }

    /// A text, or what is written like one.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, BenchError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
            Some(value) => Err(is_not(name, &value, "a text")),
        }
    }

    /// The names that nobody took.
    pub(super) fn unknown(self) -> impl Iterator<Item = String> {
        self.0.into_keys()
    }
}

fn is_not(name: &str, value: &Value, expected: &str) -> BenchError {
    wrong(format!("{name}: {value} is not {expected}"))
}
