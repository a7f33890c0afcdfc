#!/usr/bin/env python3
"""The AWS job of `funchost`, written with boto3 as a user would: instances and their CloudWatch metrics into DataKit, as line protocol.

Asks as few calls as the API allows, pages, links the instances' tags to their metrics, writes in gzipped batches. It does not remember
what it delivered, it does not retry DataKit, and it paces nothing: what it leaves out is in its favour here.
"""

import argparse
import datetime
import gzip
import json
import urllib.request

import boto3
from botocore.config import Config

STATISTICS = ["Average", "Maximum", "Minimum", "SampleCount", "Sum"]


def key(text):
    return text.replace("\n", " ").replace("\r", " ").rstrip("\\").replace(",", "\\,").replace("=", "\\=").replace(" ", "\\ ")


def number(value):
    return repr(float(value))


class DataKit:
    def __init__(self, url):
        self.url, self.lines, self.size = url, {"metric": [], "custom_object": []}, {"metric": 0, "custom_object": 0}

    def write(self, category, measurement, tags, fields, time):
        line = measurement.replace(",", "\\,").replace(" ", "\\ ")
        for name, value in tags.items():
            value = key(value)
            if value:
                line += f",{key(name)}={value}"
        line += " " + ",".join(f"{key(name)}={value}" for name, value in fields.items()) + f" {time}"
        self.lines[category].append(line)
        self.size[category] += len(line)
        if len(self.lines[category]) >= 4000 or self.size[category] >= 1_000_000:
            self.flush(category)

    def flush(self, category):
        if not self.lines[category]:
            return
        body = gzip.compress("\n".join(self.lines[category]).encode(), compresslevel=1)
        request = urllib.request.Request(
            f"{self.url}/v1/write/{category}?precision=n&ignore_global_host_tags=1", data=body,
            headers={"Content-Encoding": "gzip", "Content-Type": "application/line-protocol"},
        )
        urllib.request.urlopen(request).read()
        self.lines[category], self.size[category] = [], 0


def text(value):
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def plain(value):
    """JSON text as funchost writes it: keys sorted, nothing empty added."""
    def default(other):
        return other.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    return json.dumps(value, default=default, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--aws", required=True)
    parser.add_argument("--datakit", required=True)
    parser.add_argument("--region", required=True)
    parser.add_argument("--start", type=int, required=True)
    parser.add_argument("--end", type=int, required=True)
    parser.add_argument("--objects-time", type=int, required=True)
    arguments = parser.parse_args()
    config = Config(retries={"mode": "standard"})
    client = lambda service: boto3.client(service, region_name=arguments.region, endpoint_url=arguments.aws, config=config)
    datakit = DataKit(arguments.datakit)
    extra = {"cloud_provider": "AWS", "account_name": "我的账号"}

    objects = {}
    for page in client("ec2").get_paginator("describe_instances").paginate(PaginationConfig={"PageSize": 1000}):
        for reservation in page["Reservations"]:
            for instance in reservation["Instances"]:
                name = next((tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == "Name"), "")
                tags = {
                    "name": instance["InstanceId"], "InstanceId": instance["InstanceId"], "InstanceName": name,
                    "InstanceType": instance.get("InstanceType", ""), "PlatformDetails": instance.get("PlatformDetails", ""),
                    "RegionId": arguments.region, "AvailabilityZone": instance.get("Placement", {}).get("AvailabilityZone", ""),
                    "State": instance.get("State", {}).get("Name", ""),
                    "StateReason_Code": instance.get("StateReason", {}).get("Code", ""),
                }
                objects[instance["InstanceId"]] = tags
                fields = {}
                for member in ["BlockDeviceMappings", "NetworkInterfaces", "Placement"]:
                    if instance.get(member):
                        fields[member] = text(plain(instance[member]))
                fields["LaunchTime"] = text(instance["LaunchTime"].strftime("%Y-%m-%dT%H:%M:%SZ"))
                fields["message"] = text(plain(instance))
                datakit.write("custom_object", "aws_ec2", {**tags, **extra}, fields, arguments.objects_time)

    cloudwatch = client("cloudwatch")
    series = []
    for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/EC2"):
        for metric in page["Metrics"]:
            if [dimension["Name"] for dimension in metric["Dimensions"]] == ["InstanceId"]:
                series.append((metric["Dimensions"][0]["Value"], metric["MetricName"]))
    series.sort()
    start = datetime.datetime.fromtimestamp(arguments.start, datetime.timezone.utc)
    end = datetime.datetime.fromtimestamp(arguments.end, datetime.timezone.utc)
    for first in range(0, len(series), 100):
        chunk = series[first:first + 100]
        queries = [
            {
                "Id": f"m{index}s{number}",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/EC2", "MetricName": metric,
                        "Dimensions": [{"Name": "InstanceId", "Value": instance}],
                    },
                    "Period": 60, "Stat": statistic,
                },
            }
            for index, (instance, metric) in enumerate(chunk)
            for number, statistic in enumerate(STATISTICS)
        ]
        points = {}
        pages = cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=start, EndTime=end, ScanBy="TimestampAscending",
        )
        for page in pages:
            for result in page["MetricDataResults"]:
                index, statistic = result["Id"][1:].split("s")
                instance, metric = chunk[int(index)]
                field = f"{metric}_{STATISTICS[int(statistic)]}"
                for time, value in zip(result["Timestamps"], result["Values"]):
                    points.setdefault((instance, time), {})[field] = number(value)
        for (instance, time), fields in points.items():
            linked = {name: value for name, value in objects.get(instance, {}).items() if name != "name"}
            datakit.write(
                "metric", "aws_AWS/EC2", {"InstanceId": instance, **extra, **linked}, fields, int(time.timestamp()) * 10**9,
            )
    datakit.flush("custom_object")
    datakit.flush("metric")


if __name__ == "__main__":
    main()
