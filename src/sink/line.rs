//! One point as one line.
//!
//! Owns the escapes and DataKit's limits: what DataKit would cut, drop or reject is cut or left out here first, at a character's edge, in a
//! steady order, and counted in [`Notes`].

use funchost_collectors::point::{Category, Point, Text, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

/// DataKit cuts longer tag values, in the middle of a character.
pub const TAG_VALUE_BYTES: usize = 1024;
/// DataKit cuts longer keys.
pub const KEY_BYTES: usize = 256;
/// DataKit cuts longer measurements.
pub const MEASUREMENT_BYTES: usize = 1024;
/// DataKit takes no more tags.
pub const TAGS: usize = 256;
/// Of more fields DataKit keeps a random set.
pub const FIELDS: usize = 1024;
/// Measurement and tags together, as written.
pub const SERIES_BYTES: usize = 65_535;
/// From this size on, a point loses fields: DataKit drops points of about 1 MiB without a word.
pub const POINT_BYTES: usize = 900_000;

/// What was changed so that DataKit takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A tag value was cut.
    TagValueCut,
    /// A tag or field key was cut.
    KeyCut,
    /// The measurement was cut.
    MeasurementCut,
    /// A line break, which no tag can hold, became a blank.
    LineBreak,
    /// Backslashes at the end of a tag value, for which there is no escape, were left out.
    TrailingBackslash,
    /// More tags than DataKit takes.
    TagsDropped,
    /// More fields than DataKit takes.
    FieldsDropped,
    /// A field of the same key as a tag: the tag wins.
    FieldIsTag,
    /// A key that stands twice: the first stays.
    KeyTwice,
    /// A number that is not finite.
    NotFinite,
    /// Text in a metric, which DataKit drops.
    TextInMetric,
    /// A field was left out because the point is too large.
    TooLarge,
}

impl Change {
    fn words(self) -> &'static str {
        match self {
            Self::TagValueCut => "tag values cut to 1,024 bytes",
            Self::KeyCut => "keys cut to 256 bytes",
            Self::MeasurementCut => "measurements cut to 1,024 bytes",
            Self::LineBreak => "line breaks in names or tags written as blanks",
            Self::TrailingBackslash => "backslashes at the end of a name or tag left out",
            Self::TagsDropped => "tags left out: DataKit takes 256",
            Self::FieldsDropped => "fields left out: DataKit takes 1,024",
            Self::FieldIsTag => "fields left out: a tag has the same key",
            Self::KeyTwice => "keys left out: they stand twice",
            Self::NotFinite => "fields left out: not a finite number",
            Self::TextInMetric => "text fields left out: metrics hold numbers only",
            Self::TooLarge => "fields left out: the point is larger than 900 kB",
        }
    }
}

/// What was changed, how often, with one example each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(BTreeMap<Change, (u64, String)>);

impl Notes {
    /// How often a change was made.
    #[must_use]
    pub fn count(&self, change: Change) -> u64 {
        self.0.get(&change).map_or(0, |(count, _)| *count)
    }

    /// For a person: one line for each kind of change that loses something a person would look for.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        self.0
            .iter()
            .map(|(change, (count, example))| format!("{}: {count} (such as {example})", change.words()))
            .collect()
    }

    fn add(&mut self, change: Change, point: &Point, key: &str) {
        let entry = self.0.entry(change).or_insert_with(|| {
            let short: String = key.chars().take(60).collect();
            (0, format!("{} {short}", point.measurement))
        });
        entry.0 += 1;
    }
}

/// Why a point cannot be written at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nothing is left that DataKit would take as a field.
    #[error("a point of {0} has no field that can be written")]
    NoField(Text),
    /// Nothing is left of its measurement.
    #[error("a point has no measurement")]
    NoMeasurement,
    /// Its measurement and tags are too long together.
    #[error("the tags of a point of {0} are longer than 65,535 bytes together")]
    TagsTooLong(Text),
    /// Even without its JSON fields it is too large.
    #[error("a point of {0} is larger than 900 kB without its JSON fields")]
    TooLarge(Text),
}

