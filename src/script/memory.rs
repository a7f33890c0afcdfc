//! The memory of a script: what its own thread holds, counted by the allocator.
//!
//! Owns the process's allocator, which is mimalloc with one counter a thread. Rhai's own limits on texts and lists would
//! make building a list quadratic. Knows nothing of scripts: the engine asks between two operations.
//!
//! mimalloc keeps what was freed for the next who asks, also of threads that have ended, and gives it back while it works. A service that
//! has nothing to do asks for nothing, and would hold for ever what its last scripts took: see [`rest`].

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::time::{Duration, Instant};

thread_local! {
    /// Bytes held by this thread since [`begin`]; below 0 where it freed what others had allocated.
    static HELD: Cell<i64> = const { Cell::new(0) };
    /// Is this thread counted now.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
    /// When this thread gave back what it did not use.
    static RESTED: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Bytes that it freed since then.
    static FREED: Cell<usize> = const { Cell::new(0) };
}

/// No thread gives memory back more often, unless it has freed [`MUCH`]: what is needed again at once would have to be fetched from the system again.
const REST: Duration = Duration::from_secs(2);

/// So many bytes are given back as soon as there is nothing to do: nobody knows whether the thread will ever be woken again.
const MUCH: usize = 1 << 20;

unsafe extern "C" {
    /// mimalloc's own: gives back what this thread holds and does not use, and what threads that have ended left.
    fn mi_collect(force: bool);
}

/// mimalloc, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(change: i64) {
    // A thread that is ending has no counter any more, and needs none.
    let _ = COUNTED.try_with(|counted| {
        if counted.get() {
            let _ = HELD.try_with(|held| held.set(held.get() + change));
        }
    });
}

fn bytes(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

// SAFETY: every call goes to mimalloc unchanged; counting touches two thread-local cells that need no
// memory and have no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(bytes(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(bytes(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-bytes(layout.size()));
        let _ = FREED.try_with(|freed| freed.set(freed.get().wrapping_add(layout.size())));
        // SAFETY: the caller's promise, passed on.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(bytes(size) - bytes(layout.size()));
        // SAFETY: the caller's promise, passed on.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }
}

/// Counts this thread from now on, from 0.
pub(super) fn begin() {
    HELD.set(0);
    COUNTED.set(true);
}

/// Bytes that this thread holds since [`begin`].
pub(super) fn held() -> usize {
    usize::try_from(HELD.get()).unwrap_or(0)
}

/// For a thread that has nothing to do now: from time to time it gives the system back what nobody uses.
pub fn rest() {
    let now = Instant::now();
    if FREED.get() >= MUCH || RESTED.get().is_none_or(|rested| now.duration_since(rested) >= REST) {
        RESTED.set(Some(now));
        FREED.set(0);
        // SAFETY: mimalloc lets any thread call it at any time.
        unsafe { mi_collect(true) };
    }
}

/// Does something on this thread that is not the script's: takes or drops what other threads allocated.
pub(super) fn uncounted<T>(work: impl FnOnce() -> T) -> T {
    let before = COUNTED.replace(false);
    let result = work();
    COUNTED.set(before);
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_freed_since_a_rest_is_given_back_at_the_next_however_soon_that_is() {
        let rested = || {
            let before = RESTED.get();
            rest();
            RESTED.get() != before
        };
        assert!(rested(), "for the first time");
        drop(std::hint::black_box(vec![0_u8; MUCH / 2]));
        assert!(!rested(), "a little can wait");
        drop(std::hint::black_box(vec![0_u8; MUCH / 2]));
        assert!(rested());
        assert!(!rested(), "and it is done once");
    }
}
