//! Series: which there are, and how they fill calls.
//!
//! Owns the list of a namespace (asked once an hour) and the plan of the calls. Knows nothing of datapoints.

use super::{Client, LIST_METRICS, period};
use crate::clock::SECOND;
use crate::collector::{Failure, MarkKey, Window};
use crate::mistake::nearest;
use crate::point::Text;
use crate::run::{Memory, Run, WindowRequest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

/// How long a list is remembered.
pub(super) const VALID: Duration = Duration::from_secs(3600);

/// Metrics of one page of a list.
pub(super) const PAGE: usize = 500;

/// Metrics a call: 500 queries, five statistics each.
pub(super) const METRICS: usize = 100;

/// Namespaces that many users have, for "did you mean".
const KNOWN: &[&str] = &[
    "AWS/ApiGateway",
    "AWS/ApplicationELB",
    "AWS/AutoScaling",
    "AWS/Backup",
    "AWS/Billing",
    "AWS/CloudFront",
    "AWS/DDoSProtection",
    "AWS/DMS",
    "AWS/DX",
    "AWS/DocDB",
    "AWS/DynamoDB",
    "AWS/EBS",
    "AWS/EC2",
    "AWS/EC2Spot",
    "AWS/ECS",
    "AWS/EFS",
    "AWS/ELB",
    "AWS/ES",
    "AWS/ElastiCache",
    "AWS/ElasticMapReduce",
    "AWS/Events",
    "AWS/FSx",
    "AWS/Firehose",
    "AWS/GatewayELB",
    "AWS/Kafka",
    "AWS/Kinesis",
    "AWS/Lambda",
    "AWS/Logs",
    "AWS/MemoryDB",
    "AWS/NATGateway",
    "AWS/Neptune",
    "AWS/NetworkELB",
    "AWS/PrivateLinkEndpoints",
    "AWS/RDS",
    "AWS/Redshift",
    "AWS/Route53",
    "AWS/S3",
    "AWS/SNS",
    "AWS/SQS",
    "AWS/States",
    "AWS/TransitGateway",
    "AWS/Usage",
    "AWS/VPN",
    "AWS/WAFV2",
    "CWAgent",
    "ContainerInsights",
    "ECS/ContainerInsights",
];

/// One metric of one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Series {
    pub(super) namespace: Text,
    pub(super) metric: Text,
    /// Sorted by name.
    pub(super) dimensions: Vec<(Text, Text)>,
}

/// A series with the window that is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) series: Series,
    pub(super) window: Window,
}

/// What one call asks for.
#[derive(Debug)]
pub(super) struct Batch {
    /// Inclusive, nanoseconds.
    pub(super) start: i64,
    /// Exclusive, nanoseconds.
    pub(super) end: i64,
    /// In the order of their resources: all metrics of one come together.
    pub(super) series: Vec<Asked>,
}

impl Batch {
    /// Datapoints that its answer can hold, five statistics each.
    pub(super) fn datapoints(&self) -> u32 {
        let times = (self.end - self.start) / (super::PERIOD * SECOND);
        u32::try_from(times).unwrap_or(u32::MAX).saturating_mul(5 * self.series.len() as u32)
    }
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "Metrics", default)]
    metrics: Vec<ListedMetric>,
    #[serde(rename = "NextToken")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct ListedMetric {
    #[serde(rename = "MetricName")]
    name: Text,
    #[serde(rename = "Dimensions", default)]
    dimensions: Vec<Dimension>,
}

#[derive(Deserialize)]
struct Dimension {
    #[serde(rename = "Name")]
    name: Text,
    #[serde(rename = "Value")]
    value: Text,
}

/// More pages than this are no list, unless they are filled.
const PAGES: u64 = 2_000;

/// So many metrics of a page, on average, and it is filled: CloudWatch gives up to [`PAGE`].
const FILLED: u64 = PAGE as u64 / 5;

/// What a list may take in memory, about: four million metrics of one dimension.
const BYTES: usize = 768 << 20;

/// What one metric takes beside its texts, about: as it is listed, remembered, chosen and asked for.
const SERIES: usize = 160;

/// How a list is remembered.
#[derive(Deserialize)]
struct Remembered {
    version: u32,
    metrics: Vec<Named>,
    /// Calls that it took.
    #[serde(default)]
    pages: u64,
}

/// The same, to be written.
#[derive(Serialize)]
struct Remember<'list> {
    version: u32,
    metrics: &'list [Named],
    pages: u64,
}

/// A list as it is known beforehand.
pub(super) struct Known {
    pub(super) series: Vec<Series>,
    /// Is it remembered still, so that it is not asked for?
    pub(super) valid: bool,
    /// Calls that it took; none where that was not counted.
    pub(super) pages: Option<u64>,
}

