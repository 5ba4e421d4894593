"""Replaces the code in the last image of a connector, if no other input of its build changed.

An image is a function of its plan, and the code is one operation of it, so the result is the one that planning and
evaluating all operations would give. Imports no lock, index, base image, hook or evaluator.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from airbyte_ci.connectors.connector import Connector
from airbyte_ci.errors import BlobNotFound
from airbyte_ci.images import source
from airbyte_ci.images.summary import PLAN_DIGEST, Built, image_key
from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import Descriptor, Image, ImageConfig, Manifest, canonical_json
from airbyte_ci.oci.layer import Layer, layer_of
from airbyte_ci.oci.store.store import Store


def replace_code(connector: Connector, store: Store, last: Built) -> Built | None:
    """Returns the build with the current code, or None if the last one is no pattern for it; raises ConnectorError."""
    try:
        document = json.loads(store.read(Digest.parse(last.plan)))
        image = store.image(last.digest)
    except BlobNotFound:
        return None
    codes = [item for item in document["operations"] if item["operation"] == "AddCode"]
    if len(codes) != 1 or image.config.diff_ids[-1] != Digest.parse(codes[0]["layer"]):
        return None
    layer = layer_of(store, source.entries(connector, codes[0]["main"], tuple(codes[0]["owner"])))
    codes[0]["layer"] = str(layer.diff_id)
    plan = store.put(canonical_json(document))
    key = image_key(plan)
    known = store.recall(key)
    is_cached = known is not None and store.has(Digest.parse(known["manifest"])) and store.has(layer.descriptor.digest)
    made = _with_last_layer(store, image, layer=layer, plan=plan, compression=document["choices"]["compression"])
    if not is_cached:
        store.remember(key, {"manifest": str(made.digest), "absent": dict(last.absent)})
    diff_ids = tuple(map(str, made.config.diff_ids))
    return replace(last, plan=str(plan), manifest=str(made.digest), diff_ids=diff_ids, cached=is_cached, fresh=0)


def _with_last_layer(store: Store, image: Image, layer: Layer, plan: Digest, compression: str) -> Image:
    """Returns the image with another last layer, as the image of another plan."""
    document: dict[str, Any] = {**image.config.document}
    diff_ids = [*map(str, image.config.diff_ids[:-1]), str(layer.diff_id)]
    document["rootfs"] = {"type": "layers", "diff_ids": diff_ids}
    config = ImageConfig.make(document)
    descriptor = _compressed(store, layer.descriptor, compression)
    annotations: Mapping[str, str] = {**image.manifest.annotations, PLAN_DIGEST: str(plan)}
    manifest = Manifest.make(config.descriptor, (*image.manifest.layers[:-1], descriptor), annotations)
    return store.put_image(manifest, config)


def _compressed(store: Store, descriptor: Descriptor, compression: str) -> Descriptor:
    if compression != "zstd":
        return descriptor
    from airbyte_ci.oci import recompress  # slow to import, and only those who ask for zstd wait for it

    return recompress.zstd_layer(store, descriptor)
