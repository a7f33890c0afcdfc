//! `simcloud`: the doubles as a program of their own, so that other clients can be pointed at them.

#![expect(clippy::print_stdout, reason = "a program whose output is what it prints")]

use clap::Parser;
use simcloud::{AliyunEstate, AwsEstate, Options, Simcloud, TencentEstate};
use std::path::PathBuf;
use std::time::Duration;

/// Strict doubles of AWS (EC2, CloudWatch, STS), of Alibaba Cloud (CMS, ECS, RDS, SLB, OSS, STS), of Tencent Cloud (CVM, Monitor, STS) and of
/// DataKit, on loopback only
#[derive(Parser)]
struct Arguments {
    /// Port of AWS; 0 is any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of DataKit; 0 is any
    #[arg(long, default_value_t = 0)]
    datakit_port: u16,
    /// Write the lines that DataKit takes into this file and keep none in memory
    #[arg(long, value_name = "FILE")]
    datakit_lines: Option<PathBuf>,
    /// Added to every answer of a cloud: `30ms`, `1s`
    #[arg(long, default_value = "0ms", value_parser = duration)]
    latency: Duration,
    /// What the estate is made from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instances of each region
    #[arg(long, default_value_t = 12)]
    aws_instances: usize,
    /// Metrics of each instance, at most 23
    #[arg(long, default_value_t = 10)]
    aws_metrics: usize,
    /// Port of Tencent Cloud; 0 is any
    #[arg(long, default_value_t = 0)]
    tencent_port: u16,
    /// CVM instances of each region
    #[arg(long, default_value_t = 12)]
    tencent_instances: usize,
    /// Metrics of CVM, at most 24
    #[arg(long, default_value_t = 24)]
    tencent_metrics: usize,
    /// Port of Alibaba Cloud; 0 is any
    #[arg(long, default_value_t = 0)]
    aliyun_port: u16,
    /// ECS instances of each region
    #[arg(long, default_value_t = 9)]
    aliyun_instances: usize,
    /// Print no calls
    #[arg(long)]
    quiet: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration such as 30ms or 1s");
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    match &text[digits.len()..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        _ => Err(wrong()),
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let clouds = Simcloud::start(Options {
        port: arguments.port,
        datakit_port: arguments.datakit_port,
        datakit_lines: arguments.datakit_lines,
        latency: arguments.latency,
        seed: arguments.seed,
        aws: AwsEstate {
            instances: arguments.aws_instances,
            metrics: arguments.aws_metrics,
            ..AwsEstate::default()
        },
        tencent_port: arguments.tencent_port,
        tencent: TencentEstate {
            instances: arguments.tencent_instances,
            metrics: arguments.tencent_metrics,
            ..TencentEstate::default()
        },
        aliyun_port: arguments.aliyun_port,
        aliyun: AliyunEstate { instances: arguments.aliyun_instances, ..AliyunEstate::default() },
        log: (!arguments.quiet).then_some(|call: &str| println!("{call}")),
    })
    .await?;
    let keys = clouds.tencent_keys();
    println!(
        "Tencent  {}\n\nTENCENTCLOUD_AK_ID={}\nTENCENTCLOUD_AK_SECRET={}\nrole     {} (external id {})\nregions  {}\n\n# funchost.toml\n[endpoints]\ntencentcloud = \"{}\"\n",
        clouds.tencent_url(),
        keys.secret_id,
        keys.secret_key,
        keys.role_arn,
        keys.external_id,
        TencentEstate::default().regions.join(", "),
        clouds.tencent_url(),
    );
    let aliyun = clouds.aliyun_keys();
    println!(
        "Aliyun   {}\n\nALIYUN_AK_ID={}\nALIYUN_AK_SECRET={}\nrole     {} (external id {})\nregions  {}\n\n# funchost.toml\n[endpoints]\naliyun = \"{}\"\n",
        clouds.aliyun_url(),
        aliyun.access_key,
        aliyun.secret_key,
        aliyun.role_arn,
        aliyun.external_id,
        AliyunEstate::default().regions.join(", "),
        clouds.aliyun_url(),
    );
    let keys = clouds.keys();
    println!(
        "AWS      {}\nDataKit  {}\n\nAWS_AK_ID={}\nAWS_AK_SECRET={}\nrole     {} (external id {})\nregions  {}\n\n# funchost.toml\n[endpoints]\naws = \"{}\"\n[datakits.datakit]\nurl = \"{}\"\n\nCtrl-C ends it.",
        clouds.aws_url(),
        clouds.datakit_url(),
        keys.access_key,
        keys.secret_key,
        keys.role_arn,
        keys.external_id,
        AwsEstate::default().regions.join(", "),
        clouds.aws_url(),
        clouds.datakit_url(),
    );
    tokio::signal::ctrl_c().await?;
    println!("\ncalls");
    for (action, count) in clouds.calls().into_iter().chain(clouds.aliyun_calls()) {
        println!("  {action} {count}");
    }
    println!(
        "  metrics billed {}\npoints taken by DataKit\n  {}",
        clouds.billed_metrics(),
        clouds.datakit().taken()
    );
    clouds.stop().await;
    Ok(())
}
