//! Packages of the script market for Alibaba Cloud, each a declaration in a file of its own.

use super::api::{Roa, Rpc};
use super::client::ASSUME_ROLE;
use crate::account::Cloud;
use crate::objects::declare::*;

pub mod alb;
pub mod analyticdb_postgresql;
pub mod cas;
pub mod cdn;
pub mod dcdn;
pub mod ddoscoo;
pub mod dns;
pub mod domain;
pub mod dts;
pub mod eip;
pub mod elasticsearch;
pub mod kafka;
pub mod lindorm;
pub mod mongodb;
pub mod nas;
pub mod nat;
pub mod polardb;
pub mod polardbx_1;
pub mod polardbx_2;
pub mod private_zone;
pub mod redis;
pub mod resource_package;
pub mod rocketmq4;
pub mod rocketmq5;
pub mod tds;
pub mod vpc;
pub mod vpn;
pub mod waf;

/// What they all say of themselves.
const OBJECTS: Description = objects_of(Cloud::Aliyun);
