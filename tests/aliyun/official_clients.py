"""The official clients, unchanged, against simcloud: what they read must be what simcloud says it holds.

    official_clients.py URL REGION ACCESS_KEY SECRET_KEY ROLE_ARN EXTERNAL_ID
"""

import json
import sys
import time

import alibabacloud_oss_v2 as oss
from alibabacloud_tea_openapi.client import Client
from alibabacloud_tea_openapi.utils_models import Config, OpenApiRequest, Params
from darabonba.runtime import RuntimeOptions

VERSIONS = {"cms": "2019-01-01", "ecs": "2014-05-26", "rds": "2014-08-15", "slb": "2014-05-15", "sts": "2015-04-01"}


def main():
    url, region, access, secret, role, external = sys.argv[1:7]

    def call(product, action, query, method="POST", key=access, secret=secret, token=None):
        client = Client(Config(access_key_id=key, access_key_secret=secret, security_token=token, protocol="http",
                               endpoint=url.removeprefix("http://"), signature_algorithm="ACS3-HMAC-SHA256"))
        params = Params(action=action, version=VERSIONS[product], protocol="HTTP", method=method, auth_type="AK", style="RPC",
                        pathname="/", req_body_type="formData", body_type="json")
        query = {name: str(value) for name, value in query.items()}
        return client.call_api(params, OpenApiRequest(query=query), RuntimeOptions(autoretry=False))["body"]

    def by_token(product, action, query, items, size=None):
        found, token = [], ""
        while True:
            answer = call(product, action, {**query, **({"MaxResults": size} if size else {}), **({"NextToken": token} if token else {})})
            value = answer
            for name in items:
                value = value[name]
            found += json.loads(value) if isinstance(value, str) else value
            token = answer.get("NextToken", "")
            if not token:
                return found

    def by_number(product, action, query, items, size):
        found, number = [], 1
        while True:
            value = call(product, action, {**query, "PageNumber": number, "PageSize": size})
            for name in items:
                value = value[name]
            found += value
            if len(value) < size:
                return found
            number += 1

    here = {"RegionId": region}
    read = {
        "ecs": by_token("ecs", "DescribeInstances", here, ["Instances", "Instance"], 10),
        "disks": by_token("ecs", "DescribeDisks", here, ["Disks", "Disk"], 10),
        "regions": len(call("ecs", "DescribeRegions", {}, method="GET")["Regions"]["Region"]),
        "rds": by_number("rds", "DescribeDBInstances", here, ["Items", "DBInstance"], 2),
        "slb": by_number("slb", "DescribeLoadBalancers", here, ["LoadBalancers", "LoadBalancer"], 3),
        "metrics": len(by_number("cms", "DescribeMetricMetaList", {"Namespace": "acs_ecs_dashboard"}, ["Resources", "Resource"], 40)),
    }
    end = int(time.time()) // 60 * 60 * 1000
    window = {"Period": 60, "StartTime": end - 600_000, "EndTime": end, "Length": 7}
    read["points"] = by_token("cms", "DescribeMetricList", {"Namespace": "acs_ecs_dashboard", "MetricName": "CPUUtilization", **window}, ["Datapoints"])
    # A blank and a semicolon in a filter: signed as one thing, written as another.
    nasty = json.dumps([{"mountpoint": "/mnt/data disk"}, {"mountpoint": "a;b+c&d=\u4e2d"}], ensure_ascii=False)
    read["filtered"] = by_token("cms", "DescribeMetricList", {"Namespace": "acs_ecs_dashboard", "MetricName": "vm.DiskUtilization", **window, "Dimensions": nasty}, ["Datapoints"])
    read["last"] = by_token("cms", "DescribeMetricLast", {"Namespace": "acs_oss_dashboard", "MetricName": "InternetRecv"}, ["Datapoints"])
    assumed = call("sts", "AssumeRole", {"RoleArn": role, "RoleSessionName": "official", "ExternalId": external})["Credentials"]
    temporary = {"key": assumed["AccessKeyId"], "secret": assumed["AccessKeySecret"], "token": assumed["SecurityToken"]}
    read["caller"] = call("sts", "GetCallerIdentity", {}, **temporary)["Arn"]

    def storage(key, secret, token=None, style=True):
        config = oss.config.load_default()
        config.credentials_provider = oss.credentials.StaticCredentialsProvider(key, secret, token)
        config.region, config.endpoint, config.use_path_style, config.retry_max_attempts = region, url, style, 1
        return oss.Client(config)

    client = storage(access, secret)
    pages = client.list_buckets_paginator(limit=2).iter_page(oss.ListBucketsRequest())
    buckets = [bucket for page in pages for bucket in page.buckets]
    read["buckets"] = [bucket.name for bucket in buckets]
    own = [bucket.name for bucket in buckets if bucket.region == region]
    read["infos"] = {name: client.get_bucket_info(oss.GetBucketInfoRequest(bucket=name)).bucket_info.acl for name in own}
    read["acl"] = client.get_bucket_acl(oss.GetBucketAclRequest(bucket=own[0])).acl
    by_role = storage(temporary["key"], temporary["secret"], temporary["token"])
    read["by_role"] = len(by_role.list_buckets(oss.ListBucketsRequest()).buckets)

    def refused(attempt):
        try:
            attempt()
        except oss.exceptions.OperationError as error:
            return error.unwrap().code
        except Exception as error:
            return error.code
        return "accepted"

    read["refused"] = [
        refused(lambda: call("ecs", "DescribeRegions", {}, secret="wrong")),
        refused(lambda: call("cms", "DescribeProjectMeta", {}, key="LTAIunknown")),
        refused(lambda: call("sts", "GetCallerIdentity", {}, key=temporary["key"], secret=temporary["secret"], token="wrong")),
        refused(lambda: call("ecs", "DescribeInstances", {})),
        refused(lambda: call("ecs", "DescribeInstances", {**here, "Regoin": "x"})),
        refused(lambda: storage(access, "wrong").list_buckets(oss.ListBucketsRequest())),
    ]
    json.dump(read, sys.stdout)


main()
