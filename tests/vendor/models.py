"""What the vendors' own SDKs say of a call: read from their sources, nothing is imported and nothing is run.

A shape is a dictionary: {"kind": "structure", "members": {...}}, {"kind": "list", "of": shape}, {"kind": "map"}, or {"kind": "text"},
"integer", "float", "boolean", "time", "any".
"""

import ast
import functools
import gzip
import json
import pathlib
import re

SCALARS = {"str": "text", "int": "integer", "float": "float", "bool": "boolean"}


# What a parameter takes, where the description says so in words alone


def plain(text):
    """Without the marks of HTML and Markdown, on one line."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>|[*`#]", "", text)).strip()


def number(text):
    return int(text.replace(",", ""))


NUMBER = r"(\d[\d,]*)"
BETWEEN = r"(?:\s|[,、/.]|-(?!\d)|and\b|or\b|\(default\))*"
LIST = re.compile(r"(?:[Vv]alid values?|取值(?:范围)?为?)\s*[:：]?" + BETWEEN + r"(\d+(?:" + BETWEEN + r"\d+){2,})(?!\d)")
RANGES = [
    re.compile(r"(?:[Vv]alid values?[:：]?|取值(?:范围)?为?|between|number from) ?" + NUMBER + r" ?(?:to|-|~|～|至|and) ?" + NUMBER),
    re.compile(r"取值(?:范围)?为?\s*[(\[（]" + NUMBER + r"[,，]\s*" + NUMBER + r"[)\]）]"),
]
MOST = re.compile(r"(?:[Mm]aximum(?: value)?(?: is)?|最大值?为?|最多输出)\s*[:：]?\s*" + NUMBER)
LEAST = re.compile(r"[Mm]inimum(?: value)?(?: is)?\s*[:：]?\s*" + NUMBER)
DEFAULT = re.compile(r"(?:[Dd]efault(?: value)?(?: is)?|默认值?为?)\s*[:：]?\s*" + NUMBER)


def sizes(text):
    """What a text says of the size of a page: the values that are allowed, or the largest, or at least the default; nothing else is proven by it."""
    text = plain(text)
    found = LIST.search(text)
    if found:
        return {"one": [int(value) for value in re.findall(r"\d+", found.group(1))]}
    for form in RANGES:
        found = form.search(text)
        if found:
            # An open bracket is one that stands outside.
            least = number(found.group(1)) + bool(re.search(r"[(（]\s*" + NUMBER + r"[,，]", found.group(0)))
            return {"most": number(found.group(2)), "least": max(least, 1)}
    found = MOST.search(text)
    if found:
        least = LEAST.search(text)
        return {"most": number(found.group(1)), "least": number(least.group(1)) if least else 1}
    found = DEFAULT.search(text)
    return {"default": number(found.group(1))} if found else None


WORDS = {"one": 1, "two": 2, "five": 5, "ten": 10, "twenty": 20}
RATE = re.compile(r"limit of (\w+) transactions per second")


def rate(text):
    """Calls a second that a description allows; none where it says nothing."""
    found = RATE.search(plain(text))
    return found and (WORDS.get(found.group(1)) or int(found.group(1)))


# Alibaba Cloud: alibabacloud_<product><version>


def aliyun(site, package, version, action):
    """One call of a product: how it is asked for, its parameters, its answer."""
    root = site / package
    client = text(root / "client.py")
    place = re.search(r"action\s*=\s*'%s'" % re.escape(action), client)
    if place is None:
        return None
    block = client[client.rindex("\n    def ", 0, place.start()) : client.find("\n    def ", place.end())]
    said = lambda name: re.search(r"\b%s\s*=\s*f?'([^']*)'" % name, block).group(1)
    path = re.search(r"pathname\s*=\s*f?'([^\n]*)',", block).group(1)
    path = re.sub(r"\{[^{}]*\(([a-z_]+)\)[^{}]*\}", lambda found: "{%s}" % camel(found.group(1)), path)
    answer = re.search(r"(?:main_models|[a-z_0-9]*_models)\.(\w+Response)\(\)", block).group(1) + "Body"
    return {
        "version": said("version"),
        "style": said("style"),
        "method": said("method"),
        "path": path,
        "parameters": set(re.findall(r"(?:query|body|query_param)\['([^']+)'\]", block)) | set(re.findall(r"\{(\w+)\}", path)),
        "texts": aliyun_texts(root, answer.removesuffix("ResponseBody") + "Request"),
        "answer": aliyun_shape(root, answer, ()),
        "host": aliyun_host(client),
    }


def aliyun_host(client):
    """Where a client asks, by the region: its map, and else the rule."""
    written = re.search(r"self\._endpoint_map = (\{.*?\})", client, re.S)
    known = ast.literal_eval(written.group(1)) if written else {}
    product = re.search(r"get_endpoint\('([^']+)'", client).group(1)
    regional = "_endpoint_rule = 'regional'" in client
    # One of them has a tab in its map.
    return lambda region: known.get(region, "%s%s.aliyuncs.com" % (product, "." + region if regional else "")).strip()


def camel(name):
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


@functools.cache
def aliyun_classes(root):
    files = [root / "models.py"] if (root / "models.py").exists() else sorted((root / "models").glob("*.py"))
    classes = {}
    for file in files:
        for part in re.split(r"\n(?=class )", text(file)):
            found = re.match(r"class (\w+)\(", part)
            if found:
                classes[found.group(1)] = part
    return classes


def aliyun_texts(root, name):
    """What is said of each parameter: the comment above it."""
    part = aliyun_classes(root).get(name, "")
    attributes = {attribute: key for key, attribute in re.findall(r"m\.get\('([^']+)'\)[^\n]*\n\s+self\.(\w+) = m\.get", part)}
    init = part.partition("def __init__")[2].partition("def validate")[0]
    comments = re.findall(r"((?:\n +#[^\n]*)+)\n +self\.(\w+) = ", init)
    return {attributes[attribute]: re.sub(r"\n +#", "\n", text) for text, attribute in comments if attribute in attributes}


def aliyun_shape(root, name, above):
    part = aliyun_classes(root).get(name)
    if part is None or name in above:
        return {"kind": "any"}
    init, _, rest = part.partition("def from_map")
    types = dict(re.findall(r"\n        (\w+): ([^\n]+?) = None,", init))
    members = {}
    for block in re.split(r"\n        if (?=m\.get\()", rest)[1:]:
        key = re.match(r"m\.get\('([^']+)'\)", block).group(1)
        attribute = re.search(r"self\.(\w+)", block).group(1)
        members[key] = aliyun_type(root, types.get(attribute, "Any"), above + (name,))
    return {"kind": "structure", "members": members}


def aliyun_type(root, written, above):
    written = written.strip().strip("'\"")
    if written.startswith("List["):
        return {"kind": "list", "of": aliyun_type(root, written[5:-1], above)}
    if written.startswith("Dict["):
        return {"kind": "map"}
    if written in SCALARS:
        return {"kind": SCALARS[written]}
    return {"kind": "any"} if written == "Any" else aliyun_shape(root, written.rpartition(".")[2], above)


# Tencent Cloud: tencentcloud-sdk-python-<product>


def tencentcloud(site, product, version, action):
    """One call of a product."""
    root = site / "tencentcloud" / product / ("v" + version.replace("-", ""))
    client = root / f"{product}_client.py"
    if not client.exists():
        return None
    client = text(client)
    if not re.search(r'self\.call\(\s*"%s"' % action, client):
        return None
    classes = tencentcloud_classes(root)
    request = tencentcloud_shape(classes, action + "Request", ())
    return {
        "version": re.search(r"_apiVersion = '([^']+)'", client).group(1),
        "service": re.search(r"_service = '([^']+)'", client).group(1),
        "parameters": set(request["members"]),
        "texts": dict(re.findall(r":param _(\w+): (.*?)\n\s*:type ", classes.get(action + "Request", ""), re.S)),
        "answer": tencentcloud_shape(classes, action + "Response", ()),
    }


@functools.cache
def tencentcloud_classes(root):
    parts = re.split(r"\n(?=class )", text(root / "models.py"))
    return {re.match(r"class (\w+)\(", part).group(1): part for part in parts[1:]}


def tencentcloud_shape(classes, name, above):
    part = classes.get(name)
    if part is None or name in above:
        return {"kind": "any"}
    types = re.findall(r":type (\w+): ([^\n]+)", part)
    return {
        "kind": "structure",
        "members": {key: tencentcloud_type(classes, written.strip(), above + (name,)) for key, written in types},
    }


def tencentcloud_type(classes, written, above):
    if written.startswith("list of "):
        return {"kind": "list", "of": tencentcloud_type(classes, written[8:], above)}
    if written in SCALARS:
        return {"kind": SCALARS[written]}
    name = re.match(r":class:`[^`]*?(\w+)`|(\w+)$", written)
    return tencentcloud_shape(classes, name.group(1) or name.group(2), above) if name else {"kind": "any"}


# AWS: botocore


@functools.cache
def aws_model(site, service, version):
    file = site / "botocore" / "data" / service / version / "service-2.json.gz"
    return json.loads(gzip.decompress(file.read_bytes())) if file.exists() else None


def aws(site, service, version, action):
    """One call of a service; members as the SDKs spell them, and beside each its name on the wire."""
    model = aws_model(site, service, version)
    operation = model and model["operations"].get(action)
    if not operation:
        return None
    shapes, wire = model["shapes"], model["metadata"]
    request = shapes.get(operation.get("input", {}).get("shape"), {"members": {}})
    answer = operation["output"]
    return {
        "version": wire["apiVersion"],
        "protocols": wire.get("protocols", [wire["protocol"]]),
        "endpoint": wire["endpointPrefix"],
        "signing": wire.get("signingName", wire["endpointPrefix"]),
        "target": wire.get("targetPrefix"),
        "json": wire.get("jsonVersion"),
        "method": operation["http"]["method"],
        "path": operation["http"]["requestUri"],
        "wrapper": answer.get("resultWrapper"),
        "parameters": {aws_parameter(wire, key, member) for key, member in request["members"].items()},
        "texts": {aws_parameter(wire, key, member): member.get("documentation", "") for key, member in request["members"].items()},
        "values": {
            aws_parameter(wire, key, member): shapes[member["shape"]]["enum"]
            for key, member in request["members"].items()
            if "enum" in shapes[member["shape"]]
        },
        "bounds": {
            aws_parameter(wire, key, member): (shapes[member["shape"]].get("min"), shapes[member["shape"]].get("max"))
            for key, member in request["members"].items()
        },
        "answer": aws_shape(shapes, answer["shape"], ()),
        "about": operation.get("documentation", ""),
    }


def aws_parameter(wire, key, member):
    return member.get("locationName", key) if wire["protocol"].startswith("rest-") else key


def ec2_shapes(site, version, name):
    """EC2's structures from this one on: each member's name on the wire, and its name and type in the SDKs."""
    shapes, found, left = aws_model(site, "ec2", version)["shapes"], {}, [name]

    def kind(name):
        shape = shapes[name]
        if shape["type"] == "structure":
            left.append(name)
            return "structure " + name
        if shape["type"] == "list":
            return "list " + kind(shape["member"]["shape"])
        return {"string": "text", "timestamp": "time", "long": "integer", "double": "float"}.get(shape["type"], shape["type"])

    while left:
        name = left.pop()
        if name not in found:
            members = shapes[name]["members"].items()
            found[name] = {member["locationName"]: [key, kind(member["shape"])] for key, member in members}
    return found


def as_written(shape):
    """Members by their names on the wire, and lists below their elements' names."""
    if shape["kind"] == "structure":
        return {"kind": "structure", "members": {m.get("wire", n): as_written(m) for n, m in shape["members"].items()}}
    if shape["kind"] == "list":
        return {"kind": "structure", "members": {shape["element"]: {"kind": "list", "of": as_written(shape["of"])}}}
    return shape


def aws_shape(shapes, name, above):
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        if name in above:
            return {"kind": "any"}
        members = {
            key: aws_shape(shapes, member["shape"], above + (name,)) | {"wire": member.get("locationName", key)}
            for key, member in shape["members"].items()
        }
        return {"kind": "structure", "members": members}
    if kind == "list":
        of = aws_shape(shapes, shape["member"]["shape"], above)
        return {"kind": "list", "of": of, "flat": bool(shape.get("flattened")), "element": shape["member"].get("locationName", "member")}
    names = {"string": "text", "character": "text", "long": "integer", "double": "float", "timestamp": "time", "blob": "text"}
    return {"kind": names.get(kind, kind)}


def text(path):
    return pathlib.Path(path).read_text(encoding="utf-8")


def at(shape, path):
    """The shape at the end of a path of member names and places in lists."""
    for name in filter(None, path.split(".")):
        if shape["kind"] == "list":
            if not name.isdigit():
                return None
            shape = shape["of"]
        elif shape["kind"] == "structure":
            if name not in shape["members"]:
                return None
            shape = shape["members"][name]
        elif shape["kind"] in ("map", "any"):
            return {"kind": "any"}
        else:
            return None
    return shape
