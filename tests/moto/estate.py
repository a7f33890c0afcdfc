"""Puts an estate into a running moto server and says, as JSON on stdout, what is in it.

    estate.py URL REGION INSTANCES METRICS NOW

NOW is the time, seconds since 1970, that the program under test will believe. The datapoints lie in the ten
minutes before the last full minute, as a first run reads them. From then on the server checks signatures.
"""

import datetime
import json
import sys
import urllib.request

import boto3
from botocore.config import Config

NAMES = [
    "web-1",
    "数据库 主节点",
    "a,b=c d",
    'say "hello"',
    "back\\slash",
    "ends with a backslash\\",
    "two\nlines",
    "tab\there",
    "emoji 🚀🔥",
    "长" * 255,
    "",
    None,
    "#hash first",
    " blanks around ",
    "<xml> & 'quotes'",
    "100%",
    "naïve café",
    "a\\,b",
    "=",
    ",",
]
METRICS = [
    "CPUUtilization", "CPUCreditBalance", "CPUCreditUsage", "NetworkIn", "NetworkOut", "DiskReadOps",
    "DiskWriteOps", "StatusCheckFailed", "EBSReadBytes", "MetadataNoToken",
]


def values(instance, metric, minute):
    """Three samples, so that the five statistics all differ."""
    base = (instance * 7 + metric * 13 + minute * 3) % 97
    return [base + 0.25, base * 1.5 + metric, base / 3.0]


def main():
    url, region, instances, metrics, now = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    root = {"aws_access_key_id": "root", "aws_secret_access_key": "root", "region_name": region, "endpoint_url": url}
    config = Config(retries={"max_attempts": 1})
    iam = boto3.client("iam", config=config, **root)
    iam.create_user(UserName="funchost")
    # moto asks for permissions under the signing name: `monitoring`, where AWS says `cloudwatch`.
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Resource": "*", "Action": [
        "ec2:DescribeInstances", "monitoring:ListMetrics", "monitoring:GetMetricData"]}]}
    iam.put_user_policy(UserName="funchost", PolicyName="read", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName="funchost")["AccessKey"]
    iam.create_user(UserName="nobody")
    denied = iam.create_access_key(UserName="nobody")["AccessKey"]

    ec2 = boto3.client("ec2", config=config, **root)
    cloudwatch = boto3.client("cloudwatch", config=config, **root)
    image = ec2.describe_images()["Images"][0]["ImageId"]
    last = now - 60 - (now - 60) % 60
    ids = []
    for index in range(instances):
        name = NAMES[index % len(NAMES)]
        tags = [{"Key": "team", "Value": "ops %d" % index}]
        if name is not None:
            tags.append({"Key": "Name", "Value": name})
        answer = ec2.run_instances(
            ImageId=image, MinCount=1, MaxCount=1, InstanceType=["t3.micro", "c6g.xlarge"][index % 2],
            TagSpecifications=[{"ResourceType": "instance", "Tags": tags}])
        ids.append(answer["Instances"][0]["InstanceId"])
    points = []
    for index, instance in enumerate(ids):
        data = []
        for number, metric in enumerate(METRICS[:metrics]):
            for minute in (1, 4, 9):
                time = last - minute * 60
                samples = values(index, number, minute)
                data.append({
                    "MetricName": metric, "Dimensions": [{"Name": "InstanceId", "Value": instance}],
                    "Timestamp": datetime.datetime.fromtimestamp(time, datetime.timezone.utc), "Values": samples,
                    "Counts": [1.0] * len(samples)})
                points.append({"instance": instance, "metric": metric, "time": time, "values": samples})
        cloudwatch.put_metric_data(Namespace="AWS/EC2", MetricData=data)
    described = [
        instance
        for page in ec2.get_paginator("describe_instances").paginate(MaxResults=1000)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]]
    check = urllib.request.Request(url + "/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})
    urllib.request.urlopen(check).read()
    keys = {"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
    nobody = {"id": denied["AccessKeyId"], "secret": denied["SecretAccessKey"]}
    truth = {"keys": keys, "denied": nobody, "instances": described, "points": points}
    json.dump(truth, sys.stdout, default=lambda value: value.strftime("%Y-%m-%dT%H:%M:%SZ"))


main()
