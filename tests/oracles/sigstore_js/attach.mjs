// Attaches a bundle to an image with the library that GitHub's actions/attest uses; prints the descriptor.
import { readFileSync } from "node:fs";
import { attachArtifactToImage } from "@sigstore/oci";

const [imageName, imageDigest, file, mediaType, annotations] = process.argv.slice(2);
const descriptor = await attachArtifactToImage({
  imageName,
  imageDigest,
  credentials: { username: "me", password: "hunter2" },
  artifact: readFileSync(file),
  mediaType,
  annotations: JSON.parse(annotations),
  fetchOpts: { retry: 0 },
});
console.log(JSON.stringify(descriptor));
