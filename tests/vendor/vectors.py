"""Makes tests/vectors/market.json: requests signed by the official SDKs, with invented keys and fixed times.

Needs botocore 1.44.5, cos-python-sdk-v5 1.9.44 and alibabacloud-openapi-util 0.2.4 with all they need, from PyPI.
"""

import datetime
import json
import time
import types
from unittest import mock

import requests
from alibabacloud_openapi_util.client import Client as OpenApi
from botocore import auth, awsrequest, credentials
from qcloud_cos import cos_auth
from Tea.request import TeaRequest

MOMENT = datetime.datetime(2026, 11, 22, 6, 50, 0, tzinfo=datetime.timezone.utc)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def aws(name, signer, service, method, url, headers, body=b"", token=None):
    request = awsrequest.AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    with mock.patch.object(auth, "get_current_datetime", lambda *_, **__: MOMENT.replace(tzinfo=None)):
        signer(credentials.Credentials("AKIDEXAMPLE", SECRET, token), service, "cn-northwest-1").add_auth(request)
    return {
        "name": name, "service": service, "region": "cn-northwest-1", "method": method, "url": url, "headers": headers,
        "body_utf8": body.decode(), "access_key": "AKIDEXAMPLE", "secret_key": SECRET, "session_token": token,
        "time": MOMENT.strftime("%Y%m%dT%H%M%SZ"), "authorization": request.headers["Authorization"],
    }


def cos(name, parameters, token=None, host="service.cos.myqcloud.com"):
    conf = types.SimpleNamespace(
        _secret_id="AKIDEXAMPLE", _secret_key=SECRET, _credential_inst=None, _anonymous=False, _sign_params=True, _sign_host=True)
    headers = {"host": host} | ({"x-cos-security-token": token} if token else {})
    request = requests.Request("GET", "https://%s/" % host, headers=headers, params=parameters).prepare()
    with mock.patch.object(time, "time", lambda: MOMENT.timestamp()):
        cos_auth.CosS3Auth(conf, params=parameters, expire=900)(request)
    return {
        "name": name, "scheme": "cos", "method": "get", "path": "/", "parameters": list(parameters.items()),
        "headers": list(headers.items()), "secret_id": "AKIDEXAMPLE", "secret_key": SECRET,
        "timestamp": int(MOMENT.timestamp()), "authorization": request.headers["Authorization"],
    }


def roa(name, host, path, query, version, action):
    headers = {
        "host": host, "x-acs-action": action, "x-acs-version": version, "x-acs-date": "2026-11-22T06:50:00Z",
        "x-acs-signature-nonce": "f0e1d2c3b4a5469788776655443322aa",
        "x-acs-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    }
    request = TeaRequest()
    request.method, request.pathname, request.query, request.headers = "GET", path, query, headers
    signed = OpenApi.get_authorization(request, "ACS3-HMAC-SHA256", headers["x-acs-content-sha256"], "LTAIEXAMPLE", SECRET)
    return {
        "id": name, "scheme": "acs3", "access_key_id": "LTAIEXAMPLE", "access_key_secret": SECRET, "method": "GET", "path": path,
        "timestamp": headers["x-acs-date"], "query": query, "body": "", "headers": headers, "authorization": signed,
    }


def main():
    v4, s3 = auth.SigV4Auth, auth.S3SigV4Auth
    host = "https://%s.cn-northwest-1.amazonaws.com.cn"
    vectors = [
        aws("s3_list", s3, "s3", "GET", host % "s3" + "/?bucket-region=cn-northwest-1&max-buckets=1000", []),
        aws("s3_list_next", s3, "s3", "GET", host % "s3" + "/?bucket-region=cn-northwest-1&max-buckets=1000&continuation-token=a%2Fb%3D%3D%2B", []),
        aws("s3_acl", s3, "s3", "GET", host % "s3" + "/my.bucket-1?acl=", []),
        aws("s3_acl_token", s3, "s3", "GET", host % "s3" + "/data?acl=", [], token="token//+=="),
        aws("rest_get", v4, "apigateway", "GET", host % "apigateway" + "/v2/apis?maxResults=100&nextToken=a%2Fb%3D%2B%20c", []),
        aws("rest_post", v4, "es", "POST", host % "es" + "/2021-01-01/opensearch/domain-info", [["Content-Type", "application/json"]],
            '{"DomainNames":["df-prd-es","日志"]}'.encode()),
        aws("target", v4, "memorydb", "POST", host % "memory-db" + "/",
            [["Content-Type", "application/x-amz-json-1.1"], ["X-Amz-Target", "AmazonMemoryDB.DescribeClusters"]], b'{"MaxResults":50}'),
        cos("cos_service", {}),
        cos("cos_service_pages", {"max-keys": "1000", "marker": "a b/中=&"}),
        cos("cos_service_token", {"max-keys": "1000"}, token="token//+=="),
        cos("cos_service_port", {"max-keys": "1000"}, host="127.0.0.1:8080"),
        roa("roa_list", "elasticsearch.cn-hangzhou.aliyuncs.com", "/openapi/instances", {"page": "1", "size": "100"}, "2017-06-13", "ListInstance"),
        roa("roa_one", "rocketmq.cn-hangzhou.aliyuncs.com", "/instances/rmq-cn-1", {}, "2022-08-01", "GetInstance"),
        roa("roa_encoded", "rocketmq.cn-hangzhou.aliyuncs.com", "/instances/a%20b%2F%E4%B8%AD", {}, "2022-08-01", "GetInstance"),
    ]
    about = "Made by tests/vendor/vectors.py with botocore 1.44.5, cos-python-sdk-v5 1.9.44 and alibabacloud-openapi-util 0.2.4. Keys are invented."
    print(json.dumps({"about": about, "vectors": vectors}, indent=1, ensure_ascii=False))


main()