/// What is known of a namespace's list.
pub(super) async fn known(
    memory: &dyn Memory,
    region: &Text,
    namespace: &Text,
) -> Result<Option<Known>, Failure> {
    let Some((value, valid)) = memory.known(&key(region, namespace)).await? else { return Ok(None) };
    let remembered = serde_json::from_slice::<Remembered>(&value).ok();
    Ok(remembered.filter(|remembered| remembered.version == VERSION).map(|remembered| Known {
        pages: Some(remembered.pages).filter(|pages| *pages > 0),
        series: of(namespace, remembered.metrics),
        valid,
    }))
}

fn key(region: &Text, namespace: &Text) -> String {
    format!("aws_cloudwatch\nmetrics\n{region}\n{namespace}")
}

fn of(namespace: &Text, metrics: Vec<Named>) -> Vec<Series> {
    // What was remembered has each text anew.
    let mut texts = Texts::default();
    let series = |metric: Named| {
        let (metric, dimensions) = texts.series(metric);
        Series { namespace: namespace.clone(), metric, dimensions }
    };
    metrics.into_iter().map(series).collect()
}

const VERSION: u32 = 1;

/// All series of a namespace in a region: remembered, or listed to the end.
///
/// All that CloudWatch lists, also what has been silent for days: a metric that begins again must not wait for the next list.
pub(super) async fn list(
    run: &Run,
    client: &Client<'_>,
    region: &Text,
    namespace: &Text,
) -> Result<Vec<Series>, Failure> {
    let key = key(region, namespace);
    // A value that cannot be read is as good as none.
    let remembered =
        run.memory.recall(&key).await?.and_then(|value| serde_json::from_slice::<Remembered>(&value).ok());
    let metrics = match remembered {
        Some(Remembered { version: VERSION, metrics, .. }) => metrics,
        _ => {
            let (metrics, pages) = listed(client, region, namespace).await?;
            // An empty list is asked for again: a misspelt name is mended, a new product begins to report.
            if !metrics.is_empty() {
                let value = serde_json::to_vec(&Remember { version: VERSION, metrics: &metrics, pages })
                    .map_err(|error| Failure::State(error.to_string()))?;
                run.memory.remember(&key, &value, VALID).await?;
            }
            metrics
        }
    };
    Ok(of(namespace, metrics))
}

/// The series, and the calls that it took.
async fn listed(client: &Client<'_>, region: &Text, namespace: &Text) -> Result<(Vec<Named>, u64), Failure> {
    let (mut metrics, mut texts) = (BTreeSet::new(), Texts::default());
    let mut token: Option<String> = None;
    let (mut pages, mut bytes) = (0, 0);
    loop {
        if let Some(why) = too_long(pages, metrics.len(), bytes) {
            return Err(Failure::Answer(format!(
                "monitoring:ListMetrics in {region}: the list of {namespace} {why}"
            )));
        }
        pages += 1;
        let mut body = serde_json::json!({ "Namespace": &**namespace });
        if let Some(token) = &token {
            body["NextToken"] = serde_json::Value::from(token.as_str());
        }
        let page: Listed = client.json(&LIST_METRICS, &body).await?;
        bytes += take(page.metrics, &mut texts, &mut metrics);
        match page.next.filter(|next| !next.is_empty()) {
            None => break,
            next if next == token => {
                return Err(Failure::Answer(format!(
                    "monitoring:ListMetrics in {region}: the list of {namespace} does not end: the same page token came twice"
                )));
            }
            next => token = next,
        }
    }
    Ok((metrics.into_iter().collect(), pages))
}

/// Why a list is not read on.
fn too_long(pages: u64, metrics: usize, bytes: usize) -> Option<String> {
    if pages >= PAGES && (metrics as u64) < pages.saturating_mul(FILLED) {
        return Some(format!("does not end: {pages} pages came"));
    }
    (bytes > BYTES).then(|| {
        format!(
            "is longer than can be held in memory: {metrics} metrics came in {pages} pages, {} MiB; none of them is asked for",
            bytes >> 20
        )
    })
}

/// Metric and dimensions, sorted by name.
type Named = (Text, Vec<(Text, Text)>);

/// Texts that stand in many series: each in memory once.
#[derive(Default)]
struct Texts(HashSet<Text>);

impl Texts {
    fn one(&mut self, text: Text) -> Text {
        if let Some(known) = self.0.get(&text) {
            return known.clone();
        }
        self.0.insert(text.clone());
        text
    }

    fn series(&mut self, (metric, dimensions): Named) -> Named {
        let dimensions =
            dimensions.into_iter().map(|(name, value)| (self.one(name), self.one(value))).collect();
        (self.one(metric), dimensions)
    }
}

/// Takes a page of a list; answers with the bytes that it takes in memory, about.
fn take(page: Vec<ListedMetric>, texts: &mut Texts, metrics: &mut BTreeSet<Named>) -> usize {
    let mut bytes = 0;
    for metric in page {
        let mut dimensions: Vec<(Text, Text)> =
            metric.dimensions.into_iter().map(|dimension| (dimension.name, dimension.value)).collect();
        dimensions.sort();
        // Of the texts, values are nearly all that differ.
        let values = dimensions.iter().map(|(_, value)| 2 * size_of::<(Text, Text)>() + value.len());
        let size = SERIES + values.sum::<usize>();
        if metrics.insert(texts.series((metric.name, dimensions))) {
            bytes += size;
        }
    }
    bytes
}

