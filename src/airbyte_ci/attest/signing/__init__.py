"""Signs attestations, and checks signatures: keys, DSSE envelopes, sigstore bundles, and tags of cosign 2."""
