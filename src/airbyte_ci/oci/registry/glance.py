"""One look at a tag with nothing but the standard library: most pushes have nothing new, and should cost nothing.

Whatever is not the plain answer "this tag stands for this digest" is left to the client, which knows logins, proxies,
repetitions and how failures are told; importing it takes longer than this look.
"""

import http.client
from collections.abc import Mapping

from airbyte_ci.oci.digest import Digest
from airbyte_ci.oci.image import DOCKER_INDEX, DOCKER_MANIFEST, INDEX, MANIFEST
from airbyte_ci.oci.reference import Reference
from airbyte_ci.oci.registry.endpoint import endpoint, may_be_plain
from airbyte_ci.oci.registry.options import RegistryOptions

_ACCEPTED = ", ".join((MANIFEST, INDEX, DOCKER_MANIFEST, DOCKER_INDEX))
# How requests are sent otherwise is the client's to know.
_ELSEWISE = ("http_proxy", "https_proxy", "all_proxy", "requests_ca_bundle")
_PATIENCE = 5


def stands_for(reference: Reference, digest: Digest, options: RegistryOptions, environment: Mapping[str, str]) -> bool:
    """Whether the tag is known to stand for the digest; False is "ask the client"."""
    place = endpoint(reference)
    plain = may_be_plain(place.host, options)
    if options.offline or (not plain and any(name.lower() in _ELSEWISE for name in environment)):
        return False
    kind = http.client.HTTPConnection if plain else http.client.HTTPSConnection
    connection = kind(place.host, timeout=_PATIENCE)
    try:
        connection.request("HEAD", f"/v2/{place.repository}/manifests/{reference.tag}", headers={"Accept": _ACCEPTED})
        answer = connection.getresponse()
        return answer.status == 200 and answer.headers.get("Docker-Content-Digest") == str(digest)
    except (OSError, http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()
