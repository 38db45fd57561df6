"""Checks the Helm chart: lints and renders it with Helm's own library, and holds every object against Kubernetes' schemas.

In: the chart beside this file and the values in its ci/. Out: a line for each case; exit 1 when one is wrong.
Needs the packages in check-requirements.txt; check.sh installs them. Asks no cluster and no network.
"""

import pathlib
import sys

import helm_python
import kubernetes_validate
import yaml

CHART = pathlib.Path(__file__).parent / "helm" / "phalanx"
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
    seen, custom = set(), set()
    for path, thing in objects(values):
        name = (thing["apiVersion"], thing["kind"], thing["metadata"]["name"])
        if name in seen:
            wrong.append(f"{path}: {name} twice")
        seen.add(name)
        if thing["apiVersion"].split("/")[0] in ("keda.sh", "monitoring.coreos.com"):
            custom.add(thing["kind"])
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(thing, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                wrong.append(f"{path}: {thing['kind']} for Kubernetes {version}: {error.message}")
    return wrong, len(seen), custom


def main():
    cases = {"defaults": {}}
    for path in sorted((CHART / "ci").glob("*-values.yaml")):
        cases[path.name] = yaml.safe_load(path.read_text())
    is_wrong = False
    for name, values in cases.items():
        wrong, count, custom = faults(values)
        is_wrong |= bool(wrong)
        unchecked = f", without a schema: {', '.join(sorted(custom))}" if custom else ""
        print(f"helm: {name}: {count} objects{unchecked}" if not wrong else f"helm: {name}:\n  " + "\n  ".join(wrong))
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
    return is_wrong


if __name__ == "__main__":
    sys.exit(main())
