"""Makes collectors/src/aws/shapes.json: what the answers in XML are made of, from the service models of botocore.

    shapes.py SITE-PACKAGES < [["rds", "2014-10-31", "DescribeDBInstances"], …]
"""

import json
import pathlib
import sys

import models


def compact(shape):
    if shape["kind"] == "structure":
        for name, member in shape["members"].items():
            # The reader goes by the names of members, and takes every child of a list as an item.
            assert member["wire"] == name and not member.get("flat"), name
        return {name: compact(member) for name, member in shape["members"].items()}
    if shape["kind"] == "list":
        return [compact(shape["of"])]
    if shape["kind"] in ("map", "any"):
        return None
    assert shape["kind"] in ("text", "integer", "float", "boolean", "time"), shape
    return shape["kind"]


def main():
    site = pathlib.Path(sys.argv[1])
    services = {}
    for service, version, action in json.load(sys.stdin):
        call = models.aws(site, service, version, action)
        assert call["wrapper"] == action + "Result" and "query" in call["protocols"], action
        services.setdefault(service, {})[action] = compact(call["answer"])
    print(json.dumps(services, indent=1, sort_keys=True))


main()
