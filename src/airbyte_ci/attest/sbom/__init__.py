"""Bills of materials: the packages of an image, from its layers and its plan, as CycloneDX and SPDX documents."""
