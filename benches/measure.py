#!/usr/bin/env python3
"""Measures the real program against the simulated clouds: seconds beside the floor that the quotas set, memory, start, size, growth.

    cargo build --release --workspace
    python3 benches/measure.py quota|memory|start|idle|size|growth|all [--bin target/release]

Standard library only. Both programs run as processes of their own, so that CPU and memory are funchost's alone. Lines that DataKit
takes go into a file. Every figure is the least of its repetitions: other programs on the machine only ever add.
"""

import argparse
import json
import os
import re
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

REGION = {"aws": "cn-northwest-1", "aliyun": "cn-hangzhou", "tencentcloud": "ap-shanghai"}

# Calls a second, as the README of the reference has them; "calls ÷ rate" of the floor.
RATES = {
    "monitoring:GetMetricData": 50, "monitoring:ListMetrics": 25, "ec2:DescribeInstances": 20,
    "monitor:GetMonitorData": 20, "monitor:DescribeBaseMetrics": 20, "cvm:DescribeInstances": 40,
    "cms:DescribeMetricList": 10, "cms:DescribeMetricMetaList": 5, "ecs:DescribeInstances": 10, "ecs:DescribeDisks": 10,
    "ecs:DescribeNetworkInterfaces": 10, "ecs:DescribeInstancesFullStatus": 10, "ecs:DescribeInstanceAutoRenewAttribute": 10,
}


