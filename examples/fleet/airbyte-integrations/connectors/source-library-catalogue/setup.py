"""The package of the connector and what it needs."""

from setuptools import find_packages, setup

MAIN_REQUIREMENTS = ["defusedxml~=0.7"]
TEST_REQUIREMENTS = ["pytest~=8.0"]

setup(
    name="source_library_catalogue",
    version="0.1.3",
    description="Source implementation for library catalogues.",
    python_requires=">=3.9",
    author="Acme",
    author_email="connectors@acme.example",
    packages=find_packages(include=["source_library_catalogue"]),
    install_requires=MAIN_REQUIREMENTS,
    extras_require={"tests": TEST_REQUIREMENTS},
    entry_points={"console_scripts": ["source-library-catalogue=source_library_catalogue.run:main"]},
)
