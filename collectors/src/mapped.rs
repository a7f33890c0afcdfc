//! Maps out of pairs.
//!
//! `collect` sorts the pairs first, and a sort is 6 kB of code for each kind of iterator: sixty of them were half a megabyte of the program.
//! A map that is filled pair by pair needs none.

/// Pairs that become a map.
pub trait Mapped: Iterator + Sized {
    /// The map; of one key the last value stays, as with `collect`.
    fn mapped<M: Default + Extend<Self::Item>>(self) -> M {
        let mut map = M::default();
        map.extend(self);
        map
    }
}

impl<I: Iterator> Mapped for I {}
