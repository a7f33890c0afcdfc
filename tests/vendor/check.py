"""Holds calls, as JSON on stdin, against what the vendors' SDKs say of them; prints as JSON what is not so.

    check.py AWS-SITE-PACKAGES OTHERS-SITE-PACKAGES

A call: {"who", "cloud", "wire": {...}, "service", "action", "parameters": [...], "size": [name, most] or null, "paths": [[path, kind], ...],
"items", "members": [path, ...], "hide": [name, ...]}.
"""

import json
import pathlib
import re
import sys

import models


def described(call, aws, others):
    wire, cloud = call["wire"], call["cloud"]
    if cloud != "aws" and "version" not in wire:
        return None
    if cloud == "tencentcloud":
        return models.tencentcloud(others, call["service"], wire["version"], call["action"])
    if cloud == "aliyun":
        package = "alibabacloud_%s%s" % (call["service"].replace("-", "_"), wire["version"].replace("-", ""))
        return models.aliyun(others, package, wire["version"], call["action"])
    return models.aws(aws, wire.get("model", "s3"), wire.get("version", "2006-03-01"), call["action"])


def names(shape):
    """The names of all members at whatever depth."""
    if shape["kind"] == "list":
        return names(shape["of"])
    if shape["kind"] != "structure":
        return set()
    return set(shape["members"]).union(*(names(member) for member in shape["members"].values()))


def check(call, aws, others):
    found = described(call, aws, others)
    if found is None:
        return ["no package describes it"]
    wrong = []

    def claim(true, text):
        if not true:
            wrong.append(text)

    wire = call["wire"]
    claim(found["version"] == wire.get("version", found["version"]), "version %s" % found["version"])
    if call["cloud"] == "aliyun":
        style = "ROA" if "path" in wire else "RPC"
        claim(found["style"] == style, "style %s" % found["style"])
        claim(found["path"] == wire.get("path", "/"), "path %s" % found["path"])
        claim(style == "RPC" or found["method"] == "GET", "method %s" % found["method"])
    if call["cloud"] == "tencentcloud":
        claim(found["service"] == call["service"], "service %s" % found["service"])
    if call["cloud"] == "aws":
        claim(found["endpoint"] == call["service"], "host %s" % found["endpoint"])
        claim("prefix" not in wire or found["target"] == wire["prefix"], "target %s" % found["target"])
        claim("prefix" not in wire or found["json"] == wire["json"], "JSON %s" % found["json"])
        claim("method" not in wire or (found["method"], found["path"]) == (wire["method"], wire["path"]), "path %s" % found["path"])
        claim(wire["protocol"] in found["protocols"], "protocols %s" % found["protocols"])
    for name in call["parameters"]:
        # A structure's parts go as its name, a dot and theirs; a bucket goes in the path, and so does a sub-resource.
        root = {"bucket": "Bucket"}.get(name, name.split(".")[0])
        claim(root in found["parameters"] or "?" + name in found.get("path", ""), "no parameter %s" % name)
    if call["size"] and "bounds" in found:
        least, most = found["bounds"].get(call["size"][0], (None, None))
        claim((least or 0) <= call["size"][1] <= (most or call["size"][1]), "size at most %s" % most)
    answer = found["answer"]
    if wire.get("protocol") == "rest-xml":
        # The store's XML is read as it stands: lists keep their elements' names.
        answer = models.as_written(answer)
    for path, kind in call["paths"]:
        shape = models.at(answer, path)
        claim(shape is not None and (kind == "any" or shape["kind"] in (kind, "any")), "no %s %s in the answer" % (kind, path))
    items = models.at(answer, call["items"])
    claim(items is not None, "no items %s" % call["items"])
    if items is not None:
        item = items["of"] if items["kind"] == "list" and call["items"] else items
        for name in sorted(names(item)):
            claim(name in call["hide"] or not re.search("passw|secret|private_?key", name, re.I), "%s may be seen" % name)
        for path in call["members"]:
            # Bare texts are ids.
            shape = item if item["kind"] == "text" and path == call["id"] else models.at(item, path)
            claim(shape is not None, "no member %s" % path)
    return wrong


def main():
    aws, others = map(pathlib.Path, sys.argv[1:3])
    calls = json.load(sys.stdin)
    wrong = [(call["who"], call["action"], text) for call in calls for text in check(call, aws, others)]
    json.dump(["%s %s: %s" % each for each in wrong], sys.stdout, indent=1)


main()
