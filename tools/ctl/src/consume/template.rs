//! How records are printed.

use std::io::{self, Write};

use super::Shown;

/// What is printed of each record, in order. Written as a text in which
///
/// | | is |
/// |---|---|
/// | `%t` `%p` `%o` | the topic, the partition, the offset |
/// | `%d` | the timestamp, in milliseconds since the epoch |
/// | `%k` `%v` | the key, the value: their bytes, nothing where there is none |
/// | `%K` `%V` | how many bytes those have, -1 where there is none |
/// | `%h` | the headers, `name=value` with commas |
/// | `%%` | a percent sign |
/// | `\n` `\t` `\0` `\\` | the end of a line, a tabulator, a zero, a backslash |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(Vec<u8>),
    Topic,
    Partition,
    Offset,
    Timestamp,
    Key,
    KeyLength,
    Value,
    ValueLength,
    Headers,
}

/// A template that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A percent sign, and then something else.
    #[error("%{0} means nothing; there are %t %p %o %d %k %v %K %V %h and %%")]
    Field(char),
    /// A backslash, and then something else.
    #[error("\\{0} means nothing; there are \\n \\t \\0 and \\\\")]
    Escape(char),
    /// It ends in the middle.
    #[error("it ends with a {0}")]
    End(char),
}

impl Template {
    /// Reads one.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut pieces = Vec::new();
        let mut plain = Vec::new();
        let mut characters = text.chars();
        while let Some(first) = characters.next() {
            if first != '%' && first != '\\' {
                let mut bytes = [0; 4];
                plain.extend_from_slice(first.encode_utf8(&mut bytes).as_bytes());
                continue;
            }
            let second = characters.next().ok_or(TemplateError::End(first))?;
            match (first, second) {
                ('%', '%') => plain.push(b'%'),
                ('\\', _) => plain.push(escaped(second)?),
                _ => {
                    let field = field(second)?;
                    if !plain.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    pieces.push(field);
                }
            }
        }
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Template(pieces))
    }

    /// Prints a record.
    pub fn print(&self, shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
        let record = shown.record;
        let length = |bytes: Option<&[u8]>| bytes.map_or(-1, |it| it.len() as i64);
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.write_all(text)?,
                Piece::Topic => out.write_all(shown.topic.as_bytes())?,
                Piece::Partition => write!(out, "{}", shown.partition)?,
                Piece::Offset => write!(out, "{}", record.offset)?,
                Piece::Timestamp => write!(out, "{}", record.timestamp)?,
                Piece::Key => out.write_all(record.key.unwrap_or_default())?,
                Piece::KeyLength => write!(out, "{}", length(record.key))?,
                Piece::Value => out.write_all(record.value.unwrap_or_default())?,
                Piece::ValueLength => write!(out, "{}", length(record.value))?,
                Piece::Headers => headers(shown, out)?,
            }
        }
        Ok(())
    }
}

fn headers(shown: &Shown<'_>, out: &mut dyn Write) -> io::Result<()> {
    for (at, (name, value)) in shown.record.headers.clone().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        out.write_all(name.as_ref())?;
        out.write_all(b"=")?;
        out.write_all(value.unwrap_or_default())?;
    }
    Ok(())
}

fn escaped(character: char) -> Result<u8, TemplateError> {
    match character {
        'n' => Ok(b'\n'),
        't' => Ok(b'\t'),
        '0' => Ok(0),
        '\\' => Ok(b'\\'),
        other => Err(TemplateError::Escape(other)),
    }
}

fn field(character: char) -> Result<Piece, TemplateError> {
    match character {
        't' => Ok(Piece::Topic),
        'p' => Ok(Piece::Partition),
        'o' => Ok(Piece::Offset),
        'd' => Ok(Piece::Timestamp),
        'k' => Ok(Piece::Key),
        'K' => Ok(Piece::KeyLength),
        'v' => Ok(Piece::Value),
        'V' => Ok(Piece::ValueLength),
        'h' => Ok(Piece::Headers),
        other => Err(TemplateError::Field(other)),
    }
}

#[cfg(test)]
mod tests;
