// Holds the chart's objects of KEDA and of the Prometheus operator against their schemas. In: all objects, as JSON on standard
// input. Out: a line with how many it knew; exit 1 when one is wrong. These schemas let unknown fields pass.
import { readFileSync } from "node:fs";
import { ScaledObject, TriggerAuthentication } from "@kubernetes-models/keda/keda.sh/v1alpha1";
import { ServiceMonitor } from "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1";

const kinds = { ScaledObject, TriggerAuthentication, ServiceMonitor };
let known = 0;
for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const Kind = kinds[object.kind];
  if (!Kind) continue;
  try {
    new Kind(object).validate();
  } catch (error) {
    console.error(`helm: ${object.kind} ${object.metadata.name}: ${error.message}`);
    process.exit(1);
  }
  known += 1;
}
console.log(`helm: ${known} objects of KEDA and the Prometheus operator`);
process.exit(known > 0 ? 0 : 1);