/// Tags that many points have in common, in lists.
pub type Added<'tags> = &'tags [&'tags [(Text, Text)]];

/// Appends a point as one line, without a line end. On an error nothing is appended.
///
/// # Errors
/// [`Refused`] where nothing that DataKit would take is left.
pub fn encode(point: &Point, out: &mut Vec<u8>, notes: &mut Notes) -> Result<(), Refused> {
    encode_with(point, &[], out, notes)
}

/// The same, with further tags: what [`Point::add_tag`] would make of them, without a copy of each in every point.
///
/// # Errors
/// As [`encode`].
pub fn encode_with(
    point: &Point,
    added: Added<'_>,
    out: &mut Vec<u8>,
    notes: &mut Notes,
) -> Result<(), Refused> {
    let start = out.len();
    if plain(point, added, out) {
        return Ok(());
    }
    let whole = with(point, added);
    let point = whole.as_ref();
    let result = write(point, out, notes, &HashSet::new());
    let result = match result {
        Ok(()) if out.len() - start > POINT_BYTES => {
            out.truncate(start);
            shrink(point, out, notes)
        }
        other => other,
    };
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// A point that has the further tags itself.
#[must_use]
pub fn with<'point>(point: &'point Point, added: Added<'_>) -> Cow<'point, Point> {
    let mut whole = Cow::Borrowed(point);
    for (key, value) in added.iter().copied().flatten() {
        whole.to_mut().add_tag(key, value);
    }
    whole
}

/// Writes a point of which nothing has to be changed, as nearly all are; on any doubt says so, and nothing is appended.
///
/// The same line as [`write`] makes, without its lists of what was written.
fn plain(point: &Point, added: Added<'_>, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    let most = most(point, added);
    // More than that is cut or refused, and may not be: the other way finds out.
    if most > POINT_BYTES {
        return false;
    }
    out.resize(start + most, 0);
    let end = out.get_mut(start..).and_then(|room| lay(point, added, room));
    out.truncate(start + end.unwrap_or(0));
    end.is_some()
}

/// More bytes than a line of a point takes.
fn most(point: &Point, added: Added<'_>) -> usize {
    let mut most = point.measurement.len() + NUMBER;
    for (key, value) in point.tags.iter().chain(added.iter().copied().flatten()) {
        most += 2 * (key.len() + value.len() + 1);
    }
    for (key, value) in &point.fields {
        let text = if let Value::Text(text) = value { 2 * text.len() } else { 0 };
        most += 2 * (key.len() + 1) + text + NUMBER;
    }
    most
}

/// Points with more fields take the other way.
const PLAIN_FIELDS: usize = 128;

/// No number is longer, with what stands around it.
const NUMBER: usize = 32;

/// Lays a plain point out; says where its line ends.
fn lay(point: &Point, added: Added<'_>, room: &mut [u8]) -> Option<usize> {
    let Point { measurement, tags, fields, .. } = point;
    if measurement.is_empty() || measurement.len() > MEASUREMENT_BYTES {
        return None;
    }
    if tags.len() + added.iter().map(|list| list.len()).sum::<usize>() > TAGS {
        return None;
    }
    // More fields than this take the square of their number here.
    if fields.is_empty() || fields.len() > PLAIN_FIELDS {
        return None;
    }
    let mut line = Room { room, at: 0 };
    // A measurement has escapes of its own.
    if !line.copy(measurement.as_bytes())? {
        return None;
    }
    let mut seen = Seen::default();
    for (index, (key, value)) in tags.iter().enumerate() {
        if value.is_empty() || (seen.again(key) && stands(&tags[..index], key)) {
            return None;
        }
        line.tag(key, value)?;
    }
    for (number, list) in added.iter().enumerate() {
        for (index, (key, value)) in list.iter().enumerate() {
            let known = || stands(tags, key) || any(&added[..number], key) || stands(&list[..index], key);
            // What is there wins.
            if !(value.is_empty() || seen.again(key) && known()) {
                line.tag(key, value)?;
            }
        }
    }
    if line.at > SERIES_BYTES {
        return None;
    }
    let mut before = b' ';
    for (index, (key, value)) in fields.iter().enumerate() {
        if key.is_empty() || key.len() > KEY_BYTES {
            return None;
        }
        if seen.again(key) && (stands(tags, key) || any(added, key) || stands(&fields[..index], key)) {
            return None;
        }
        line.put(std::mem::replace(&mut before, b','))?;
        line.escaped(key)?;
        line.put(b'=')?;
        match value {
            Value::Float(number) if number.is_finite() => line.float(*number)?,
            Value::Float(_) => return None,
            Value::Integer(number) => {
                line.copy(itoa::Buffer::new().format(*number).as_bytes())?;
                line.put(b'i')?;
            }
            Value::Boolean(yes) => {
                line.copy(if *yes { b"true" } else { b"false" })?;
            }
            Value::Text(_) if point.category == Category::Metric => return None,
            Value::Text(text) => {
                line.put(b'"')?;
                line.quoted(text)?;
                line.put(b'"')?;
            }
        }
    }
    line.put(b' ')?;
    line.copy(itoa::Buffer::new().format(point.time).as_bytes())?;
    Some(line.at)
}

/// Which keys have been there, about: what was not is a new one, without a look at the others.
#[derive(Default)]
struct Seen([u64; 4]);

impl Seen {
    /// May this key have been there?
    #[inline(always)]
    fn again(&mut self, key: &str) -> bool {
        let bytes = key.as_bytes();
        let end = match (bytes.last_chunk::<8>(), bytes.last_chunk::<4>()) {
            (Some(end), _) => u64::from_le_bytes(*end),
            (None, Some(end)) => u64::from(u32::from_le_bytes(*end)),
            (None, None) => bytes.iter().fold(0, |end, byte| end << 8 | u64::from(*byte)),
        };
        // Multiplying carries every bit upwards; an odd number loses none.
        let mixed = (end ^ key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
        let bit = 1_u64 << (mixed % 64);
        let word = &mut self.0[(mixed / 64) as usize];
        let known = *word & bit != 0;
        *word |= bit;
        known
    }
}

/// Does a key stand among these?
fn stands<Any>(known: &[(Text, Any)], key: &str) -> bool {
    known.iter().any(|(known, _)| known.len() == key.len() && **known == *key)
}

/// Does a key stand in any of these lists?
fn any(lists: Added<'_>, key: &str) -> bool {
    lists.iter().any(|list| stands(list, key))
}

/// Where a line is laid out. All is done in place: a vector would write its length anew for every piece. None where there is no more room.
struct Room<'out> {
    room: &'out mut [u8],
    at: usize,
}

impl Room<'_> {
    #[inline(always)]
    fn put(&mut self, byte: u8) -> Option<()> {
        *self.room.get_mut(self.at)? = byte;
        self.at += 1;
        Some(())
    }

    #[inline(always)]
    fn tag(&mut self, key: &str, value: &str) -> Option<()> {
        if key.is_empty() || key.len() > KEY_BYTES || value.len() > TAG_VALUE_BYTES {
            return None;
        }
        self.put(b',')?;
        self.escaped(key)?;
        self.put(b'=')?;
        self.escaped(value)
    }

    /// Copies bytes in pieces of a fixed size, of which the last overlaps the one before: short texts, as nearly all are, without a call.
    /// Says whether all of them are nowhere special.
    #[inline(always)]
    fn copy(&mut self, bytes: &[u8]) -> Option<bool> {
        let room = self.room.get_mut(self.at..)?.get_mut(..bytes.len())?;
        self.at += bytes.len();
        Some(match bytes.len() {
            33.. => {
                let mut plain = two::<16>(bytes, room)?;
                for (to, from) in room.as_chunks_mut::<16>().0.iter_mut().zip(bytes.as_chunks::<16>().0) {
                    *to = *from;
                    plain &= is_plain(from);
                }
                plain
            }
            16.. => two::<16>(bytes, room)?,
            8.. => two::<8>(bytes, room)?,
            4.. => two::<4>(bytes, room)?,
            _ => {
                let mut plain = true;
                for (to, from) in room.iter_mut().zip(bytes) {
                    *to = *from;
                    plain &= is_plain(&[*from]);
                }
                plain
            }
        })
    }

    /// A number as the shortest text that reads back as the same.
    #[inline(always)]
    fn float(&mut self, number: f64) -> Option<()> {
        let Some((whole, thousandths)) = thousandths(number) else {
            self.copy(zmij::Buffer::new().format_finite(number).as_bytes())?;
            return Some(());
        };
        self.copy(itoa::Buffer::new().format(whole).as_bytes())?;
        self.put(b'.')?;
        let digit = |at: u32| b'0' + (thousandths / at % 10) as u8;
        *self.room.get_mut(self.at..)?.first_chunk_mut()? = [digit(100), digit(10), digit(1)];
        self.at += match thousandths {
            some if some % 10 != 0 => 3,
            some if some % 100 != 0 => 2,
            _ => 1,
        };
        Some(())
    }

    /// Copies a text that needs no escape, or nothing but blanks, commas and `=` escaped.
    #[inline(always)]
    fn escaped(&mut self, text: &str) -> Option<()> {
        let at = self.at;
        if self.copy(text.as_bytes())? {
            return Some(());
        }
        self.at = at;
        self.escape(text.as_bytes())
    }

    #[cold]
    fn escape(&mut self, bytes: &[u8]) -> Option<()> {
        for byte in bytes {
            match byte {
                b'\\' | b'\n' | b'\r' | b'\t' | b'#' => return None,
                b',' | b'=' | b' ' => self.put(b'\\')?,
                _ => {}
            }
            self.put(*byte)?;
        }
        Some(())
    }

    /// A field's text, without its quotes.
    fn quoted(&mut self, text: &str) -> Option<()> {
        let room = self.room.get_mut(self.at..)?.get_mut(..2 * text.len())?;
        let mut at = 0;
        for byte in text.bytes() {
            // Without a branch: the backslash is overwritten where it is not wanted.
            *room.get_mut(at)? = b'\\';
            at += usize::from(matches!(byte, b'"' | b'\\'));
            *room.get_mut(at)? = byte;
            at += 1;
        }
        self.at += at;
        Some(())
    }
}

/// A positive number of at most three decimals, as most measured ones are: whole and thousandths. As it has fewer than 16 digits, no shorter
/// text, and no other of this length, reads back as the same number.
#[inline(always)]
fn thousandths(number: f64) -> Option<(u64, u32)> {
    if !(0.001..1e11).contains(&number) {
        return None;
    }
    // Signed: the processor turns these into one another in one step.
    let scaled = (number * 1000.0 + 0.5) as i64;
    (scaled as f64 / 1000.0 == number).then_some((scaled as u64 / 1000, (scaled as u64 % 1000) as u32))
}

/// Copies the first and the last piece; says whether both are plain.
#[inline(always)]
fn two<const N: usize>(from: &[u8], to: &mut [u8]) -> Option<bool> {
    let (first, last) = (from.first_chunk::<N>()?, from.last_chunk::<N>()?);
    *to.first_chunk_mut::<N>()? = *first;
    *to.last_chunk_mut::<N>()? = *last;
    Some(is_plain(first) & is_plain(last))
}

/// Is every byte one that is nowhere special? What is said to be special need not be: all below `-` counts, which is one comparison.
#[inline(always)]
fn is_plain<const N: usize>(bytes: &[u8; N]) -> bool {
    // Without a way out in the middle the compiler compares all of them at once.
    bytes.iter().fold(true, |plain, byte| plain & (*byte >= b'-') & (*byte != b'=') & (*byte != b'\\'))
}

/// Leaves out `message`, then the largest text fields, until the point is small enough.
fn shrink(point: &Point, out: &mut Vec<u8>, notes: &mut Notes) -> Result<(), Refused> {
    let start = out.len();
    let mut texts: Vec<(usize, usize)> = point
        .fields
        .iter()
        .enumerate()
        .filter_map(|(index, (key, value))| match value {
            Value::Text(text) => Some((if &**key == "message" { usize::MAX } else { text.len() }, index)),
            _ => None,
        })
        .collect();
    texts.sort_unstable_by_key(|(size, index)| (std::cmp::Reverse(*size), *index));
    let mut without = HashSet::new();
    for (_, index) in texts {
        without.insert(index);
        notes.add(Change::TooLarge, point, &point.fields[index].0);
        out.truncate(start);
        // Counted once already; the second writing must not count again.
        write(point, out, &mut Notes::default(), &without)?;
        if out.len() - start <= POINT_BYTES {
            return Ok(());
        }
    }
    Err(Refused::TooLarge(point.measurement.clone()))
}

fn write(
    point: &Point,
    out: &mut Vec<u8>,
    notes: &mut Notes,
    without: &HashSet<usize>,
) -> Result<(), Refused> {
    let start = out.len();
    measurement(point, out, notes)?;
    let tags = tags(point, out, notes);
    if out.len() - start > SERIES_BYTES {
        return Err(Refused::TagsTooLong(point.measurement.clone()));
    }
    out.push(b' ');
    let mut written: Vec<Cow<'_, str>> = Vec::with_capacity(point.fields.len().min(FIELDS));
    for (index, (key, value)) in point.fields.iter().enumerate() {
        if without.contains(&index) {
            continue;
        }
        let name = field_key(key, point, notes);
        if name.is_empty() {
            continue;
        }
        let change = match value {
            Value::Float(number) if !number.is_finite() => Some(Change::NotFinite),
            Value::Text(_) if point.category == Category::Metric => Some(Change::TextInMetric),
            _ if tags.contains(&name) => Some(Change::FieldIsTag),
            _ if contains(&written, &name) => Some(Change::KeyTwice),
            _ if written.len() == FIELDS => Some(Change::FieldsDropped),
            _ => None,
        };
        if let Some(change) = change {
            notes.add(change, point, key);
            continue;
        }
        if !written.is_empty() {
            out.push(b',');
        }
        escape_key(&name, out);
        out.push(b'=');
        field_value(value, out);
        written.push(name);
    }
    if written.is_empty() {
        return Err(Refused::NoField(point.measurement.clone()));
    }
    out.push(b' ');
    out.extend_from_slice(itoa::Buffer::new().format(point.time).as_bytes());
    Ok(())
}

/// Few fields are compared one by one; many would take the square of their number.
fn contains(written: &[Cow<'_, str>], name: &str) -> bool {
    written.iter().any(|known| known.len() == name.len() && known == name)
}

fn measurement(point: &Point, out: &mut Vec<u8>, notes: &mut Notes) -> Result<(), Refused> {
    let name = &point.measurement;
    let mut clean = Cow::Borrowed(&**name);
    if needs(name, |byte| matches!(byte, b'\\' | b'\t' | b'\r' | b'\n')) || name.starts_with('#') {
        if name.contains(['\n', '\r']) {
            notes.add(Change::LineBreak, point, "");
        }
        let text: String = name
            .chars()
            .filter_map(|c| match c {
                '\\' => None,
                '\t' | '\r' | '\n' => Some(' '),
                other => Some(other),
            })
            .collect();
        clean = Cow::Owned(text.trim_start_matches('#').to_owned());
    }
    let cut = cut(&clean, MEASUREMENT_BYTES);
    if cut.len() < clean.len() {
        notes.add(Change::MeasurementCut, point, "");
    }
    if cut.is_empty() {
        return Err(Refused::NoMeasurement);
    }
    for byte in cut.bytes() {
        if matches!(byte, b',' | b' ') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    Ok(())
}

/// Writes the tags; answers with their keys as they are read back.
fn tags<'point>(point: &'point Point, out: &mut Vec<u8>, notes: &mut Notes) -> Vec<Cow<'point, str>> {
    let mut written: Vec<Cow<'point, str>> = Vec::with_capacity(point.tags.len().min(TAGS));
    for (key, value) in &point.tags {
        let name = tag_part(key, KEY_BYTES, Change::KeyCut, point, key, notes);
        let value = tag_part(value, TAG_VALUE_BYTES, Change::TagValueCut, point, key, notes);
        // Line protocol has no empty tag: one that says nothing is not there.
        if name.is_empty() || value.is_empty() {
            continue;
        }
        if contains(&written, &name) {
            notes.add(Change::KeyTwice, point, key);
            continue;
        }
        if written.len() == TAGS {
            notes.add(Change::TagsDropped, point, key);
            continue;
        }
        out.push(b',');
        escape_key(&name, out);
        out.push(b'=');
        escape_key(&value, out);
        written.push(name);
    }
    written
}

/// A tag's key or value as DataKit can hold it.
fn tag_part<'text>(
    text: &'text str,
    most: usize,
    change: Change,
    point: &Point,
    key: &str,
    notes: &mut Notes,
) -> Cow<'text, str> {
    let mut clean = Cow::Borrowed(text);
    if needs(text, |byte| matches!(byte, b'\n' | b'\r')) {
        notes.add(Change::LineBreak, point, key);
        clean = Cow::Owned(text.replace(['\n', '\r'], " "));
    }
    let kept = cut(&clean, most);
    if kept.len() < clean.len() {
        notes.add(change, point, key);
    }
    // After the cut: it may end in a backslash only now.
    let stripped = kept.trim_end_matches('\\');
    if stripped.len() < kept.len() {
        notes.add(Change::TrailingBackslash, point, key);
    }
    let length = stripped.len();
    match clean {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
        Cow::Owned(mut text) => {
            text.truncate(length);
            Cow::Owned(text)
        }
    }
}

