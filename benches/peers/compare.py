#!/usr/bin/env python3
"""funchost and a boto3 script do the same AWS job against the same simcloud, in turn: first the lines are compared, then CPU, wall and memory.

    cargo build --release --workspace
    python3 benches/peers/compare.py [--instances 1200] [--metrics 10] [--repeat 3]

boto3 comes from PyPI, pinned, into a virtual environment under `target/`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from measure import FAST, REGION, Clouds, World, least, script  # noqa: E402


def environment():
    """The virtual environment, made once, and anew when the pins change."""
    target = HERE.parent.parent / "target/peers"
    pins = (HERE / "requirements.txt").read_text()
    stamp = target / "installed.txt"
    if not stamp.exists() or stamp.read_text() != pins:
        subprocess.run([sys.executable, "-m", "venv", "--clear", target], check=True)
        subprocess.run(
            [target / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", HERE / "requirements.txt"],
            check=True,
        )
        stamp.write_text(pins)
    return target / "bin/python"


def run_peer(python, clouds, window):
    began = time.monotonic()
    process = subprocess.Popen(
        [python, HERE / "boto3_job.py", "--aws", clouds.urls["aws"], "--datakit", clouds.urls["datakit"],
         "--region", REGION["aws"], "--start", str(window[0]), "--end", str(window[1]), "--objects-time", str(window[2])],
        env={
            "HOME": "/nonexistent", "AWS_ACCESS_KEY_ID": clouds.environment["AWS_AK_ID"],
            "AWS_SECRET_ACCESS_KEY": clouds.environment["AWS_AK_SECRET"],
        },
    )
    peak = 0
    while True:
        try:
            found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
            peak = max(peak, int(found.group(1))) if found else peak
        except (FileNotFoundError, ProcessLookupError):
            pass
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            break
        time.sleep(0.005)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit("the boto3 script failed")
    return {"wall": time.monotonic() - began, "cpu": usage.ru_utime + usage.ru_stime, "peak": peak}


def split(text, at):
    """Splits at a character that no backslash and no quote hides."""
    if '"' not in text:
        return re.split(rf"(?<!\\){at}", text)
    parts, part, quoted, escaped = [], [], False, False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == at and not quoted:
            parts.append("".join(part))
            part = []
            continue
        part.append(character)
    return parts + ["".join(part)]


def value(field):
    """Numbers as numbers; JSON as what it says."""
    if field.startswith('"'):
        plain = re.sub(r'\\(["\\])', r"\1", field[1:-1])
        try:
            return json.loads(plain)
        except json.JSONDecodeError:
            return plain
    return float(field)


def points(path):
    """The points of a file of line protocol: what they say, however it is written."""
    found = {}
    for line in path.read_text().splitlines():
        head, fields, at = split(line, " ")
        measurement, *tags = split(head, ",")
        fields = dict(split(field, "=")[:1] + [value("=".join(split(field, "=")[1:]))] for field in split(fields, ","))
        found[measurement, tuple(sorted(tags)), int(at)] = fields
    return found


def same(one, other):
    """boto3 knows an instance's members as its own model has them: `message` is compared by the members that both have."""
    if one.keys() != other.keys():
        missing = sorted(one.keys() ^ other.keys())[:3]
        return f"{len(one.keys() ^ other.keys())} points differ, such as {missing}"
    for key, fields in one.items():
        if key[0] != "aws_ec2":
            if fields != other[key]:
                return f"{key}: {fields} is not {other[key]}"
            continue
        if fields.keys() != other[key].keys():
            return f"{key}: {fields.keys() ^ other[key].keys()}"
        for name in fields.keys() - {"message"}:
            if normal(fields[name]) != normal(other[key][name]):
                return f"{key} {name}: {fields[name]} is not {other[key][name]}"
        ours, theirs = fields["message"], other[key]["message"]
        for name in ours.keys() & theirs.keys():
            if normal(ours[name]) != normal(theirs[name]):
                return f"{key} message.{name}: {ours[name]} is not {theirs[name]}"
    return None


def normal(value):
    """Times to the second, and nothing that is empty: funchost leaves out what the API does not say, boto3 makes an empty text of it."""
    def full(value):
        if isinstance(value, dict):
            return {name: full(member) for name, member in value.items() if member not in ("", [], {})}
        return [full(item) for item in value] if isinstance(value, list) else value
    return re.sub(r"\.000Z", "Z", json.dumps(full(value), sort_keys=True))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=HERE.parent.parent / "target/release", type=Path)
    parser.add_argument("--instances", default=1200, type=int)
    parser.add_argument("--metrics", default=10, type=int)
    parser.add_argument("--repeat", default=3, type=int)
    arguments = parser.parse_args()
    python = environment()
    programs = arguments.bin.resolve()
    ours, theirs, job = [], [], None
    # A five-minute datapoint may be published between the two: then they are compared once more.
    tries = 3
    while len(ours) < arguments.repeat:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            options = {"aws_instances": arguments.instances, "aws_metrics": arguments.metrics}
            with Clouds(programs, folder, **options) as clouds:
                # Rates as high as boto3's, which has none.
                world = World(programs, folder, clouds, script("aws", '"ALL"'), FAST)
                ours.append(world.run())
                lines = folder / "lines"
                (folder / "ours").write_bytes(lines.read_bytes())
                size = lines.stat().st_size
                text = (folder / "ours").read_text().splitlines()
                newest = max(int(line.rsplit(" ", 1)[1]) for line in text if line.startswith("aws_AWS/EC2")) // 10**9
                objects_time = next(line.rsplit(" ", 1)[1] for line in text if line.startswith("aws_ec2"))
                window = (newest + 60 - 600, newest + 60, objects_time)
                theirs.append(run_peer(python, clouds, window))
                with open(lines, "rb") as file:
                    file.seek(size)
                    (folder / "theirs").write_bytes(file.read())
                if job is None:
                    job = f"{len(text)} points, {size / 1e6:.1f} MB of line protocol"
                    difference = same(points(folder / "ours"), points(folder / "theirs"))
                    if difference and tries == 1:
                        sys.exit(f"the outputs differ: {difference}")
                    if difference:
                        tries, ours, theirs, job = tries - 1, [], [], None
    print(f"{arguments.instances} instances × {arguments.metrics} metrics: {job}; both wrote the same points\n")
    print("| | CPU s | wall s | peak MiB |\n| --- | --- | --- | --- |")
    for name, runs in [("boto3 script", theirs), ("funchost", ours)]:
        print(f"| {name} | {least(runs, 'cpu'):.2f} | {least(runs, 'wall'):.2f} | {least(runs, 'peak') / 1024:.1f} |")
    ratio = lambda key: least(theirs, key) / least(ours, key)
    print(f"| ratio | {ratio('cpu'):.1f} | {ratio('wall'):.1f} | {ratio('peak'):.1f} |")


if __name__ == "__main__":
    main()