class Clouds:
    """simcloud as a process."""

    def __init__(self, programs, folder, **options):
        self.lines = folder / "lines"
        arguments = [str(programs / "simcloud"), "--quiet", "--datakit-lines", str(self.lines)]
        for name, value in options.items():
            arguments += ["--" + name.replace("_", "-"), str(value)]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE)
        output, text = self.process.stdout.fileno(), ""
        # What it says at its start; then it is quiet.
        while "Ctrl-C" not in text or select.select([output], [], [], 0.3)[0]:
            more = os.read(output, 1 << 16)
            if not more:
                sys.exit(f"simcloud ended\n{text}")
            text += more.decode()
        self.environment = dict(re.findall(r"^([A-Z]+_AK_(?:ID|SECRET))=(.*)$", text, re.M))
        self.urls = {
            cloud: found.group(1)
            for cloud, word in [("aws", "AWS"), ("aliyun", "Aliyun"), ("tencentcloud", "Tencent"), ("datakit", "DataKit")]
            if (found := re.search(rf"^{word} +(http://\S+)$", text, re.M))
        }

    def taken(self):
        """Lines that DataKit took."""
        with open(self.lines, "rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


def script(cloud, metrics, objects=True):
    """The script of one account, one region: objects, then their metrics."""
    names = {
        "aws": ("aws_ec2", "aws_cloudwatch", "AWS/EC2", "AWS"),
        "aliyun": ("aliyun_ecs", "aliyun_monitor", "acs_ecs_dashboard", "ALIYUN"),
        "tencentcloud": ("tencentcloud_cvm", "tencentcloud_monitor", "QCE/CVM", "TENCENTCLOUD"),
    }
    listing, measuring, namespace, prefix = names[cloud]
    regions = f'regions: ["{REGION[cloud]}"]'
    central = cloud == "aliyun"
    first = f"{listing}::DataCollector(account, #{{ {regions} }})," if objects else ""
    return f"""import "guance_integration__runner" as integration;
import "guance_{listing}__main" as {listing};
import "guance_{measuring}__main" as {measuring};
let account = #{{
    ak_id: DFF.ENV("{prefix}_AK_ID"), ak_secret: DFF.ENV("{prefix}_AK_SECRET"),
    extra_tags: #{{ account_name: "我的账号" }},
}};
@DFF.API("measured", timeout = 3600)
fn run() {{
    Runner([
        {first}
        {measuring}::DataCollector(account, #{{ {"" if central else regions + ","}
            targets: [ #{{ namespace: "{namespace}", metrics: {metrics} }} ] }}),
    ]).run();
}}
"""


class World:
    """A folder with a script, a configuration and a state."""

    def __init__(self, programs, folder, clouds, text, limits=None, overlap=None):
        self.programs, self.folder, self.clouds = programs, folder, clouds
        (folder / "mine").mkdir(exist_ok=True)
        (folder / "mine/main.rhai").write_text(text)
        config = f'state = "state"\n[datakits.datakit]\nurl = "{clouds.urls["datakit"]}"\n[endpoints]\n'
        config += "".join(f'{cloud} = "{url}"\n' for cloud, url in clouds.urls.items() if cloud != "datakit")
        if limits:
            config += "[limits]\n" + "".join(f'"{name}" = {rate}\n' for name, rate in limits.items())
        if overlap:
            config += f"[overlap]\naws = {overlap}\n"
        (folder / "funchost.toml").write_text(config)

    def forget(self):
        shutil.rmtree(self.folder / "state", ignore_errors=True)

    def go_back(self, minutes):
        """As if nothing had run for so many minutes: marks go back, what was sent is not remembered."""
        with sqlite3.connect(self.folder / "state/funchost.db") as state:
            state.execute("UPDATE mark SET until = until - ?", (minutes * 60 * 10**9,))
            state.execute("DELETE FROM sent")

    def run(self, *arguments):
        """One run: wall and CPU seconds, peak memory in KiB, the report."""
        environment = {"HOME": str(self.folder), **self.clouds.environment}
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            began = time.monotonic()
            process = subprocess.Popen(
                [str(self.programs / "funchost"), "run", "mine/main.rhai", "--output", "json", *arguments],
                cwd=self.folder, env=environment, stdout=out, stderr=err,
            )
            peak = 0
            while True:
                # The kernel's own high-water mark; it only rises, so that the last look is the peak, or next to it.
                try:
                    status = Path(f"/proc/{process.pid}/status").read_text()
                    found = re.search(r"VmHWM:\s+(\d+)", status)
                    peak = max(peak, int(found.group(1))) if found else peak
                except (FileNotFoundError, ProcessLookupError):
                    pass
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                time.sleep(0.005)
            wall = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            out.seek(0)
            err.seek(0)
            text = out.read().decode()
            if process.returncode != 0:
                sys.exit(f"funchost ended with {process.returncode}\n{text}\n{err.read().decode()}")
        report = json.loads(text)
        return {
            "wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak": peak, "report": report,
            "points": sum(one["delivered"] for one in report["collectors"]),
            "calls": {name: count for one in report["collectors"] for name, count in one["calls"].items()},
        }


def least(runs, key):
    return min(run[key] for run in runs)


def floors(report, latency):
    """The floor of a run: over its collectors, the longer of calls ÷ rate and the longest chain of pages × latency.

    Two readings of "calls ÷ rate" where a collector calls several actions: the slowest action alone (as if all of them could run at
    once), and one after the other (a list must be read before what it lists can be asked for).
    """
    at_once = in_turn = 0
    for one in report["collectors"]:
        stages = [max(count / RATES[name], latency) for name, count in one["calls"].items()]
        chain = max((count * latency for name, count in one["calls"].items() if is_chain(name)), default=0)
        at_once += max([chain, *stages])
        in_turn += max(chain, sum(stages))
    return at_once, in_turn


def is_chain(name):
    """Is a page of this list only known from the page before?"""
    return name in ("monitoring:ListMetrics", "ec2:DescribeInstances")


JOBS = {
    # Of the instances that simcloud makes for AWS, ten of twelve run.
    "aws": ("1,000 EC2 × 10 metrics", {"aws_instances": 1200, "aws_metrics": 10}, '"ALL"'),
    "aliyun": ("1,000 ECS × 20 metrics", {"aliyun_instances": 1000}, None),
    "tencentcloud": ("700 CVM × 20 metrics", {"tencent_instances": 700, "tencent_metrics": 20}, '"ALL"'),
}


def quota(programs, repeat):
    print("## Seconds beside the quotas' floor, 30 ms latency, default rates\n")
    print("| job | run | calls | seconds | floor, stages at once | ratio | floor, stages in turn | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for cloud, (job, options, metrics) in JOBS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with Clouds(programs, folder, latency="30ms", **options) as clouds:
                if cloud not in clouds.urls:
                    print(f"| {job} | simcloud has no {cloud} yet |")
                    continue
                world = World(programs, folder, clouds, script(cloud, metrics or aliyun_metrics()), overlap=120)
                first, later = [], []
                for _ in range(repeat):
                    world.forget()
                    first.append(world.run())
                    # Five new minutes and a short overlap: what was sent is forgotten, so that all of it is delivered again.
                    world.go_back(5)
                    later.append(world.run("--force"))
                for name, runs in [("first", first), ("later: lists are remembered", later)]:
                    run = min(runs, key=lambda run: run["wall"])
                    at_once, in_turn = floors(run["report"], 0.030)
                    calls = ", ".join(f"{name} {count}" for name, count in sorted(run["calls"].items()))
                    print(
                        f"| {job} | {name} | {calls} | {run['wall']:.2f} | {at_once:.2f} | {run['wall'] / at_once:.2f} "
                        f"| {in_turn:.2f} | {run['wall'] / in_turn:.2f} |", flush=True,
                    )


def aliyun_metrics():
    """Twenty metrics of ECS that simcloud has."""
    return json.dumps([
        "CPUUtilization", "InternetInRate", "InternetOutRate", "IntranetInRate", "IntranetOutRate", "DiskReadBPS", "DiskWriteBPS",
        "DiskReadIOPS", "DiskWriteIOPS", "cpu_idle", "cpu_system", "cpu_total", "cpu_user", "load_1m", "load_5m", "load_15m",
        "memory_freespace", "memory_totalspace", "memory_usedspace", "memory_usedutilization",
    ])


FAST = {"aws.monitoring.ListMetrics": 100000, "aws.monitoring.GetMetricData": 100000, "aws.ec2.DescribeInstances": 100000}


def memory(programs, repeat):
    print("## Peak memory (VmHWM) of one run\n")
    print("| shape | series | points | peak MiB | CPU µs a point | seconds |")
    print("| --- | --- | --- | --- | --- | --- |")
    shapes = [
        ("12,700 instances, 1 metric, 11 minutes", 12700, 1, 11),
        ("12,700 instances, 1 metric, 117 minutes", 12700, 1, 117),
        ("1,270 instances, 1 metric, 117 minutes", 1270, 1, 117),
        ("15,000 instances, 1 metric, first run (10 minutes)", 15000, 1, None),
        ("150,000 instances, 1 metric, first run (10 minutes)", 150000, 1, None),
    ]
    for shape, instances, metrics, minutes in shapes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with Clouds(programs, folder, aws_instances=instances, aws_metrics=metrics) as clouds:
                world = World(programs, folder, clouds, script("aws", '"ALL"', objects=minutes is None), FAST)
                runs = []
                for _ in range(repeat):
                    world.forget()
                    if minutes is None:
                        runs.append(world.run())
                        continue
                    world.run()
                    world.go_back(minutes)
                    runs.append(world.run("--force"))
                run = runs[0]
                points = run["points"]
                print(
                    f"| {shape} | {instances * 10 // 12 * metrics} | {points} | {least(runs, 'peak') / 1024:.1f} "
                    f"| {least(runs, 'cpu') / points * 1e6:.2f} | {least(runs, 'wall'):.2f} |", flush=True,
                )


def start(programs, repeat):
    """From the start of the process to the first byte of its first call, and the CPU time of the process until then, which no other program adds to."""
    print("## From process start to the first call\n")
    text = script("aws", '"ALL"', objects=False)
    for kept in [False, True]:
        times, cpu = [], []
        with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as server:
            folder = Path(name)

            class Nothing:
                urls = {"aws": f"http://127.0.0.1:{server.getsockname()[1]}", "datakit": "http://127.0.0.1:9"}
                environment = {"AWS_AK_ID": "AKIDEXAMPLE", "AWS_AK_SECRET": "secret"}

            World(programs, folder, Nothing, text)
            for _ in range(10 * repeat):
                if not kept:
                    shutil.rmtree(folder / "state", ignore_errors=True)
                elif times:
                    # The process before was killed: its claims still stand.
                    with sqlite3.connect(folder / "state/funchost.db") as state:
                        state.execute("DELETE FROM claim")
                began = time.monotonic()
                process = subprocess.Popen(
                    [str(programs / "funchost"), "run", "mine/main.rhai", "--force"], cwd=folder,
                    env={"HOME": name, **Nothing.environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )
                connection, _ = server.accept()
                connection.recv(1)
                times.append(time.monotonic() - began)
                threads = Path(f"/proc/{process.pid}/task").glob("*/schedstat")
                cpu.append(sum(int(thread.read_text().split()[0]) for thread in threads) / 1e6)
                process.kill()
                process.wait()
                connection.close()
            if kept:
                # The first one made it.
                times.pop(0)
                cpu.pop(0)
        times.sort()
        which = "a state that is there" if kept else "a new state"
        print(f"- {which}: least {times[0] * 1000:.1f} ms, median {times[len(times) // 2] * 1000:.1f} ms of {len(times)}; CPU {min(cpu):.1f} ms")


# MiB.
LARGEST_IDLE = 40
# What was measured and may not be so.
FAULTS = []


def idle(programs, _):
    """What a service holds that waits: after every page of its console was looked at, and a minute of nothing."""
    print("## Memory of an idle service\n")
    print("| functions | triggers | recorded runs | resident MiB (VmRSS) | of these its own (RssAnon) | peak (VmHWM) |")
    print("| --- | --- | --- | --- | --- | --- |")
    for functions in [1, 500]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for number in range(functions):
                file = folder / f"scripts/set{number % 5}/script{number // 10}.rhai"
                file.parent.mkdir(parents=True, exist_ok=True)
                with file.open("a") as text:
                    text.write(f'@DFF.API("function {number}", fixed_crontab = "0 0 1 1 *")\nfn f{number}() {{}}\n')
            process = subprocess.Popen(
                [str(programs / "funchost"), "serve", "--listen", "127.0.0.1:0"], cwd=folder, text=True,
                env={"HOME": name, "FUNCHOST_STATE": str(folder / "state")}, stderr=subprocess.PIPE,
            )
            url = next(line for line in process.stderr if " serves at " in line).split(" serves at ")[1].split(": ")[0]
            threading.Thread(target=process.stderr.read, daemon=True).start()
            # Each function has run, so that there is something to show.
            for number in range(functions):
                func = f"set{number % 5}__script{number // 10}.f{number}"
                urllib.request.urlopen(urllib.request.Request(f"{url}/api/v1/func/{func}", data=b"{}", method="POST")).read()
            for path in ["", "api/v1/overview", "api/v1/functions", "api/v1/triggers", "api/v1/runs", "api/v1/usage", "metrics"]:
                urllib.request.urlopen(f"{url}/{path}").read()
            time.sleep(60)
            status = Path(f"/proc/{process.pid}/status").read_text()
            found = {key: int(re.search(rf"{key}:\s+(\d+)", status).group(1)) / 1024 for key in ["VmRSS", "RssAnon", "VmHWM"]}
            process.terminate()
            process.wait()
            print(f"| {functions} | {functions} | {functions} | {found['VmRSS']:.1f} | {found['RssAnon']:.1f} | {found['VmHWM']:.1f} |", flush=True)
            if found["VmRSS"] > LARGEST_IDLE:
                FAULTS.append(f"an idle service with {functions} functions holds {found['VmRSS']:.1f} MiB: more than {LARGEST_IDLE}")


def size(programs, _):
    print("## Size of the binary\n")
    print(f"- funchost: {(programs / 'funchost').stat().st_size / 1e6:.1f} MB (stripped, thin LTO)")


def growth(programs, repeat):
    print("## Growth: AWS, ten metrics an instance, objects and metrics, first run\n")
    print("| series | calls | points | seconds | CPU s | CPU µs a series | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for power in range(2, 7):
        # A little less than the power: a list of more than a million metrics is taken to be endless.
        instances = 12 * 10 ** (power - 2) - (12 if power == 6 else 0)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with Clouds(programs, folder, aws_instances=instances, aws_metrics=10) as clouds:
                world = World(programs, folder, clouds, script("aws", '"ALL"'), FAST)
                runs = []
                for _ in range(repeat if power < 6 else 1):
                    world.forget()
                    runs.append(world.run())
                run = runs[0]
                cpu = least(runs, "cpu")
                print(
                    f"| 10^{power} | {sum(run['calls'].values())} | {run['points']} | {least(runs, 'wall'):.2f} | {cpu:.2f} "
                    f"| {cpu / 10**power * 1e6:.1f} | {least(runs, 'peak') / 1024:.1f} |", flush=True,
                )


def main():
    what = {"quota": quota, "memory": memory, "start": start, "idle": idle, "size": size, "growth": growth}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*what, "all"])
    parser.add_argument("--bin", default=Path(__file__).parent.parent / "target/release", type=Path)
    parser.add_argument("--repeat", default=3, type=int)
    arguments = parser.parse_args()
    for name, measure in what.items():
        if arguments.what in (name, "all"):
            measure(arguments.bin.resolve(), arguments.repeat)
            print()
    if FAULTS:
        sys.exit("\n".join(FAULTS))


if __name__ == "__main__":
    main()