/// A field's key as DataKit can hold it: without backslashes, tabs, line breaks and leading `#`.
fn field_key<'text>(key: &'text str, point: &Point, notes: &mut Notes) -> Cow<'text, str> {
    let mut clean = Cow::Borrowed(key);
    if needs(key, |byte| matches!(byte, b'\\' | b'\t' | b'\r' | b'\n')) || key.starts_with('#') {
        if key.contains('\n') {
            notes.add(Change::LineBreak, point, key);
        }
        let text: String = key
            .chars()
            .filter_map(|c| match c {
                '\\' | '\t' | '\r' => None,
                '\n' => Some(' '),
                other => Some(other),
            })
            .collect();
        clean = Cow::Owned(text.trim_start_matches('#').to_owned());
    }
    let length = cut(&clean, KEY_BYTES).len();
    if length < clean.len() {
        notes.add(Change::KeyCut, point, key);
    }
    match clean {
        Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
        Cow::Owned(mut text) => {
            text.truncate(length);
            Cow::Owned(text)
        }
    }
}

fn field_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Float(number) => out.extend_from_slice(zmij::Buffer::new().format_finite(*number).as_bytes()),
        Value::Integer(number) => {
            out.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
            out.push(b'i');
        }
        Value::Boolean(yes) => out.extend_from_slice(if *yes { b"true" } else { b"false" }),
        Value::Text(text) => {
            out.push(b'"');
            escape(text, |byte| matches!(byte, b'"' | b'\\'), out);
            out.push(b'"');
        }
    }
}

/// Keys and tag values: `,`, `=` and blanks are escaped.
fn escape_key(text: &str, out: &mut Vec<u8>) {
    escape(text, |byte| matches!(byte, b',' | b'=' | b' '), out);
}

/// Copies runs that need no escape whole. All escaped bytes are ASCII, so no character is split.
fn escape(text: &str, special: impl Fn(u8) -> bool, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let mut from = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if special(*byte) {
            out.extend_from_slice(&bytes[from..at]);
            out.push(b'\\');
            from = at;
        }
    }
    out.extend_from_slice(&bytes[from..]);
}

fn needs(text: &str, special: impl Fn(u8) -> bool) -> bool {
    text.bytes().any(special)
}

/// At most so many bytes, cut at a character's edge.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}
