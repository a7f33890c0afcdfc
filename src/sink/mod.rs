//! The sink: points become line protocol, line protocol becomes requests to DataKit.
//!
//! Owns everything that knows line protocol. Follows what was measured on DataKit 1.84: it rejects a whole request for one bad line, and it
//! cuts, drops and rewrites in silence; so nothing that it would change is ever sent. Knows no cloud, no script and no SQL.

pub mod batch;
pub mod datakit;
pub mod line;
