//! Values that stand elsewhere, in the form of Kafka's configuration providers (KIP-297).
//!
//! | in the file | is replaced by |
//! |---|---|
//! | `${env:NAME}` | the variable of the environment (KIP-887) |
//! | `${directory:PATH:NAME}` | what the file `NAME` in the directory `PATH` holds, without the end of its last line (KIP-421) |
//!
//! Other than with Kafka nothing has to be turned on for it. Values are read once, at the start. What is read is not looked into again.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::Problem;
use super::settings::Given;

/// No value comes near this; a wrong path (a log, a device) is not read to its end.
const VALUE_BYTES_MAX: u64 = 64 << 10;

/// Replaces what a value refers to. One that is nothing but references, and of which nothing is left, is the default.
pub(super) fn resolve(given: Given, environment: &[(String, String)]) -> Result<Given, Problem> {
    let Some(text) = given.text.as_deref().filter(|text| text.contains("${")) else {
        return Ok(given);
    };
    let replaced = replace(text, environment)
        .map_err(|message| Problem::new(&given.origin, &given.name, message))?;
    Ok(Given {
        text: Some(replaced).filter(|text| !text.is_empty()),
        ..given
    })
}

fn replace(text: &str, environment: &[(String, String)]) -> Result<String, String> {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        replaced.push_str(before);
        let reference = from
            .split_once('}')
            .and_then(|(reference, after)| Some((reference[2..].split_once(':')?, after)));
        let Some(((provider, what), after)) = reference else {
            // Kafka takes what has no end or no provider as it is.
            replaced.push_str("${");
            rest = &from[2..];
            continue;
        };
        replaced.push_str(&value(provider, what, environment)?);
        rest = after;
    }
    replaced.push_str(rest);
    Ok(replaced)
}

fn value(provider: &str, what: &str, environment: &[(String, String)]) -> Result<String, String> {
    match provider {
        "env" => {
            let mut variables = environment.iter();
            let found = variables.find(|(name, _)| name == what);
            let found = found.map(|(_, value)| value.clone());
            found.ok_or_else(|| format!("${{env:{what}}}: the environment has no {what}"))
        }
        "directory" => {
            let (path, name) = what
                .split_once(':')
                .filter(|(path, name)| !path.is_empty() && !name.is_empty() && !name.contains('/'))
                .ok_or_else(|| {
                    format!("${{directory:{what}}}: expected ${{directory:PATH:NAME}}")
                })?;
            let path = Path::new(path).join(name);
            read(&path).map_err(|why| {
                let path = path.display();
                format!("${{directory:{what}}}: {path}: {why}")
            })
        }
        _ => Err(format!(
            "${{{provider}:...}}: there is no such provider; there are env and directory"
        )),
    }
}

fn read(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    let read = file
        .take(VALUE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    if read as u64 > VALUE_BYTES_MAX {
        return Err(format!("larger than {VALUE_BYTES_MAX} bytes"));
    }
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    Ok(value.to_owned())
}
