"""Operations that only airbyte-ci adds to a recipe: hooks cannot request them, and their process does not know them.

Higher rooms add further ones (`InstallPackages`, `AddCode`), and give the evaluator a handler for each.
"""

from airbyte_ci.dagger.operations import Copy, Exec, MakeLink, MountContents, Operation, Remove, WriteFile
from airbyte_ci.dagger.record import value
from airbyte_ci.oci.layer import Layer


@value
class AddLayer(Operation):
    """Put a layer of the store on top; None where a command changed nothing that stays.

    `impure` appears in the history only: the layer was made by a command that used the network.
    """

    layer: Layer | None
    comment: str = ""
    impure: bool = False
    _hidden = ("impure",)


# Operations that create files, and so change what later ones find.
MAKES_FILES = (AddLayer, Copy, Exec, MakeLink, MountContents, Remove, WriteFile)
