"""The official SDK, unchanged, against simcloud: what it reads must be what simcloud says it holds.

    official_sdk.py URL REGION ACCESS_KEY SECRET_KEY ROLE_ARN EXTERNAL_ID
"""

import datetime
import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def main():
    url, region, access, secret, role, external = sys.argv[1:7]
    config = Config(retries={"max_attempts": 1})

    def client(service, **keys):
        keys = keys or {"aws_access_key_id": access, "aws_secret_access_key": secret}
        return boto3.client(service, region_name=region, endpoint_url=url, config=config, **keys)

    instances = [
        {"id": instance["InstanceId"], "state": instance["State"]["Name"],
         "name": next((tag["Value"] for tag in instance.get("Tags", []) if tag["Key"] == "Name"), None)}
        for page in client("ec2").get_paginator("describe_instances").paginate(MaxResults=5)
        for reservation in page["Reservations"]
        for instance in reservation["Instances"]]
    cloudwatch = client("cloudwatch")
    metrics = [
        metric for page in cloudwatch.get_paginator("list_metrics").paginate(Namespace="AWS/EC2") for metric in page["Metrics"]]
    now = datetime.datetime.now(datetime.timezone.utc).replace(second=0, microsecond=0)
    queries = [{"Id": "m%d" % index, "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Average"}}
               for index, metric in enumerate(metrics[:20])]
    data = [
        result for page in cloudwatch.get_paginator("get_metric_data").paginate(
            MetricDataQueries=queries, StartTime=now - datetime.timedelta(minutes=10), EndTime=now)
        for result in page["MetricDataResults"]]
    points = [
        {"metric": metrics[int(result["Id"][1:])], "time": int(time.timestamp()), "average": value}
        for result in data for time, value in zip(result["Timestamps"], result["Values"])]
    assumed = client("sts").assume_role(RoleArn=role, RoleSessionName="official", ExternalId=external)["Credentials"]
    who = client("sts", aws_access_key_id=assumed["AccessKeyId"], aws_secret_access_key=assumed["SecretAccessKey"],
                 aws_session_token=assumed["SessionToken"]).get_caller_identity()["Account"]
    refused = []
    for service, call in [("ec2", "describe_instances"), ("cloudwatch", "list_metrics"), ("sts", "get_caller_identity")]:
        wrong = client(service, aws_access_key_id=access, aws_secret_access_key="wrong")
        try:
            getattr(wrong, call)()
        except ClientError as error:
            refused.append(error.response["Error"]["Code"])
    json.dump({"instances": instances, "metrics": len(metrics), "points": points, "account": who, "refused": refused}, sys.stdout)


main()
