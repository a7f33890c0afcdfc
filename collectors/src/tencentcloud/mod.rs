//! Tencent Cloud: signing, endpoints, errors, and one file for each collector.

pub mod client;
pub mod cos;
pub mod cvm;
pub mod endpoint;
mod errors;
pub mod market;
pub mod monitor;
pub mod sign;