/// How many metrics a page of a list holds, read as a list is.
pub(super) fn count(page: &[u8]) -> Option<usize> {
    let page: Listed = serde_json::from_slice(page).ok()?;
    let mut metrics = BTreeSet::new();
    take(page.metrics, &mut Texts::default(), &mut metrics);
    Some(metrics.len())
}

/// What to say about a namespace without metrics.
pub(super) fn empty_namespace(region: &Text, namespace: &Text) -> String {
    match nearest(namespace, KNOWN.iter().copied()) {
        Some(near) if near != &**namespace => {
            format!("{region}: the namespace {namespace} has no metrics: did you mean {near}?")
        }
        _ => format!(
            "{region}: the namespace {namespace} has no metrics (those silent for two weeks are not listed)"
        ),
    }
}

/// Opens the marks and fills calls: as few as 500 queries a call allow. `until` is what may be asked for at the latest, nanoseconds.
pub(super) async fn plan(
    memory: &dyn Memory,
    region: &Text,
    mut series: Vec<Series>,
    until: i64,
) -> Result<Vec<Batch>, Failure> {
    // One resource's metrics side by side, so that they come in one answer and merge into one point.
    series.sort_by(|one, other| {
        (&one.namespace, &one.dimensions, &one.metric).cmp(&(
            &other.namespace,
            &other.dimensions,
            &other.metric,
        ))
    });
    let mut marks: BTreeMap<(Text, Text, Vec<Text>), usize> = BTreeMap::new();
    let mut requests = Vec::new();
    let mut of_series = Vec::with_capacity(series.len());
    for one in &series {
        let names: Vec<Text> = one.dimensions.iter().map(|(name, _)| name.clone()).collect();
        let next = requests.len();
        let index = *marks.entry((one.namespace.clone(), one.metric.clone(), names)).or_insert_with_key(
            |(namespace, metric, names)| {
                let key = MarkKey {
                    region: region.clone(),
                    namespace: namespace.clone(),
                    metric: metric.clone(),
                    dimensions: names.clone(),
                };
                let period = period(namespace, metric);
                let end = until - until.rem_euclid(period * SECOND);
                requests.push((key, WindowRequest { end, period }));
                next
            },
        );
        of_series.push(index);
    }
    let windows = memory.windows(&requests).await?;
    let mut asked: BTreeMap<(i64, i64), Vec<Asked>> = BTreeMap::new();
    let mut count: usize = 0;
    for (series, index) in series.into_iter().zip(of_series) {
        let window = windows[index];
        if window.start < window.end {
            count += 1;
            asked.entry((window.start, window.end)).or_default().push(Asked { series, window });
        }
    }
    // Different windows may share calls where that saves some: what lies outside a series' own is left out of the answer.
    let apart: usize = asked.values().map(|group| group.len().div_ceil(METRICS)).sum();
    if apart > count.div_ceil(METRICS) {
        let start = asked.keys().map(|(start, _)| *start).min().unwrap_or(until);
        let end = asked.keys().map(|(_, end)| *end).max().unwrap_or(until);
        let mut all: Vec<Asked> = asked.into_values().flatten().collect();
        all.sort_by(|one, other| {
            let key = |asked: &Asked| {
                (asked.series.namespace.clone(), asked.series.dimensions.clone(), asked.series.metric.clone())
            };
            key(one).cmp(&key(other))
        });
        asked = BTreeMap::from([((start, end), all)]);
    }
    let mut batches = Vec::new();
    for ((start, end), group) in asked {
        let mut group = group.into_iter().peekable();
        while group.peek().is_some() {
            batches.push(Batch { start, end, series: group.by_ref().take(METRICS).collect() });
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_cut_where_its_pages_are_empty_or_memory_ends_and_not_before() {
        assert_eq!(too_long(1_999, 1_999, 0), None);
        assert_eq!(too_long(2_000, 2_000, 0).as_deref(), Some("does not end: 2000 pages came"));
        // Three million metrics of one dimension are a list.
        let metric = |index: usize| ListedMetric {
            name: "CPUUtilization".into(),
            dimensions: vec![Dimension {
                name: "InstanceId".into(),
                value: format!("i-{index:017x}").into(),
            }],
        };
        let bytes = take(vec![metric(1), metric(2), metric(2)], &mut Texts::default(), &mut BTreeSet::new());
        assert_eq!(too_long(6_000, 3_000_000, bytes / 2 * 3_000_000), None);
        assert_eq!(
            too_long(12_000, 6_000_000, bytes / 2 * 6_000_000).as_deref(),
            Some(
                "is longer than can be held in memory: 6000000 metrics came in 12000 pages, 1390 MiB; none of them is asked for"
            )
        );
    }
}
