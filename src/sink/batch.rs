//! Batches: lines on their way to DataKit, or into the outbox.
//!
//! Owns the limits of one request, and the form in which a batch is kept. Where each line lies and what time it has is known, so that single
//! lines can be taken out.

use flate2::Compression;
use flate2::write::GzEncoder;
use funchost_collectors::point::Category;
use std::io::Write as _;

/// Points of one request.
pub const POINTS: usize = 4_000;
/// Bytes of one request before it is packed. A point larger than that goes alone.
pub const BYTES: usize = 1_000_000;

/// The first byte of a kept batch.
const FORMAT: u8 = 1;

/// Lines of one category.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    category: Category,
    /// Each line with its line end.
    body: Vec<u8>,
    /// Where each line begins, and its time in nanoseconds.
    lines: Vec<(usize, i64)>,
}

/// A kept batch that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kept points are damaged")]
pub struct Damaged;

impl Batch {
    /// An empty batch.
    #[must_use]
    pub fn new(category: Category) -> Self {
        Self { category, body: Vec::new(), lines: Vec::new() }
    }

    /// Where it goes.
    #[must_use]
    pub fn category(&self) -> Category {
        self.category
    }

    /// How many points.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Is there nothing in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// May a line of so many bytes still go into this batch?
    #[must_use]
    pub fn fits(&self, bytes: usize) -> bool {
        self.is_empty() || (self.lines.len() < POINTS && self.body.len() + bytes < BYTES)
    }

    /// Adds a line (without its end) and its time.
    pub fn push(&mut self, line: &[u8], time: i64) {
        self.lines.push((self.body.len(), time));
        self.body.extend_from_slice(line);
        self.body.push(b'\n');
    }

    /// The request's body, not packed.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The time of the oldest point.
    #[must_use]
    pub fn oldest(&self) -> Option<i64> {
        self.lines.iter().map(|(_, time)| *time).min()
    }

    /// The time of the newest point.
    #[must_use]
    pub fn newest(&self) -> Option<i64> {
        self.lines.iter().map(|(_, time)| *time).max()
    }

    /// Adds all lines of another batch behind its own.
    pub fn append(&mut self, other: &Self) {
        for index in 0..other.len() {
            if let (Some(line), Some(time)) = (other.line(index), other.time(index)) {
                self.push(line, time);
            }
        }
    }

    /// A line without its end.
    #[must_use]
    pub fn line(&self, index: usize) -> Option<&[u8]> {
        let (start, _) = *self.lines.get(index)?;
        let end = self.lines.get(index + 1).map_or(self.body.len(), |(next, _)| *next);
        Some(&self.body[start..end - 1])
    }

    /// A line's time.
    #[must_use]
    pub fn time(&self, index: usize) -> Option<i64> {
        self.lines.get(index).map(|(_, time)| *time)
    }

    /// The line that holds a byte of the body.
    #[must_use]
    pub fn line_at(&self, offset: usize) -> Option<usize> {
        if offset >= self.body.len() {
            return None;
        }
        self.lines.partition_point(|(start, _)| *start <= offset).checked_sub(1)
    }

    /// The lines that a test keeps, in order.
    #[must_use]
    pub fn filter(&self, keep: impl Fn(usize, i64) -> bool) -> Self {
        let mut kept = Self::new(self.category);
        for (index, (_, time)) in self.lines.iter().enumerate() {
            if keep(index, *time)
                && let Some(line) = self.line(index)
            {
                kept.push(line, *time);
            }
        }
        kept
    }

    /// Leaves out points older than a time; says how many.
    pub fn drop_older_than(&mut self, time: i64) -> u64 {
        if self.oldest().is_none_or(|oldest| oldest >= time) {
            return 0;
        }
        let before = self.len();
        *self = self.filter(|_, own| own >= time);
        (before - self.len()) as u64
    }

    /// The body as gzip, fast rather than small.
    #[must_use]
    pub fn packed(&self) -> Vec<u8> {
        pack(&self.body)
    }

    /// The form in which a batch is kept: format, category, number of lines, each line's length and time, then the packed body.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let category = match self.category {
            Category::Metric => 0,
            Category::CustomObject => 1,
        };
        let mut bytes = vec![FORMAT, category];
        bytes.extend_from_slice(&(self.lines.len() as u32).to_le_bytes());
        for (index, (start, time)) in self.lines.iter().enumerate() {
            let end = self.lines.get(index + 1).map_or(self.body.len(), |(next, _)| *next);
            bytes.extend_from_slice(&((end - start) as u32).to_le_bytes());
            bytes.extend_from_slice(&time.to_le_bytes());
        }
        bytes.extend_from_slice(&self.packed());
        bytes
    }

    /// Reads what [`Batch::to_bytes`] wrote.
    ///
    /// # Errors
    /// [`Damaged`] where it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Damaged> {
        let (&[FORMAT, category], rest) = bytes.split_first_chunk::<2>().ok_or(Damaged)? else {
            return Err(Damaged);
        };
        let category = match category {
            0 => Category::Metric,
            1 => Category::CustomObject,
            _ => return Err(Damaged),
        };
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(Damaged)?;
        let count = u32::from_le_bytes(*count) as usize;
        if count > rest.len() / 12 {
            return Err(Damaged);
        }
        let mut lines = Vec::with_capacity(count);
        let mut start = 0_usize;
        for _ in 0..count {
            let (length, after) = rest.split_first_chunk::<4>().ok_or(Damaged)?;
            let (time, after) = after.split_first_chunk::<8>().ok_or(Damaged)?;
            let length = u32::from_le_bytes(*length) as usize;
            if length < 2 {
                return Err(Damaged);
            }
            lines.push((start, i64::from_le_bytes(*time)));
            start = start.checked_add(length).ok_or(Damaged)?;
            rest = after;
        }
        // One byte more than promised is enough to know that it is damaged.
        let mut body = Vec::new();
        let mut unpacked = std::io::Read::take(flate2::read::GzDecoder::new(rest), start as u64 + 1);
        std::io::Read::read_to_end(&mut unpacked, &mut body).map_err(|_| Damaged)?;
        let ends = lines.iter().skip(1).map(|(next, _)| *next).chain([start]);
        if body.len() != start || !ends.filter(|end| *end > 0).all(|end| body[end - 1] == b'\n') {
            return Err(Damaged);
        }
        Ok(Self { category, body, lines })
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8 + 64), Compression::new(1));
    // Writing into memory does not fail.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
