//! Packages of the script market for AWS, each a declaration in a file of its own.
//!
//! Left out: `lambda`, `dynamodb_dax` and `neptune_cluster`, whose manuals print another product's object, and `vpc_endpoint` and
//! `vpc_nat_gateway`, whose manuals' samples are not to be had: what they would report is nowhere said.

use super::api::{BUCKET, Query, Rest, S3, Target};
use super::client::ASSUME_ROLE;
use crate::account::Cloud;
use crate::objects::declare::*;

pub mod api_gateway;
pub mod dms;
pub mod documentdb;
pub mod dynamodb;
pub mod ecs;
pub mod elasticache;
pub mod elasticache_serverless;
pub mod elb;
pub mod emr;
pub mod eventbridge;
pub mod kinesis;
pub mod memorydb;
pub mod open_search;
pub mod rds;
pub mod redshift;
pub mod s3;

/// Of products whose names are unique in a region alone.
const NAMES: &str = "Objects of two regions may have one `name`: metrics take the tags of their own region's, and `RegionId` tells the objects apart; who keys them by `name` alone sees one of them.";

/// The same of those that have no tag of their region, but an ARN.
const NAMES_BY_ARN: &str = "Objects of two regions may have one `name`: metrics take the tags of their own region's, and the region in `DBInstanceArn` tells the objects apart; who keys them by `name` alone sees one of them.";

/// What they all say of themselves.
const OBJECTS: Description = objects_of(Cloud::Aws);
