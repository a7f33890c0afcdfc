//! Line protocol as DataKit 1.84 reads it.
//!
//! Owns what is rejected. What DataKit accepts and then changes in silence is the business of its caller.

use super::FieldValue;

/// A line as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) measurement: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) fields: Vec<(String, FieldValue)>,
    pub(super) time: Option<i64>,
    /// Where it begins in the body.
    pub(super) offset: usize,
    pub(super) text: String,
}

/// A line that is no line protocol, and where it begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) offset: usize,
    pub(super) why: &'static str,
}

/// All lines of a body, good and bad.
pub(super) fn parse(body: &[u8]) -> Vec<Result<Line, Bad>> {
    let Ok(text) = std::str::from_utf8(body) else {
        return vec![Err(Bad { offset: 0, why: "invalid UTF-8" })];
    };
    let mut lines = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let length = end_of_line(&text[at..]);
        let line = &text[at..at + length];
        if !line.trim().is_empty() && !line.starts_with('#') {
            lines.push(one(line, at));
        }
        at += length + 1;
    }
    lines
}

/// A line ends at a line feed that stands in no quotes.
fn end_of_line(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut quoted, mut at, mut fields) = (false, 0, false);
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b' ' if !quoted => fields = true,
            b'"' if fields => quoted = !quoted,
            b'\n' if !quoted => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn one(line: &str, offset: usize) -> Result<Line, Bad> {
    let bad = |why| Bad { offset, why };
    if line.ends_with('\r') {
        return Err(bad("carriage return"));
    }
    let mut rest = line;
    let (measurement, stop) = part(&mut rest, b", ").map_err(bad)?;
    if measurement.is_empty() {
        return Err(bad("missing measurement"));
    }
    let series = line.len();
    let mut tags: Vec<(String, String)> = Vec::new();
    let mut stop = stop;
    while stop == Some(b',') {
        let (key, after) = part(&mut rest, b"=, ").map_err(bad)?;
        if key.is_empty() || after != Some(b'=') {
            return Err(bad("missing tag value"));
        }
        let (value, next) = part(&mut rest, b"=, ").map_err(bad)?;
        if value.is_empty() || next == Some(b'=') {
            return Err(bad("missing tag value"));
        }
        if value.ends_with('\\') {
            return Err(bad("a tag value ends in a backslash"));
        }
        if tags.iter().any(|(known, _)| *known == key) {
            return Err(bad("duplicate tags"));
        }
        tags.push((key, value));
        stop = next;
    }
    if stop != Some(b' ') {
        return Err(bad("missing fields"));
    }
    if series - rest.len() - 1 > 65_535 {
        return Err(bad("max key length exceeded"));
    }
    let mut fields = Vec::new();
    loop {
        let (key, after) = part(&mut rest, b"=, ").map_err(bad)?;
        if key.is_empty() || after != Some(b'=') {
            return Err(bad("invalid field format"));
        }
        let value = field_value(&mut rest).map_err(bad)?;
        fields.push((key, value));
        match rest.bytes().next() {
            Some(b',') => rest = &rest[1..],
            Some(b' ') => {
                rest = &rest[1..];
                break;
            }
            None => break,
            _ => return Err(bad("invalid field format")),
        }
    }
    let time = match rest.trim() {
        "" => None,
        digits => Some(digits.parse().map_err(|_| bad("bad timestamp"))?),
    };
    Ok(Line { measurement, tags, fields, time, offset, text: line.to_owned() })
}

/// Text up to a stop that is not escaped; the stop is eaten.
fn part(rest: &mut &str, stops: &[u8]) -> Result<(String, Option<u8>), &'static str> {
    let bytes = rest.as_bytes();
    let mut text = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        if byte == b'\\' && bytes.get(at + 1).is_some_and(|next| matches!(next, b',' | b'=' | b' ')) {
            text.push(bytes[at + 1]);
            at += 2;
            continue;
        }
        if stops.contains(&byte) {
            break;
        }
        if byte == b'\n' {
            return Err("line feed in a key or tag");
        }
        text.push(byte);
        at += 1;
    }
    let stop = bytes.get(at).copied();
    *rest = if stop.is_some() { &rest[at + 1..] } else { "" };
    Ok((String::from_utf8(text).map_err(|_| "invalid UTF-8")?, stop))
}

fn field_value(rest: &mut &str) -> Result<FieldValue, &'static str> {
    if let Some(quoted) = rest.strip_prefix('"') {
        let mut text = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '\\' => match characters.next() {
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => {
                        text.push('\\');
                        text.push(other);
                    }
                    None => return Err("unbalanced quotes"),
                },
                '"' => {
                    *rest = &quoted[at + 1..];
                    return Ok(FieldValue::Text(text));
                }
                other => text.push(other),
            }
        }
        return Err("unbalanced quotes");
    }
    let end = rest.find([',', ' ']).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    *rest = after;
    number(word).ok_or("invalid field value")
}

fn number(word: &str) -> Option<FieldValue> {
    match word {
        "true" | "True" | "TRUE" | "t" | "T" => return Some(FieldValue::Boolean(true)),
        "false" | "False" | "FALSE" | "f" | "F" => return Some(FieldValue::Boolean(false)),
        _ => {}
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(integer) = word.strip_suffix('i') {
        return digits(integer.strip_prefix('-').unwrap_or(integer))
            .then(|| integer.parse().ok().map(FieldValue::Integer))?;
    }
    if let Some(integer) = word.strip_suffix('u') {
        return digits(integer).then(|| integer.parse().ok().map(FieldValue::Unsigned))?;
    }
    let plain = word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if !plain || word.starts_with('+') {
        return None;
    }
    word.parse::<f64>().ok().filter(|number| number.is_finite()).map(FieldValue::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_datakit_rejects() {
        for bad in [
            "m v=NaN 1",
            "m v=Inf 1",
            "m v=+1 1",
            "m v=1e400 1",
            "m v=9223372036854775808i 1",
            "m,t= v=1 1",
            "m,t=a,t=b v=1 1",
            "m,t=a\\ v=1 1",
            "m,t=a\nb v=1 1",
            "m v=1, w=2 1",
            "m 1",
            "m",
            ",t=a v=1 1",
            "m,t v=1 1",
            "m v=\"a 1",
            "m v=1 x",
            "m v=1\r",
            "m v= 1",
            "m =1 1",
        ] {
            assert!(parse(bad.as_bytes()).iter().any(Result::is_err), "{bad:?}");
        }
        let long = format!("m,t={} v=1 1", "x".repeat(70_000));
        assert!(parse(long.as_bytes())[0].is_err());
    }

    #[test]
    fn what_datakit_reads() {
        let lines = parse("aws_AWS/EC2,Cluster\\ Name=a\\,b\\=c,z=\"q\" v=1.5,i=-3i,u=7u,b=true,s=\"two\nlines \\\"x\\\" \\\\\" 1700000000000000000\nm v=1".as_bytes());
        assert_eq!(lines.len(), 2);
        let line = lines[0].as_ref().unwrap();
        assert_eq!(
            line.tags,
            [("Cluster Name".to_owned(), "a,b=c".to_owned()), ("z".to_owned(), "\"q\"".to_owned())]
        );
        assert_eq!(line.fields[4].1, FieldValue::Text("two\nlines \"x\" \\".into()));
        assert_eq!(line.fields[1].1, FieldValue::Integer(-3));
        assert_eq!(line.time, Some(1_700_000_000_000_000_000));
        assert_eq!(lines[1].as_ref().unwrap().offset, line.text.len() + 1);
    }
}
