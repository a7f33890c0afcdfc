//! Alibaba Cloud: signing, endpoints, errors, and one file for each collector.

pub mod api;
pub mod client;
pub mod ecs;
pub mod endpoint;
mod errors;
pub mod market;
pub mod monitor;
pub mod oss;
pub mod rds;
pub mod sign;
pub mod slb;
