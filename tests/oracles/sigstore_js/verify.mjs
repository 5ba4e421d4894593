// Verifies bundles with sigstore's own library: one JSON document {key, bundle} per line, and one answer per line.
import { createInterface } from "node:readline";
import { createPublicKey } from "node:crypto";
import { bundleFromJSON } from "@sigstore/bundle";
import { Verifier, toSignedEntity } from "@sigstore/verify";

function verify({ key, bundle }) {
  const publicKey = { publicKey: createPublicKey(key), validFor: () => true };
  const trust = { certificateAuthorities: [], timestampAuthorities: [], tlogs: [], ctlogs: [], publicKey: () => publicKey };
  const verifier = new Verifier(trust, { tlogThreshold: 0, ctlogThreshold: 0, timestampThreshold: 0 });
  verifier.verify(toSignedEntity(bundleFromJSON(bundle)));
}

for await (const line of createInterface({ input: process.stdin })) {
  try {
    verify(JSON.parse(line));
    console.log("ok");
  } catch (error) {
    console.log(`refused: ${String(error.message).split("\n")[0]}`);
  }
}
