"""Holds calls, as JSON on stdin, against what the vendors' SDKs say of them; prints as JSON what is not so.

    check.py AWS-SITE-PACKAGES OTHERS-SITE-PACKAGES

A call: {"who", "cloud", "wire": {...}, "service", "action", "parameters": [...], "values": [[parameter, value], ...], "size": [name, most] or null,
"sizes": [values] or the least that may be asked for, "bound": [values] or most or {"least", "most"} (what simcloud's table takes) or null, "paths": [[path, kind], ...], "items", "members": [path, ...], "hide": [name, ...],
"hosts": [[region, host], ...], "batch": [parameter, how many ids] or null, "list": is it a list of objects, "rate": calls a second, "signing": name or null}.
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


# Other ways to page, than the one that is declared; and what changes nothing but the order or the language.
PAGES = {"PageNumber", "PageSize", "MaxResults", "NextToken", "Limit", "Offset", "Lang", "OrderBy", "OrderByType", "OrderType", "OrderDirection", "OrderColumn", "OrderKeyType"}


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
        claim(found["signing"] == call["signing"], "signed for %s, not %s" % (found["signing"], call["signing"]))
        claim("prefix" not in wire or found["target"] == wire["prefix"], "target %s" % found["target"])
        claim("prefix" not in wire or found["json"] == wire["json"], "JSON %s" % found["json"])
        claim("method" not in wire or (found["method"], found["path"]) == (wire["method"], wire["path"]), "path %s" % found["path"])
        claim(wire["protocol"] in found["protocols"], "protocols %s" % found["protocols"])
    for name in call["parameters"]:
        # A structure's parts go as its name, a dot and theirs; a bucket goes in the path, and so does a sub-resource.
        root = {"bucket": "Bucket"}.get(name, name.split(".")[0])
        claim(root in found["parameters"] or "?" + name in found.get("path", ""), "no parameter %s" % name)
    for region, host in call["hosts"]:
        claim(host == found["host"](region), "%s: %s, not %s" % (region, found["host"](region), host))
    if call["batch"]:
        name, most = call["batch"]
        said = re.search(r"\bup to (\d+)", models.plain(found["texts"].get(name, "")))
        if said is None:
            wrong.append("%s: nothing says how many may go, %d do" % (name, most))
        else:
            claim(most <= int(said.group(1)), "%s: %d, at most %s" % (name, most, said.group(1)))
    if call["list"]:
        # What is not asked for may be hidden by a default: each is known to the test.
        for name in sorted(found["texts"].keys() - set(call["parameters"]) - PAGES):
            if re.search("default|默认|whether|是否|指定", models.plain(found["texts"][name]), re.I):
                wrong.append("%s is left to its default" % name)
    rate = models.rate(found.get("about", ""))
    claim(rate is None or call["rate"] <= rate, "%s calls a second, at most %s" % (call["rate"], rate))
    if call["size"]:
        name, size = call["size"]
        least, most = found.get("bounds", {}).get(name, (None, None))
        said = {"most": most, "least": least or 1} if most else models.sizes(found["texts"].get(name, ""))
        if said is None:
            wrong.append("%s: nothing says how large a page may be, %d is asked for" % (name, size))
        elif "one" in said:
            claim(size in said["one"], "%s %d is none of %s" % (name, size, said["one"]))
            claim(call["sizes"] == said["one"] or call["sizes"] == size, "%s of %s, not %s" % (name, said["one"], call["sizes"]))
            claim(call["bound"] in (None, said["one"]), "simcloud takes %s of %s" % (call["bound"], said["one"]))
        elif "most" in said:
            asked = call["sizes"] if isinstance(call["sizes"], list) else [call["sizes"]]
            claim(size <= said["most"], "%s %d, at most %d" % (name, size, said["most"]))
            claim(said.get("least", 1) <= min(asked), "%s %d, at least %d" % (name, min(asked), said.get("least", 1)))
            taken = said["most"] if said.get("least", 1) == 1 else {"least": said["least"], "most": said["most"]}
            claim(call["bound"] in (None, taken), "simcloud takes %s of %s" % (call["bound"], taken))
        else:
            wrong.append("%s: only a default of %d is said" % (name, said["default"]))
            claim(size == said["default"], "%s %d is not the default" % (name, size))
    for name, value in call["values"]:
        # Parts of a filter are described with it.
        root = name.split(".")[0]
        known, text = found.get("values", {}).get(root), models.plain(found["texts"].get(root, ""))
        said = models.sizes(text) or {}
        if known is not None:
            claim(value in known, "%s is none of %s" % (value, known))
        elif value.isdigit() and ("one" in said or "most" in said):
            claim(int(value) in said.get("one", range(said.get("most", 0) + 1)), "%s %s, %s" % (name, value, said))
        elif not re.search(r"(?<![\w-])%s(?![\w-])" % re.escape(value), text):
            wrong.append("%s: nothing says that it takes %s" % (name, value))
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


def check_shapes(shapes, aws):
    """EC2's structures are a table of our own: where it is not as the service model is."""
    said = models.ec2_shapes(aws, "2016-11-15", "Instance")
    for name in sorted(said.keys() | shapes.keys()):
        ours, theirs = shapes.get(name, {}), said.get(name, {})
        for wire in sorted(ours.keys() | theirs.keys()):
            if ours.get(wire) != theirs.get(wire):
                yield "%s.%s is %s, not %s" % (name, wire, theirs.get(wire), ours.get(wire))


def main():
    aws, others = map(pathlib.Path, sys.argv[1:3])
    given = json.load(sys.stdin)
    calls = given["calls"]
    wrong = [(call["who"], call["action"], text) for call in calls for text in check(call, aws, others)]
    wrong += [("aws_ec2", "DescribeInstances", text) for text in check_shapes(given["ec2"], aws)]
    json.dump(["%s %s: %s" % each for each in wrong], sys.stdout, indent=1)


main()
