"""The official SDK, unchanged, against simcloud: what it reads must be what simcloud says it holds.

    official_sdk.py HOST:PORT REGION SECRET_ID SECRET_KEY ROLE_ARN EXTERNAL_ID
"""

import datetime
import json
import sys

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import cvm_client, models as cvm
from tencentcloud.monitor.v20180724 import monitor_client, models as monitor
from tencentcloud.sts.v20180813 import sts_client, models as sts


def main():
    place, region, secret_id, secret_key, role, external = sys.argv[1:7]

    def client(kind, keys=None, unsigned=False):
        profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=place))
        profile.unsignedPayload = unsigned
        return kind(keys or credential.Credential(secret_id, secret_key), region, profile)

    def asked(request, **values):
        request.from_json_string(json.dumps(values))
        return request

    instances, total, offset = [], 1, 0
    service = client(cvm_client.CvmClient)
    while offset < total:
        page = service.DescribeInstances(asked(cvm.DescribeInstancesRequest(), Offset=offset, Limit=5))
        total = page.TotalCount
        offset += 5
        instances += [{"id": one.InstanceId, "name": one.InstanceName, "state": one.InstanceState,
                       "public": one.PublicIpAddresses, "expires": one.ExpiredTime} for one in page.InstanceSet]

    service = client(monitor_client.MonitorClient, unsigned=True)
    metrics = service.DescribeBaseMetrics(asked(monitor.DescribeBaseMetricsRequest(), Namespace="QCE/CVM")).MetricSet
    beijing = datetime.timezone(datetime.timedelta(hours=8))
    now = datetime.datetime.now(beijing).replace(microsecond=0)
    points = []
    for name in ["WanOutpkg", "CPUUsage"]:
        answer = service.GetMonitorData(asked(
            monitor.GetMonitorDataRequest(), Namespace="QCE/CVM", MetricName=name, Period=60,
            Instances=[{"Dimensions": [{"Name": "InstanceId", "Value": one["id"]}]} for one in instances],
            StartTime=(now - datetime.timedelta(minutes=10)).isoformat(), EndTime=now.isoformat()))
        points += [{"metric": name, "id": series.Dimensions[0].Value, "time": int(time), "value": value}
                   for series in answer.DataPoints for time, value in zip(series.Timestamps, series.Values)]

    session = client(sts_client.StsClient).AssumeRole(asked(
        sts.AssumeRoleRequest(), RoleArn=role, RoleSessionName="official", ExternalId=external)).Credentials
    keys = credential.Credential(session.TmpSecretId, session.TmpSecretKey, session.Token)
    who = client(sts_client.StsClient, keys).GetCallerIdentity(sts.GetCallerIdentityRequest()).Type

    refused = []
    for keys in [
        credential.Credential(secret_id, "wrong"),
        credential.Credential("AKIDUnknown", secret_key),
        credential.Credential(session.TmpSecretId, session.TmpSecretKey, "another token"),
    ]:
        try:
            client(cvm_client.CvmClient, keys).DescribeInstances(cvm.DescribeInstancesRequest())
        except TencentCloudSDKException as error:
            refused.append(error.get_code())
    try:
        service.GetMonitorData(asked(monitor.GetMonitorDataRequest(), Namespace="QCE/CVM", MetricName="DccCpuUsage",
                                     Instances=[{"Dimensions": [{"Name": "InstanceId", "Value": instances[0]["id"]}]}]))
    except TencentCloudSDKException as error:
        refused.append("%s: %s" % (error.get_code(), error.get_message()))
    json.dump({"instances": instances, "metrics": [one.MetricName for one in metrics], "points": points, "who": who,
               "refused": refused}, sys.stdout)


main()
