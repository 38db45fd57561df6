"""Checks the Helm chart and the Grafana dashboard.

The chart is linted and rendered with Helm's own library, and every object held against Kubernetes' schemas. The dashboard is
read by Grafana's own types and its queries by promtool. In: the files in deploy/. Out: a line for each case; exit 1 when
one is wrong. Needs promtool, and the packages in requirements.txt and package.json; check.sh sees to them. Asks no cluster and
no network.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import grafana_foundation_sdk.cog.plugins
import grafana_foundation_sdk.models.dashboard
import helm_python
import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).parent
DASHBOARD = HERE.parent / "grafana" / "phalanx.json"
CHART = HERE.parent / "helm" / "phalanx"
# The oldest version that Chart.yaml allows, and the newest whose schemas we have.
VERSIONS = ["1.27", "1.37"]
# Values that the schema has to refuse, with a word of the reason.
REFUSED = [
    ({"gateway": {"store": "/var/lib/phalanx"}}, "store"),
    ({"gateway": {"replica": 2}}, "replica"),
    ({"workers": [{"name": "all", "kinds": ["wrap"]}]}, "kinds"),
    ({"workers": [{"kinds": ["prove"]}]}, "name"),
    ({"worker": {"server": "phalanx.example"}}, "server"),
]


def objects(values, *, is_install=True):
    """The objects that the chart gives for these values."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="team", namespace="proofs", is_install=is_install, is_upgrade=not is_install)
    for path, text in files.items():
        if path.endswith((".yaml", ".yml")):
            for document in yaml.safe_load_all(text):
                if document:
                    yield path, document


def faults(values):
    """What is wrong with what the chart gives for these values, and how many objects it gives."""
    report = helm_python.lint(CHART, values, strict=True, namespace="proofs")
    wrong = [f"lint: {message['error']}" for message in report["messages"] if message["severity"] >= 2]
    seen, custom = set(), []
    for path, thing in objects(values):
        name = (thing["apiVersion"], thing["kind"], thing["metadata"]["name"])
        if name in seen:
            wrong.append(f"{path}: {name} twice")
        seen.add(name)
        if thing["apiVersion"].split("/")[0] in ("keda.sh", "monitoring.coreos.com"):
            custom.append(thing)
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                wrong.append(f"{path}: {thing['kind']} for Kubernetes {version}: {error.message}")
    if custom:
        tool = ["node", HERE / "custom.js"]
        done = subprocess.run(tool, input=json.dumps(custom), capture_output=True, text=True, check=False)
        if done.returncode:
            wrong.append(done.stderr.strip())
    return wrong, len(seen), len(custom)


def check_dashboard():
    """Reads the dashboard as Grafana does, and its queries as Prometheus does. Whether both went well."""
    grafana_foundation_sdk.cog.plugins.register_default_plugins()
    raw = json.loads(DASHBOARD.read_text())
    board = grafana_foundation_sdk.models.dashboard.Dashboard.from_json(raw)
    queries = [target["expr"] for panel in raw["panels"] for target in panel.get("targets", [])]
    rules = [
        {"record": f"query:{number}", "expr": query.replace("$__rate_interval", "5m").replace("$job", ".+")}
        for number, query in enumerate(queries)
    ]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        tool = [os.environ.get("PROMTOOL", "promtool"), "check", "rules", file.name]
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
    print(done.stderr if done.returncode else f"grafana: {len(board.panels)} panels, {len(queries)} queries")
    return done.returncode == 0


def main():
    cases = {"defaults": {}}
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        cases[path.name] = yaml.safe_load(path.read_text())
    is_wrong = False
    for name, values in cases.items():
        wrong, count, custom = faults(values)
        is_wrong |= bool(wrong)
        print(f"helm: {name}: {count} objects, {custom} of them custom", *wrong, sep="\n  ")
    for values, word in REFUSED:
        try:
            list(objects(values))
        except helm_python.HelmError as error:
            if word in str(error):
                continue
            print(f"helm: {values} is refused for another reason: {error}")
        else:
            print(f"helm: {values} is not refused")
        is_wrong = True
    print(f"helm: {len(REFUSED)} wrong values refused")
    return not check_dashboard() or is_wrong


if __name__ == "__main__":
    sys.exit(main())
