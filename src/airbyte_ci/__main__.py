"""`python -m airbyte_ci` is the same as the `airbyte-ci` command."""

from airbyte_ci.cli.main import main

main()
